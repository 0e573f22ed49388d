// Package reqresp runs request/response protocols on libp2p streams: one
// stream per exchange, one request, then zero or more response chunks.
//
// A protocol is declared once, as a typed descriptor: [Unary] where exactly one
// response follows a request, [Stream] where any number may. The descriptor is
// used on both sides. Registered on a [Server] it serves, called through a
// [Client] it asks:
//
//	var family = reqresp.Family{Prefix: "/example", Codec: codec}
//	var Echo = reqresp.NewUnary[Text, Text](family, "echo", reqresp.Limits{}, 1)
//
//	srv := reqresp.NewServer(host, nil)
//	srv.Register(Echo.Serve(func(ctx context.Context, from peer.ID, req *Text) (*Text, error) {
//		return req, nil
//	}))
//	srv.Start()
//
//	reply, err := Echo.Call(ctx, client, peerID, &Text{"hello"})
//
// How messages are laid out on the stream is the business of the family's
// [Codec]. Descriptors are the only generic types here; below them the engine
// deals in a [Spec], an [Inbound] and an [Outbound] exchange.
//
// # Streams
//
// The requester opens a stream, writes the request and closes its write side at
// once. The responder reads up to that end, answers, and closes. An exchange
// that ended well is closed, never reset; one that failed, was cancelled or is of
// no more interest is reset with one of the codes of
// https://github.com/libp2p/specs/blob/master/error-codes/README.md, and never
// after it was closed. Every chunk is one write of its own, because deployed
// decoders lose bytes when two chunks share one.
//
// One muxer falls short of this: go-libp2p's mplex sends no reset for a stream
// whose write side is closed, so that a responder does not learn that its
// requester broke off and sends on. The rest is then read and dropped, for up to five seconds,
// before the call returns: mplex stalls a connection on which streams are given up with data
// unread.
//
// # Errors
//
// A verdict that crosses the wire is an [*Error] with a [Code]. A handler
// returns one to refuse a request; a caller gets one, with Remote set, when the
// responder did. Text reaches the peer only if it was written for it with
// [Errorf]; any other error a handler returns is logged here and leaves as a
// bare [CodeServerError]. Whatever else can end a call is a [*Failure], which
// tells the [Phase] and wraps the cause: [ErrTimeout], [ErrUnsupported],
// [ErrViolation], a context's error, or libp2p's own [network.StreamError] with
// the code of a reset.
//
// # Limits
//
// No exchange holds more than [Limits] allows: on the server one request, then one chunk while
// it is written. All of them together hold at most as many times that as there may be
// streams. A server bounds the streams it has open, in all and per peer, and resets what
// is beyond with [network.StreamResourceLimitExceeded] before anything is read.
// When and how fast an exchange may go on is decided by a [Pacer], chunk by
// chunk and before the chunk is fetched. A client keeps a bound on the exchanges it has under way
// with one peer on one protocol, and further calls wait their turn.
//
// # Concurrency
//
// A [Server] and a [Client] are safe for concurrent use, and so are descriptors.
// An [Inbound] or [Outbound] exchange belongs to one goroutine. Handlers run
// concurrently, each on a goroutine the server owns and waits for in
// [Server.Stop].
package reqresp
