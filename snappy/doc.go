// Package snappy reads and writes the ssz_snappy payloads of Ethereum's
// consensus layer networking, as they travel on Req/Resp streams.
//
// A payload is two things, one after the other: the header, which is the length
// of the SSZ bytes as an unsigned protobuf varint, and the SSZ bytes themselves
// in Snappy's framing format. Result codes, context bytes and the order of
// payloads on a stream are not the concern of this package; see the "SSZ-snappy
// encoding strategy" of the [consensus specs].
//
// # Sending
//
// Header and frames are appended to one buffer, so that they leave in one write:
//
//	buf = snappy.AppendHeader(buf[:0], len(ssz))
//	buf = snappy.AppendFrames(buf, ssz)
//	_, err := stream.Write(buf)
//
// Who keeps blocks as frames sends them as they are, after a header made from
// the length kept beside them or from [DecodedLen].
//
// # Receiving
//
// Input from a peer is read strictly and in linear time. [ReadHeader] accepts a
// minimal varint within the bounds of the type; [ReadPayload] and [AppendPayload]
// then read the frames that carry so many bytes, and never a byte more, so that
// the next chunk on the stream stays whole:
//
//	n, err := snappy.ReadHeader(br, snappy.Bounds{Min: 84, Max: 84})
//	…
//	err = snappy.ReadPayload(br, n, &payload)
//
// They read no more than [MaxCompressedLen] of n bytes, verify every checksum,
// and take memory in proportion to the bytes received, never to the length
// claimed. A request is the only payload of its side of the stream, which
// [ReadEnd] verifies.
//
// # Canonical frames
//
// The framing format allows skippable chunks, padding, repeated stream
// identifiers and empty data chunks wherever it allows a chunk. They carry no
// data, and some deployed decoders fail on them. Frames without any of these,
// that is a stream identifier followed by chunks of 1 to 65536 bytes each of
// types 0 (compressed) and 1 (uncompressed), no longer than [MaxCompressedLen]
// in total, are called canonical here; the canonical frames of no bytes at all
// are none. [AppendFrames] writes canonical frames, [ReadPayload] keeps canonical
// frames whatever the peer sent, and [CheckFrames] tells whether frames from
// elsewhere, such as an era file, can be sent to any peer as they are. Those that
// cannot are decoded by [AppendDecoded] and framed anew.
//
// # Errors and concurrency
//
// What is wrong with a payload is told by the Err variables and [LengthError], to
// be tested with [errors.Is] and [errors.AsType]; an input that ends too early is
// [io.ErrUnexpectedEOF]. Any other error is one that the caller's reader returned,
// as it returned it.
//
// All functions may be called concurrently, on readers and buffers that nobody
// else uses meanwhile. None keeps a reference to an argument after it returns.
//
// [consensus specs]: https://github.com/ethereum/consensus-specs/blob/master/specs/phase0/p2p-interface.md
package snappy
