package snappy

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"iter"

	gsnappy "github.com/golang/snappy"
)

// The layout of the framing format, version of 2013-10-25:
// https://github.com/google/snappy/blob/main/framing_format.txt
//
// A chunk is one byte of type, three bytes of body length in little-endian order,
// and the body. That of a data chunk begins with a checksum of the decoded bytes.
const (
	typeCompressed       = 0x00 // Section 4.2.
	typeUncompressed     = 0x01 // Section 4.3.
	typeSkippable        = 0x80 // Sections 4.4 and 4.6: from here to 0xfe, padding.
	typeStreamIdentifier = 0xff // Section 4.1.

	chunkHeaderSize = 4
	checksumSize    = 4

	magicBody        = "sNaPpY"
	streamIdentifier = "\xff\x06\x00\x00" + magicBody

	// maxChunkLen is the largest number of decoded bytes in a data chunk, and
	// maxBlockLen the largest number of bytes that compressing them can yield.
	maxChunkLen = 1 << 16
	maxBlockLen = 32 + maxChunkLen + maxChunkLen/6

	// A snappy block expands most in copies of 64 bytes, which take 3 bytes each.
	maxCopyLen    = 64
	minCopyTagLen = 3
)

// A chunk is one chunk of frames. Its body shares the memory of the frames.
type chunk struct {
	kind byte
	body []byte
}

// parseChunkHeader returns the type and the body length of a chunk from its first
// four bytes. The error tells if no decoder may accept them, here or, if first, at
// the beginning of frames.
func parseChunkHeader(b []byte, first bool) (kind byte, size int, err error) {
	v := binary.LittleEndian.Uint32(b)
	kind, size = byte(v), int(v>>8)
	switch {
	case first && kind != typeStreamIdentifier:
		err = fmt.Errorf("%w: type %#02x comes first", ErrNoStreamIdentifier, kind)
	case kind == typeStreamIdentifier:
		if size != len(magicBody) {
			err = fmt.Errorf("%w: body of %d bytes", ErrBadStreamIdentifier, size)
		}
	case kind >= typeSkippable:
		// Of any size; the content is nobody's business.
	case kind > typeUncompressed:
		err = fmt.Errorf("%w: %#02x", ErrChunkType, kind)
	case size < checksumSize:
		err = fmt.Errorf("%w: body of %d bytes has no room for a checksum", ErrCorrupt, size)
	case size > checksumSize+maxBlockLen, kind == typeUncompressed && size > checksumSize+maxChunkLen:
		err = fmt.Errorf("%w: type %#02x of %d bytes", ErrChunkTooLarge, kind, size)
	}
	return kind, size, err
}

// chunks yields the chunks of whole frames in order, the stream identifiers
// included, whose content it checks. It does not look into other bodies. An
// error is the last thing that it yields.
func chunks(frames []byte) iter.Seq2[chunk, error] {
	return func(yield func(chunk, error) bool) {
		for first := true; len(frames) > 0; first = false {
			c, rest, err := cutChunk(frames, first)
			if !yield(c, err) || err != nil {
				return
			}
			frames = rest
		}
	}
}

// cutChunk returns the chunk that frames begin with, and what follows it.
func cutChunk(frames []byte, first bool) (c chunk, rest []byte, err error) {
	if len(frames) < chunkHeaderSize {
		return chunk{}, nil, io.ErrUnexpectedEOF
	}
	kind, size, err := parseChunkHeader(frames, first)
	if err != nil {
		return chunk{}, nil, err
	}
	frames = frames[chunkHeaderSize:]
	if len(frames) < size {
		return chunk{}, nil, io.ErrUnexpectedEOF
	}
	c = chunk{kind: kind, body: frames[:size]}
	return c, frames[size:], c.checkIdentifier()
}

// checkIdentifier verifies the body of a stream identifier, and accepts any other
// chunk.
func (c chunk) checkIdentifier() error {
	if c.kind == typeStreamIdentifier && string(c.body) != magicBody {
		return fmt.Errorf("%w: body %q", ErrBadStreamIdentifier, c.body)
	}
	return nil
}

// isData tells whether c carries data, as opposed to what a decoder skips.
func (c chunk) isData() bool {
	return c.kind <= typeUncompressed
}

// decodedLen returns the number of bytes that the data chunk c claims to decode to.
func (c chunk) decodedLen() (int, error) {
	data := c.body[checksumSize:]
	if c.kind == typeUncompressed {
		return len(data), nil
	}
	n, k := binary.Uvarint(data)
	switch {
	case k <= 0 || k > binary.MaxVarintLen32:
		return 0, fmt.Errorf("%w: bad length of block", ErrCorrupt)
	case n > maxChunkLen:
		return 0, fmt.Errorf("%w: block of %d bytes", ErrChunkTooLarge, n)
	case int(n)*minCopyTagLen > len(data)*maxCopyLen:
		// No block expands so much. Said here, so that a length which nothing
		// backs makes nobody allocate.
		return 0, fmt.Errorf("%w: %d bytes cannot decode to %d", ErrCorrupt, len(data), n)
	}
	return int(n), nil
}

// decode writes what the data chunk c decodes to into dst, whose length is that of
// decodedLen, and verifies the checksum.
func (c chunk) decode(dst []byte) error {
	want, data := binary.LittleEndian.Uint32(c.body), c.body[checksumSize:]
	if c.kind == typeUncompressed {
		copy(dst, data)
	} else if _, err := gsnappy.Decode(dst, data); err != nil {
		return fmt.Errorf("%w: block does not decode to its length of %d bytes", ErrCorrupt, len(dst))
	}
	if got := checksum(dst); got != want {
		return fmt.Errorf("%w: the data has %#08x, the chunk says %#08x", ErrChecksum, got, want)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum returns the masked CRC-32C of b, section 3 of the framing format.
func checksum(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
