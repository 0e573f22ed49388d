package snappy

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	gsnappy "github.com/golang/snappy"
)

// AppendFrames appends src in canonical frames to dst and returns the extended
// buffer: a stream identifier, then one chunk for every 65536 bytes of src,
// uncompressed where compressing would save less than an eighth. An empty src
// appends nothing. The src and the spare capacity of dst must not overlap.
//
// The frames are compressed straight into dst, which grows at most once, and not
// at all if it has MaxCompressedLen(len(src)) + 32 bytes of spare capacity.
func AppendFrames(dst, src []byte) []byte {
	if len(src) == 0 {
		return dst
	}
	dst = slices.Grow(dst, framesRoom(len(src)))
	dst = append(dst, streamIdentifier...)
	for len(src) > 0 {
		n := min(len(src), maxChunkLen)
		dst = appendChunk(dst, src[:n])
		src = src[n:]
	}
	return dst
}

// framesRoom returns the spare capacity that AppendFrames needs for n bytes. While
// a chunk is being compressed it can be longer than its data, but no chunk stays so.
func framesRoom(n int) int {
	chunks := (n + maxChunkLen - 1) / maxChunkLen
	largest := min(n, maxChunkLen)
	return len(streamIdentifier) + chunks*(chunkHeaderSize+checksumSize) + n - largest + gsnappy.MaxEncodedLen(largest)
}

// appendChunk appends src, of at most maxChunkLen bytes, as one data chunk to dst,
// which has the spare capacity to compress it in place.
func appendChunk(dst, src []byte) []byte {
	data := len(dst) + chunkHeaderSize + checksumSize
	kind, size := uint32(typeCompressed), len(gsnappy.Encode(dst[data:data+gsnappy.MaxEncodedLen(len(src))], src))
	if size >= len(src)-len(src)/8 {
		kind, size = typeUncompressed, copy(dst[data:data+len(src)], src)
	}
	dst = binary.LittleEndian.AppendUint32(dst, kind|uint32(checksumSize+size)<<8)
	dst = binary.LittleEndian.AppendUint32(dst, checksum(src))
	return dst[:data+size]
}

// DecodedLen returns the number of SSZ bytes in whole frames, summed up from the
// chunks without decompressing or verifying them. The frames need not be
// canonical; empty ones have none.
//
// Frames that hold more than MaxPayloadSize SSZ bytes are a *LengthError, frames
// that end within a chunk are io.ErrUnexpectedEOF, and a violation of the format
// that shows without decompressing is the error that names it. The result is at
// most 22 times the length of the frames.
func DecodedLen(frames []byte) (int, error) {
	total := 0
	for c, err := range chunks(frames) {
		if err != nil {
			return 0, err
		}
		if !c.isData() {
			continue
		}
		n, err := c.decodedLen()
		if err != nil {
			return 0, err
		}
		total += n
		if err := (Bounds{Max: MaxPayloadSize}).check(uint64(total)); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// CheckFrames tells whether whole frames are canonical, and thus can be sent as
// they are to any peer, and returns the number of SSZ bytes in them. Like
// DecodedLen, it neither decompresses nor verifies checksums: it says nothing
// about the content.
//
// Frames that are valid, yet better framed anew, are ErrNotCanonical or
// ErrMaxCompressedLen. Other errors are those of DecodedLen.
func CheckFrames(frames []byte) (int, error) {
	n, err := DecodedLen(frames)
	if err != nil {
		return 0, err
	}
	first := true
	for c := range chunks(frames) { //nolint:errcheck // DecodedLen has seen the error, if any
		switch {
		case first: // The stream identifier.
			first = false
		case !c.isData():
			return 0, fmt.Errorf("%w: chunk of type %#02x", ErrNotCanonical, c.kind)
		default:
			if m, _ := c.decodedLen(); m == 0 { // DecodedLen has seen the error, if any.
				return 0, fmt.Errorf("%w: empty chunk", ErrNotCanonical)
			}
		}
	}
	if n == 0 && len(frames) > 0 {
		return 0, fmt.Errorf("%w: stream identifier without data", ErrNotCanonical)
	}
	if limit := MaxCompressedLen(n); len(frames) > limit {
		return 0, fmt.Errorf("%w: %d bytes for %d, the maximum is %d", ErrMaxCompressedLen, len(frames), n, limit)
	}
	return n, nil
}

// AppendDecoded decodes whole frames, which need not be canonical and must hold
// exactly n SSZ bytes, appends these to dst and returns the extended buffer. All
// checksums are verified. The frames and the spare capacity of dst must not
// overlap. Upon an error it returns dst as it was.
//
// Frames of more than n bytes are ErrLengthExceeded, frames of fewer are
// io.ErrUnexpectedEOF. Bytes after the last chunk are taken for another chunk and
// thus always an error: frames are whole, or not at all.
func AppendDecoded(dst, frames []byte, n int) ([]byte, error) {
	total, err := DecodedLen(frames)
	switch {
	case err != nil:
		return dst, err
	case total > n:
		return dst, fmt.Errorf("%w: %d, expected %d", ErrLengthExceeded, total, n)
	case total < n:
		return dst, io.ErrUnexpectedEOF
	}
	out := slices.Grow(dst, n)
	for c := range chunks(frames) { //nolint:errcheck // DecodedLen has seen the error, if any
		if !c.isData() {
			continue
		}
		m, _ := c.decodedLen()
		out = out[:len(out)+m]
		if err := c.decode(out[len(out)-m:]); err != nil {
			return dst, err
		}
	}
	return out, nil
}
