package reqresp

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Inbound is an exchange that a peer began. It belongs to the goroutine that
// serves it, and ends when its handler returns.
type Inbound struct {
	info   InboundInfo
	spec   *Spec
	stream network.Stream
	timer  progressTimer
	pacer  Pacer
	trace  *ServerTrace
	server *Server
	seat   seat
	memory memory
	// trailing is nil unless the request's end has not come.
	trailing *trailingWatch

	phase    Phase
	received bool
	broken   bool // the stream broke while the request was read
	pace     Pace
	reserved bool
	expected int // bytes of the chunk that was reserved for
	usage    Cost
	writeErr error
	result   Result
}

// ID returns the exchange's ID.
func (in *Inbound) ID() InboundRequestID { return in.info.ID }

// Peer returns who asks.
func (in *Inbound) Peer() peer.ID { return in.info.Peer }

// Spec returns what is asked for.
func (in *Inbound) Spec() *Spec { return in.spec }

// Protocol returns the protocol ID negotiated, one of Spec().Protocols.
func (in *Inbound) Protocol() protocol.ID { return in.info.Protocol }

// Conn returns the connection the stream runs on.
func (in *Inbound) Conn() network.Conn { return in.info.Conn }

// Asked returns how many bytes of the request were read so far. It is that of the wire, and final when Receive has returned.
func (in *Inbound) Asked() uint64 { return in.result.RequestBytes }

// Sent returns the chunks and bytes that were written so far.
func (in *Inbound) Sent() Cost { return in.usage }

// Receive reads the request into msg, a pointer to a zero request, and then waits
// for the server's [Pacer] to admit the exchange. It is called once, before
// anything is sent.
//
// A request that cannot be read, is malformed, is not complete in time or is followed by bytes fails
// with an error that wraps an [*Error] of [CodeInvalidRequest], for the handler to return. It wraps [ErrViolation] too,
// unless time ran out. A stream that broke,
// a context that ended or an exchange that cannot be admitted fails with that
// cause.
//
// Receive returns as soon as the request is complete, also if the requester does not half-close the
// stream. Bytes that arrive later, while the handler runs, cancel its context with such an *Error as the
// cause.
func (in *Inbound) Receive(ctx context.Context, msg any) error {
	if in.received {
		return errors.New("reqresp: request was already received")
	}
	in.received = true
	if err := in.read(ctx, msg); err != nil {
		return err
	}
	tellBytes(in.trace.GotRequest, in.info, int(in.result.RequestBytes))
	in.phase = PhaseAdmit
	if err := in.admit(ctx); err != nil {
		return err
	}
	tell(in.trace.Admitted, in.info)
	in.phase = PhaseHandle
	return nil
}

func (in *Inbound) admit(ctx context.Context) error {
	var pace Pace
	if in.pacer != nil {
		var err error
		if pace, err = in.pacer.Admit(ctx, in.info.Peer, in.spec); err != nil {
			return fmt.Errorf("admitting %s: %w", in.spec.Name, err)
		}
	}
	if pace == nil {
		pace = unpaced{}
	}
	in.pace = pace
	return in.server.admitted(&in.seat)
}

func (in *Inbound) read(ctx context.Context, msg any) error {
	if err := in.memory.hold(readerSize, requestPriority); err != nil {
		return err
	}
	tr := &transportReader{r: in.stream, memory: &in.memory}
	br := getReader(tr)
	defer putReader(br)
	in.timer.start(in.spec.Limits.Timeouts.Progress, &tr.n, 0)
	err := in.spec.Codec.ReadRequest(br, in.Protocol(), in.spec.Limits.MaxRequest, msg)
	in.timer.stop()
	if err == nil {
		err = in.readEnd(br, tr, msg)
	}
	got := tr.n.Load()
	in.result.RequestBytes = got
	// The request itself stays, as long as its handler may look at it.
	_ = in.memory.hold(min(in.memory.held, int(got)), requestPriority)
	switch {
	case err == nil:
		return nil
	case tr.err == nil:
		return malformed(err)
	case errors.Is(tr.err, ErrRefused):
		return fmt.Errorf("reading request: %w", tr.err)
	case isTimeout(tr.err):
		return Errorf(CodeInvalidRequest, "request was not complete in time").WithCause(ErrTimeout)
	}
	in.broken = true
	return fmt.Errorf("reading request: %w", streamCause(ctx, in.stream, tr.err))
}

// malformed returns the verdict on a request that cannot be read: the codec's own, if it has one.
func malformed(err error) error {
	violation := fmt.Errorf("%w: %w", ErrViolation, err)
	if _, ok := ownVerdict(err); ok {
		return violation
	}
	return Errorf(CodeInvalidRequest, "malformed request").WithCause(violation)
}

// verdictOr returns err itself if it is meant for the peer, else a verdict that
// hides it.
func verdictOr(err error, code Code, text string) *Error {
	if e, ok := ownVerdict(err); ok {
		return e
	}
	return Errorf(code, "%s", text).WithCause(err)
}

// ownVerdict returns the verdict in err that is meant for the peer. What another peer sent is
// not, nor what a handler panicked with; an error with code zero would read as a success.
func ownVerdict(err error) (*Error, bool) {
	e, ok := errors.AsType[*Error](err)
	return e, ok && !e.Remote && e.Code != 0 && !isPanic(err)
}

