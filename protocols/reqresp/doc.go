// Package reqresp runs request/response protocols on libp2p streams: one
// stream per exchange, one request, then zero or more response chunks.
//
// A protocol is declared once, as a typed descriptor: [Unary] where exactly one
// response follows a request, [Stream] where any number may, [OneWay] where
// none does. The descriptor is used on both sides. Registered on a [Server] it serves,
// called through a [Client] it asks:
//
//	var family = reqresp.Family{Prefix: "/example", Codec: json.Codec{}}
//	var Echo = reqresp.NewUnary[Text, Text](family, "echo", reqresp.Limits{}, 1)
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
// Descriptors are the only generic types here; below them the engine
// deals in a [Spec], an [Inbound] and an [Outbound] exchange. What rust-libp2p's
// request_response does works here too, on the wire with its peers; [RequestResponse] is
// its event style.
//
// # Families and codecs
//
// A [Family] is protocols with a common ID prefix and a [Codec], which lays their messages out
// on the stream. The packages json and cbor beside this one have codecs that
// rust-libp2p's peers understand, for one response per request; package chunked makes of such a codec one
// for streams of chunks and for errors with a text.
//
// The versions of a protocol that share their types are one descriptor, a
// preference list: the first that the peer supports is used. Versions whose types differ are several
// descriptors, and [Client.Open] negotiates one of them before the request is laid
// out. [Outbound.Protocol] and [Inbound.Protocol] tell both sides which it is.
//
// # Streams
//
// The requester opens a stream, writes the request and closes its write side at
// once. The responder reads up to that end, answers, and closes. An exchange
// that ended well is closed, never reset; so is one whose handler gave no answer. One that failed, was
// cancelled or is of no more interest is reset with one of the codes of
// https://github.com/libp2p/specs/blob/master/error-codes/README.md, and never
// after it was closed. Every chunk is one write of its own, because deployed
// decoders lose bytes when two chunks share one.
//
// A stream's chunks are written no faster than the peer reads them. A requester that
// breaks off resets the stream, and its peer notices with the next chunk it writes: the muxers
// tell nobody before. The end of a connection is noticed at once.
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
// [Errorf]; any other error a handler returns, or its panic, is logged here and leaves as a
// bare [CodeServerError]. Where the codec has no place for a verdict, its code is that of
// the stream's reset: [CodeInvalidRequest] as libp2p's protocol violation, others as
// 0x10000 plus the code.
//
// Whatever else can end a call is a [*Failure], which
// tells the [Phase] and wraps the cause: [ErrTimeout], [ErrUnsupported],
// [ErrViolation], [ErrDisconnected], [ErrRefused] and [ErrRateLimited] for the codes of
// resets that say so, [ErrTooManyPending], a context's error, or libp2p's own
// [network.StreamError]. [ReasonOf] sorts errors into a few kinds.
//
// A peer to which there is only a limited connection, over a relay, is not asked: the call fails at once, with
// [network.ErrLimitedConn], unless its context has [network.WithAllowLimitedConn].
//
// # Limits
//
// No exchange holds more than [Limits] allows: on the server one request, then one chunk while
// it is written. All of them together hold no more than [ServerOptions].MaxMemory. A server bounds
// the streams it has open too, in all, per peer and per connection. What is beyond is reset with
// [network.StreamResourceLimitExceeded]: a stream before anything is read of it, a message that
// there is no memory for when that shows. It is counted by [Server.Refused], and told as an error
// that wraps [ErrRefused]. As the bound of streams in all nears, peers with most of them give up some
// that are not answered yet for peers with few.
//
// So a peer that opens thousands of streams has at most MaxStreamsPerPeer of them, and no more than
// 60 by default, served at a time. Each costs a goroutine and the records of all layers, less than 20 KiB, what its muxer
// buffers, on yamux up to 256 KiB, and its messages, all of which together hold at most a sixteenth
// of MaxMemory, 16 MiB. The streams whose protocol is not negotiated yet, and on mplex those
// that were refused and are drained, are libp2p's and its resource manager's to bound.
//
// Where the host has a resource manager, streams that are served belong to the service
// [ServiceName], and memory is reserved in their scopes: for a request if 60 % of a scope's limit
// is enough, for a chunk up to 80 %. What is refused there ends in the same way. The
// requests and answers of a [Client] are bounded by [ClientOptions] and the Limits of what it calls.
//
// When and how fast an exchange may go on is decided by a [Pacer], chunk by
// chunk and before the chunk is fetched. A client bounds the exchanges it has under way,
// in all and with one peer on one protocol; further calls wait their turn, and a bound on those too makes the
// next one fail at once. See [ServerOptions] and [ClientOptions].
//
// Every phase of an exchange has a timeout of its own, see [Timeouts]. Peers with pending
// exchanges are protected from the connection manager.
//
// # Observation
//
// A [ClientTrace] and a [ServerTrace] are told how exchanges go on. Each exchange that
// started is done exactly once, whatever happens. IDs are local, unique and increasing.
//
// # Concurrency
//
// A [Server], a [Client] and a [RequestResponse] are safe for concurrent use, and so are descriptors.
// An [Inbound] or [Outbound] exchange belongs to one goroutine. Handlers run
// concurrently, each on a goroutine the server owns and waits for in
// [Server.Stop]. A client has no goroutine: calls run on their caller's.
package reqresp
