// Package throttled runs request/response protocols in which a peer may send no more
// requests than the other side has given it credit for. It speaks the protocol of the
// throttled module that releases 0.3 to 0.12 of libp2p-request-response have, the crate
// of rust-libp2p, and works with peers on these.
//
// [Throttled] has the methods and events of [requestresponse.RequestResponse]. Besides,
// SendRequest fails with [ErrNoCredit] where a peer's credit is used up, and there are
// two more events: [ResumeSending], when there is credit again, and
// [TooManyInboundRequests], for peers that send without.
//
//	var Ping = reqresp.NewUnary[Text, Text](family, "ping", 1)
//
//	th := throttled.New(host, nil, Ping)
//	th.SetReceiveLimit(16)
//	th.Start()
//
//	id, err := th.SendRequest(ctx, peerID, "ping")
//
// # Credit
//
// Both sides keep a budget for each direction, which begins at one request. The
// requester takes one from its budget for every request, the responder for every
// request that it receives. When the responder's account of a peer's budget has come to
// zero, and a request of that peer is answered, the peer is granted as many requests as
// its receive limit says: SetReceiveLimit for peers in general, OverrideReceiveLimit
// for one. The grant is sent before the response, on a stream of its own, and may
// arrive after it.
//
// So a limit is a budget and no bound on concurrency: with every answer that finds the
// budget used up there may be as many more requests in flight as the limit says. The
// streams that one peer may have are bounded by [reqresp.ServerOptions]. A limit of
// one, the default, costs a stream per request more.
//
// A grant has a number higher than any before it, and is acknowledged. It is sent
// again, after half a second, then twice as long each time up to 30 s, until the peer
// has acknowledged it, has sent a request that it could not have sent without, or turns
// out not to serve the protocol. A grant that comes twice is acknowledged twice and
// counted once. The budget of a requester never overflows.
//
// When the last connection with a peer ends, either side's budget for sending is one
// again. A responder remembers what it has granted, and grants what exceeds one anew on
// the next connection. The 8192 peers that were connected last are remembered.
//
// # On the wire
//
// The protocol ID is that of the protocol itself with the prefix /t/1, see
// [ProtocolID]. A peer that only serves the plain protocol does not support it. Every
// message, in both directions, is a header and, in requests and responses, what the
// protocol's codec writes:
//
//	uvarint length, then a CBOR map { 0: [type, []], 1: credit, 2: grant }
//
//	05 a1 00 82 00 80 …                          request
//	05 a1 00 82 01 80 …                          response
//	09 a3 00 82 02 80 01 05 02 01                grant 1, of 5 requests: in a request's place
//	07 a2 00 82 03 80 02 01                      acknowledgement: in a response's place
//
// What a header may look like that is read, is what rust-libp2p's reader takes. Lengths
// have to be minimal varints, and at most 8192; keys that are not known may have values
// nested up to 64 deep. Nothing may follow a grant. A stream with any other header is
// reset with network.StreamProtocolViolation; a request that is answered with one fails
// with an error that wraps [ErrHeader].
//
// As a grant is a request in the other direction, both sides have to serve the protocol
// and to call it. There is no other support than full.
//
// # What differs from rust-libp2p
//
//   - A request is paid back with its end, whatever that is: a response, an error, a
//     channel that was closed, a timeout. There, only a response pays back, and a peer
//     whose requests are dropped can send no more.
//   - A stream on which no request could be read may have cost the peer its credit, and
//     so may the end of one of several connections. It is given more then. The
//     responder's account becomes a range, and a peer is refused only beyond the upper
//     end; that is at most twice the limit.
//   - A request of which nothing was sent, because the peer could not be dialed or
//     supports no protocol, does not cost credit. There, a peer that cannot be reached
//     can never be asked again.
//   - A peer's last grant is forgotten when it disconnects, as a peer that restarts may
//     count from zero; there it is remembered, so that the new process would be
//     ignored. Grants of ours count on from the time in milliseconds, for the sake of
//     peers that remember.
//   - On a new connection the first request is no proof that the grant has arrived
//     which was sent with it.
//   - Grants are sent again after a while, and not where they are not supported; there,
//     at once and for ever.
//   - [ResumeSending] tells of all credit where there was none, the one that a new
//     connection begins with included.
//   - CanSend tells of peers that are not connected, too, whether there is credit;
//     there it is always true. RemoveOverride takes effect on peers that are known.
//   - A request that was dropped for want of credit is followed by no other event.
//     There, an InboundFailure follows, of an ID that is not known.
//   - A header that cannot be read costs its stream, and not the connection.
//
// Peers on releases of that age close a connection on which a stream is reset or ends
// without a response. Their yamux may miss the end of a stream on which they wait; then
// a request that was dropped here ends there with its timeout.
//
// # Concurrency
//
// A [Throttled] is safe for concurrent use, and only Stop waits. Grants run on
// goroutines of their own, one for each peer that is to get one.
package throttled
