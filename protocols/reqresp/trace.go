package reqresp

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// An OutboundInfo identifies a call in what a [ClientTrace] is told.
type OutboundInfo struct {
	// ID is the call's own.
	ID OutboundRequestID
	// Peer is who is asked.
	Peer peer.ID
	// Spec is the protocol called; where several were given to [Client.Open], the first
	// until one is negotiated.
	Spec *Spec
	// Protocol is the protocol ID negotiated, empty before that.
	Protocol protocol.ID
	// Conn is the connection that the stream runs on, nil before there is one.
	Conn network.Conn
}

// An InboundInfo identifies an exchange in what a [ServerTrace] is told.
type InboundInfo struct {
	// ID is the exchange's own.
	ID InboundRequestID
	// Peer is who asks.
	Peer peer.ID
	// Spec is the protocol asked for.
	Spec *Spec
	// Protocol is the protocol ID negotiated.
	Protocol protocol.ID
	// Conn is the connection that the stream runs on.
	Conn network.Conn
}

// A Result is what an exchange came to.
type Result struct {
	// Err is nil for a success, wraps an [*Error] for a verdict, and is otherwise a
	// [*Failure]. [ReasonOf] sorts it.
	Err error
	// Chunks is how many response chunks were received or sent.
	Chunks int
	// RequestBytes and ResponseBytes are the message bytes that were carried by the stream, as
	// far as they got. What the protocol's negotiation took is not in them.
	RequestBytes, ResponseBytes uint64
}

// A ClientTrace is a set of hooks which are told how the calls of a [Client] go on, in
// the manner of net/http/httptrace. Any of them may be nil. Those of one
// call run one after the other, on the goroutine that calls, in the order in which they stand here;
// those of several calls run concurrently. They should return soon.
type ClientTrace struct {
	// Start is told first, before the call waits for its turn.
	Start func(OutboundInfo)
	// Turn is told when the call need not wait any longer.
	Turn func(OutboundInfo)
	// Connected is told when there is a connection with the peer. Info.Conn is not yet
	// known.
	Connected func(OutboundInfo)
	// Negotiated is told when there is a stream and, as far as this side knows, a protocol:
	// libp2p negotiates a protocol that a peer has announced along with the request.
	Negotiated func(OutboundInfo)
	// WroteRequest is told when the request was written, of so many bytes, and the stream
	// half-closed.
	WroteRequest func(info OutboundInfo, bytes int)
	// GotFirstByte is told when the response begins.
	GotFirstByte func(OutboundInfo)
	// GotChunk is told of each response chunk, of so many bytes.
	GotChunk func(info OutboundInfo, bytes int)
	// Done is told last, exactly once for every Start.
	Done func(OutboundInfo, Result)
}

// A ServerTrace is a set of hooks which are told how the exchanges of a [Server] go
// on. Any of them may be nil. Those of one exchange run one after the other, on the
// goroutine that serves, in the order in which they stand here; those of several exchanges run
// concurrently. They should return soon.
type ServerTrace struct {
	// Start is told first, when a peer has opened a stream. Nothing was read yet.
	Start func(InboundInfo)
	// GotRequest is told when the request was read, of so many bytes.
	GotRequest func(info InboundInfo, bytes int)
	// Admitted is told when the server's [Pacer] has admitted the exchange.
	Admitted func(InboundInfo)
	// WroteChunk is told of each response chunk, of so many bytes.
	WroteChunk func(info InboundInfo, bytes int)
	// Done is told last, exactly once for every Start: when the stream is closed or
	// reset. Streams that are beyond the bounds of [ServerOptions] are told of
	// too, with an error that wraps ErrRefused.
	Done func(InboundInfo, Result)
}

// tell calls a hook if there is one.
func tell[Info any](hook func(Info), info Info) {
	if hook != nil {
		hook(info)
	}
}

func tellBytes[Info any](hook func(Info, int), info Info, n int) {
	if hook != nil {
		hook(info, n)
	}
}

func tellResult[Info any](hook func(Info, Result), info Info, r Result) {
	if hook != nil {
		hook(info, r)
	}
}