// Reserve waits until the next chunk, expected to cost c, may be fetched and
// sent. Handlers that know what comes next before they fetch it call it there;
// for others Send does. If nothing was sent since it was last called, what was
// reserved then is given back first. It fails with the context's error, or with one that wraps
// ErrRefused if the server's [Pacer] does not let the exchange go on.
func (in *Inbound) Reserve(ctx context.Context, c Cost) error {
	if in.pace == nil {
		return errors.New("reqresp: nothing can be reserved before the request was received")
	}
	in.unreserve()
	if err := in.pace.Reserve(ctx, c); err != nil {
		return err
	}
	in.reserved = true
	in.expected = int(min(c.Bytes, math.MaxInt32))
	return nil
}

func (in *Inbound) unreserve() {
	if in.reserved {
		in.reserved = false
		in.pace.Settle(Cost{})
	}
}

// Send writes msg, a pointer to a response, as the next chunk. Any error it
// returns but the codec's own means that the stream is broken, and that the
// handler should return. If there is no memory for the chunk it wraps ErrRefused, and nothing
// was written. A requester that has lost interest resets the stream, which is noticed here.
func (in *Inbound) Send(ctx context.Context, msg any) error {
	return in.SendAppend(ctx, func(dst []byte) ([]byte, error) {
		return in.spec.Codec.AppendResponse(dst, in.Protocol(), msg)
	})
}

// SendAppend writes the next chunk, laid out by fill exactly as the family's codec
// would, in one write. The buffer that fill extends and returns is the engine's
// and empty; it must not be kept. If fill fails nothing is written, and its error is
// returned as it is.
func (in *Inbound) SendAppend(ctx context.Context, fill func(dst []byte) ([]byte, error)) error {
	if in.pace == nil {
		return errors.New("reqresp: nothing can be sent before the request was received")
	}
	if in.writeErr != nil {
		// Whatever followed a chunk that was cut off would be read as its rest.
		return in.writeErr
	}
	switch {
	case in.spec.Kind == KindUnary && in.usage.Items > 0:
		return fmt.Errorf("reqresp: %s is answered by one response only", in.spec.Name)
	case in.spec.Kind == KindOneWay:
		return fmt.Errorf("reqresp: %s is not answered", in.spec.Name)
	}
	if !in.reserved {
		if err := in.Reserve(ctx, Cost{Items: 1}); err != nil {
			return err
		}
	}
	in.reserved = false
	var used Cost
	// Settled even if fill panics: what was reserved is given back then.
	defer func() { in.pace.Settle(used) }()

	// What the chunk is expected to take is held before it is there, and then what it takes.
	request := in.memory.held
	if err := in.memory.hold(request+in.expected, chunkPriority); err != nil {
		return err
	}
	defer func() { _ = in.memory.hold(request, chunkPriority) }()
	buf := getBuffer()
	defer putBuffer(buf)
	chunk, err := fill((*buf)[:0])
	if err != nil {
		return err
	}
	*buf = chunk
	if err := in.memory.hold(request+max(in.expected, len(chunk)), chunkPriority); err != nil {
		return err
	}
	in.phase = PhaseResponse
	n, err := in.write(ctx, chunk)
	used = Cost{Items: 1, Bytes: uint64(n)}
	in.usage.Items++
	in.usage.Bytes += uint64(n)
	if err != nil {
		return err
	}
	in.result.Chunks++
	tellBytes(in.trace.WroteChunk, in.info, n)
	return nil
}

// Fetch calls fill for data that the handler has to look into to find its answer, and that is not sent. The data,
// expected to take size bytes, is reserved and settled with the server's [Pacer] as bytes without an item, and held in
// its memory meanwhile. What was reserved and not sent is given back first, as by Reserve. The buffer that fill
// extends and returns is the engine's and empty; it must not be kept. It fails as Reserve does, with fill's error as it
// is, or with one that wraps ErrRefused if there is no memory.
func (in *Inbound) Fetch(ctx context.Context, size uint64, fill func(dst []byte) ([]byte, error)) error {
	if err := in.Reserve(ctx, Cost{Bytes: size}); err != nil {
		return err
	}
	in.reserved = false
	var used Cost
	defer func() { in.pace.Settle(used) }()
	request := in.memory.held
	if err := in.memory.hold(request+in.expected, chunkPriority); err != nil {
		return err
	}
	defer func() { _ = in.memory.hold(request, chunkPriority) }()
	buf := getBuffer()
	defer putBuffer(buf)
	data, err := fill((*buf)[:0])
	if err != nil {
		return err
	}
	*buf = data
	used.Bytes = uint64(len(data))
	return nil
}

func (in *Inbound) write(ctx context.Context, b []byte) (int, error) {
	n, err := in.timer.write(b, in.spec.Limits.Timeouts.Write)
	in.result.ResponseBytes += uint64(n)
	if err != nil {
		in.writeErr = fmt.Errorf("writing response: %w", streamCause(ctx, in.stream, err))
	}
	return n, in.writeErr
}

// release frees what the exchange holds of the pacer's and of memory. It is the only place
// that does.
func (in *Inbound) release() {
	in.memory.free()
	if in.pace == nil {
		return
	}
	in.unreserve()
	in.pace.Release()
}
