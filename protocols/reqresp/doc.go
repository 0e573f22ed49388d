// Package reqresp runs request/response protocols on libp2p streams: one stream per exchange, one request, then zero
// or more response chunks.
//
// A protocol is declared once, as a typed descriptor: [Unary] where exactly one response follows a request, [Stream]
// where any number may, [OneWay] where none does. Registered on a [Server] a descriptor serves, called through a
// [Client] it asks:
//
//	var family = reqresp.Family{Prefix: "/example", Codec: codec}
//	var Echo = reqresp.NewUnary[Text, Text](family, "echo", 1)
//
//	srv := reqresp.NewServer(host, nil)
//	srv.Register(Echo.Serve(func(ctx context.Context, from peer.ID, req *Text) (*Text, error) {
//		return req, nil
//	}))
//	srv.Start()
//
//	client := reqresp.NewClient(otherHost, nil)
//	reply, err := Echo.Call(ctx, client, host.ID(), &Text{"hello"})
//
// A [Family] is protocols with a common ID prefix and a [Codec], which encodes and decodes their messages. Versions
// of a protocol that share their types are one descriptor, a preference list: the first that the peer supports is
// used. Versions whose types differ are several descriptors, and [Client.Open] negotiates one of them before the
// request is encoded. Descriptors are the only generic types. Below them are a [Spec], an [Inbound] and an [Outbound]
// exchange. Package requestresponse has codecs and an event style that are compatible with rust-libp2p.
//
// # Streams
//
// The requester opens a stream, writes the request and closes its write side at once. The responder answers as soon
// as the request is complete, and closes. It does not wait for a requester that leaves its write side open, as
// crawlers do. A byte after the request is refused with [CodeInvalidRequest], and ends an answer in flight. An
// exchange that ended well is closed, never reset; so is one whose handler gave no answer. One that failed or was
// cancelled is reset with one of the codes of https://github.com/libp2p/specs/blob/master/error-codes/README.md, and
// never after it was closed. Every chunk is one write of its own, because deployed decoders lose bytes when two
// chunks share one.
//
// A stream's chunks are written no faster than the peer reads them. A requester that breaks off resets the stream,
// and its peer notices with the next chunk it writes. The end of a connection is noticed at once.
//
// Every phase of an exchange has a timeout of its own, see [Timeouts]. A message that keeps arriving does not time
// out, however large it is, as long as 16 KiB come within each. Peers with pending exchanges are protected from the
// connection manager. A peer to which there is only a limited connection, over a relay, is not asked: the call fails
// at once, with [network.ErrLimitedConn], unless its context has [network.WithAllowLimitedConn].
//
// # Errors
//
// An error response is an [*Error] with a [Code]. A handler returns one to refuse a request; a caller gets one, with
// Remote set, when the responder did. Text reaches the peer only if it was written for it with [Errorf]. Any other
// error of a handler, or its panic, is logged here and leaves as a bare [CodeServerError]. Where the codec has no
// place for an error, its code is that of the stream's reset: [CodeInvalidRequest] as libp2p's protocol violation,
// others as 0x10000 plus the code.
//
// Whatever else can end an exchange is a [*Failure] with its [Phase], the side that reset the stream, and the cause:
// [ErrTimeout], [ErrUnsupported], [ErrViolation], [ErrDisconnected], [ErrRefused] and [ErrRateLimited] for the codes
// of resets that say so, [ErrTooManyPending], a context's error, or libp2p's own [network.StreamError]. [ReasonOf]
// sorts errors into a few kinds.
//
// # Limits
//
// No exchange takes more memory than [Limits] allows: on the server one request, then one chunk while it is written.
// All of them together take no more than [ServerOptions].MaxMemory. A server bounds its streams in all, per peer and
// per connection. What is beyond is reset with [network.StreamResourceLimitExceeded], counted by [Server.Refused],
// and ends in an error that wraps [ErrRefused] and names the bound. As the bound of streams in all nears, streams
// that are not answered yet are evicted from the peers with most of them, for peers with few.
//
// So a peer that opens thousands of streams has at most MaxStreamsPerPeer of them served at a time, and no more than
// 60 by default. Each costs a goroutine and the records of all layers, less than 20 KiB, what its muxer buffers, on
// yamux up to 256 KiB, and its messages, all of which together take at most a sixteenth of MaxMemory, 16 MiB. Streams
// whose protocol is not negotiated yet, and on mplex those that were refused and are drained, are for libp2p to
// bound.
//
// Where the host has a resource manager, streams that are served belong to the service [ServiceName], and memory is
// reserved in their scopes: for a request if 60 % of a scope's limit is enough, for a chunk up to 80 %. What is
// refused there ends in the same way.
//
// A [Limiter] decides when and how fast a server's exchange may go on, chunk by chunk and before the chunk is
// fetched. A client bounds its calls in flight, in all and with one peer on one protocol. Further calls wait, and a
// bound on those makes the next one fail at once. See [ServerOptions] and [ClientOptions].
//
// # Observation
//
// A [Trace] is called as exchanges of both directions go on, with the state of the [Exchange]: the phase it is in,
// how long it was in each, its sizes and its outcome. Each exchange that started is done exactly once.
//
// # Concurrency
//
// A [Server] and a [Client] are safe for concurrent use, and so are descriptors. An [Inbound] or [Outbound] exchange
// belongs to one goroutine. Handlers run concurrently, each on a goroutine that the server owns and waits for in
// [Server.Stop]. Calls run on their caller's goroutine, and on mplex on one more that ends with the call.
//
// # mplex
//
// go-libp2p's mplex has no flow control, and one loop reads a connection for all its streams: a message that its
// reader does not take stalls them all, and after five seconds go-mplex resets that stream. Nor does it send a reset
// for a stream whose write side is closed, so that a responder does not learn that its requester broke off, and sends
// on.
//
// A client therefore reads a response on mplex as it arrives, on a goroutine of the call's, and buffers what its
// caller has not received yet. [Outbound.MaxUnread] bounds that for one response, 256 MiB bound it for all of a
// client together, of which several of one peer get a part, and it is reserved in the scope of its stream. So:
//
//   - Other streams of the connection are delayed by a slow caller for no more than 250 ms at a time, in
//     which the caller may make room.
//   - A response that fits is received whole, however slow the caller is.
//   - From one that does not fit, the chunks that were buffered are received. Then Receive fails with [ErrBufferFull].
//
// These limits remain:
//
//   - The responder is not slowed down. How much arrives is decided by what is asked for: package beacon asks
//     for what is likely to fit, other callers have to do so themselves.
//   - A response that is given up keeps arriving. It is read and dropped for up to five seconds, for which the call's
//     end waits, and skipped by go-mplex from then on. It takes the connection's bandwidth, and the next response
//     arrives behind it.
//   - A peer that does not read what this side sends stalls all that is sent to it, and so the negotiation of its
//     further streams. What it sends on streams that are negotiated is read and handled meanwhile.
//   - Streams in libp2p's hands, and those of other protocols, can stall a connection.
//
// On yamux and QUIC the responder waits for the reader. QUIC has a window for a whole connection too: several slow
// readers can fill that.
package reqresp
