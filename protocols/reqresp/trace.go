package reqresp

import (
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Phase is how far an exchange has come.
type Phase uint8

const (
	// PhaseQueue is the wait for the client's own bounds on concurrent calls, and for its
	// [CallLimiter].
	PhaseQueue Phase = iota + 1
	// PhaseDial is connecting to the peer.
	PhaseDial
	// PhaseNegotiate is opening the stream and agreeing on the protocol.
	PhaseNegotiate
	// PhaseRequest is writing the request, or reading it on the server.
	PhaseRequest
	// PhaseFirstByte is the wait for the first byte of the response.
	PhaseFirstByte
	// PhaseAdmit is the wait for the server's [Limiter] to admit the exchange.
	PhaseAdmit
	// PhaseHandle is the handler's work before the first chunk of the response.
	PhaseHandle
	// PhaseReserve is the wait for the server's [Limiter] before a chunk is fetched. PhaseHandle
	// or PhaseResponse follows it.
	PhaseReserve
	// PhaseResponse is reading the response, or writing it on the server.
	PhaseResponse

	phases
)

var phaseNames = [phases]string{
	PhaseQueue:     "queue",
	PhaseDial:      "dial",
	PhaseNegotiate: "negotiate",
	PhaseRequest:   "request",
	PhaseFirstByte: "first byte",
	PhaseAdmit:     "admit",
	PhaseHandle:    "handle",
	PhaseReserve:   "reserve",
	PhaseResponse:  "response",
}

// String returns the phase's name, such as "dial".
func (p Phase) String() string {
	if p > 0 && p < phases {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// Info identifies an exchange.
type Info struct {
	// Inbound reports whether the peer asks. If not, this side does.
	Inbound bool
	// ID is unique among the exchanges of one [Server], and among those of one [Client]. IDs
	// begin at 1 and increase. They are local and never sent.
	ID uint64
	// Peer is the other side.
	Peer peer.ID
	// Spec is the protocol. Where several were given to [Client.Open], it is the first until
	// one is negotiated.
	Spec *Spec
	// Protocol is the protocol ID negotiated, empty before that.
	Protocol protocol.ID
	// Conn is the connection that the stream runs on, nil before there is a stream.
	Conn network.Conn
}

// Result is what an exchange came to.
type Result struct {
	// Err is nil for a success, wraps an [*Error] for an error response, and is otherwise a
	// [*Failure]. [ReasonOf] sorts it.
	Err error
	// Chunks is how many whole response chunks were received or sent.
	Chunks int
	// RequestBytes and ResponseBytes are the message bytes that the stream carried, as far as
	// they got. What negotiating the protocol took is not in them.
	RequestBytes, ResponseBytes uint64
	// RequestSize and ResponseSize are the sizes of the request and of all chunks before they
	// were encoded, as a [SizeCodec] returns them. They are zero with other codecs.
	RequestSize, ResponseSize uint64
}

// Exchange is the state of one exchange. Hooks of a [Trace] may read it until they return.
// They must not change it.
type Exchange struct {
	Info
	// Result is what has come of the exchange so far. A client sets ResponseBytes with each
	// chunk and at the end, a server with each write. Err is set at the end.
	Result
	// Began is when the exchange began.
	Began time.Time
	// Phase is how far the exchange has come, and Since is when it entered the phase.
	Phase Phase
	Since time.Time
	// ChunkBytes is how many of ResponseBytes were those of whole chunks. The rest is an
	// error response, or what was carried of a chunk that was cut off.
	ChunkBytes uint64

	spent [phases]time.Duration
	// traces are those of the server or client, and of the call. They may be nil.
	traces [2]*Trace
}

// Spent returns how long the exchange has been in a phase, in all. The phase it is in counts once
// it is over.
func (x *Exchange) Spent(p Phase) time.Duration {
	if p >= phases {
		return 0
	}
	return x.spent[p]
}

func (x *Exchange) begin(p Phase) {
	x.Began = time.Now()
	x.Phase, x.Since = p, x.Began
	for _, t := range x.traces {
		t.start(x)
	}
}

func (x *Exchange) enter(p Phase) {
	left := x.Phase
	if p == left {
		return
	}
	now := time.Now()
	spent := now.Sub(x.Since)
	x.spent[left] += spent
	x.Phase, x.Since = p, now
	for _, t := range x.traces {
		t.phase(x, left, spent)
	}
}

func (x *Exchange) chunk(bytes, size int) {
	x.Chunks++
	x.ChunkBytes += uint64(bytes)
	x.ResponseSize += uint64(size)
	for _, t := range x.traces {
		t.chunk(x, bytes, size)
	}
}

func (x *Exchange) done(err error) {
	x.Err = err
	x.spent[x.Phase] += time.Since(x.Since)
	for _, t := range x.traces {
		t.done(x)
	}
}

// Trace is a set of hooks that are called as exchanges go on, in the manner of
// net/http/httptrace. Any of them may be nil. Those of one exchange are called one after the other,
// by the goroutine that runs it. Those of several exchanges are called concurrently. The exchange
// waits for them.
//
// A [Server], a [Client] and the calls of one [CallOptions] have a Trace. One Trace can be for all of them.
type Trace struct {
	// Start is called first. A server's exchange is in PhaseRequest then, and nothing was read
	// yet. A client's is in PhaseQueue.
	Start func(x *Exchange)
	// Phase is called when the exchange has entered x.Phase, after it was in another phase for a
	// time.
	Phase func(x *Exchange, left Phase, spent time.Duration)
	// Chunk is called for each response chunk that was received or sent. Bytes is its length on
	// the stream, and size its length before it was encoded, 0 if that is not known.
	Chunk func(x *Exchange, bytes, size int)
	// Done is called last, exactly once for each Start. It is called for streams that are refused for
	// the bounds of [ServerOptions], too.
	Done func(x *Exchange)
}

// JoinTraces returns a Trace that calls the hooks of several, in their order. Those that are nil
// are skipped. It returns nil if all are.
func JoinTraces(traces ...*Trace) *Trace {
	list := slices.DeleteFunc(slices.Clone(traces), func(t *Trace) bool { return t == nil })
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return &Trace{
		Start: func(x *Exchange) {
			for _, t := range list {
				t.start(x)
			}
		},
		Phase: func(x *Exchange, left Phase, spent time.Duration) {
			for _, t := range list {
				t.phase(x, left, spent)
			}
		},
		Chunk: func(x *Exchange, bytes, size int) {
			for _, t := range list {
				t.chunk(x, bytes, size)
			}
		},
		Done: func(x *Exchange) {
			for _, t := range list {
				t.done(x)
			}
		},
	}
}

func (t *Trace) start(x *Exchange) {
	if t != nil && t.Start != nil {
		t.Start(x)
	}
}

func (t *Trace) phase(x *Exchange, left Phase, spent time.Duration) {
	if t != nil && t.Phase != nil {
		t.Phase(x, left, spent)
	}
}

func (t *Trace) chunk(x *Exchange, bytes, size int) {
	if t != nil && t.Chunk != nil {
		t.Chunk(x, bytes, size)
	}
}

func (t *Trace) done(x *Exchange) {
	if t != nil && t.Done != nil {
		t.Done(x)
	}
}
