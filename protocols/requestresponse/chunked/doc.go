// Package chunked turns a codec that ends its messages with their stream into
// one for streams of responses, and for errors with a text.
//
// The codecs of the packages json and cbor frame nothing: a message is all that
// comes until the end of the stream, and there is no place for a second one or
// for a verdict. Around either of them, or any other
// [reqresp.WholeStreamCodec], [Codec] puts a frame:
//
//	family := reqresp.Family{Prefix: "/example", Codec: chunked.Codec{Inner: json.Codec{}}}
//	count := reqresp.NewStream[Range, Number](family, "count", 1)
//
// As the frame is no part of rust-libp2p's codecs, the protocol has another ID
// than it would have without: that of count above is /example/count/1/chunked.
// It does not tell JSON from CBOR, as their IDs without chunks do not.
//
// # Wire format
//
// A request is the inner codec's, up to the end of the stream. A response is
// zero or more chunks, up to the end of the stream:
//
//	status (1 byte) | length (unsigned varint) | length bytes
//
// A status of zero is success, and the bytes are the inner codec's message,
// which has at least one byte. Any other status is a [reqresp.Code], the bytes
// are up to 256 of UTF-8 text that explains it, and the chunk is the last. The
// length is an unsigned varint of
// https://github.com/multiformats/unsigned-varint: seven bits a byte, the least
// significant first, of the fewest bytes possible and nine at the most.
//
// # Limits
//
// The length that a chunk claims is held against the limit before anything of
// it is read: a chunk over [reqresp.Limits].MaxResponse, or a text of over 256
// bytes, fails with [reqresp.ErrTooLarge]. Memory grows with what was received.
//
// # Concurrency
//
// A [Codec] has no state but the inner codec's, and may be used by any number of
// goroutines.
package chunked
