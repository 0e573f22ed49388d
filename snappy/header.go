package snappy

import (
	"encoding/binary"
	"errors"
	"io"
)

// MaxPayloadSize is the consensus specs' MAX_PAYLOAD_SIZE: the largest number of
// SSZ bytes, before compression, in any payload.
const MaxPayloadSize = 10 << 20

// MaxCompressedLen returns the consensus specs' max_compressed_len(n), the largest
// number of bytes that the frames of n SSZ bytes may take: 32 + n + n/6. The n must
// be between 0 and MaxPayloadSize.
func MaxCompressedLen(n int) int {
	return 32 + n + n/6
}

// Bounds are the smallest and the largest SSZ length of a type, both inclusive.
// Whatever Max says, MaxPayloadSize is the largest length ever allowed. The zero
// Bounds allow the empty payload alone.
type Bounds struct{ Min, Max int }

// check returns a *LengthError if length is out of bounds.
func (b Bounds) check(length uint64) error {
	b.Max = min(b.Max, MaxPayloadSize)
	if b.Max < 0 || length > uint64(b.Max) || b.Min > 0 && length < uint64(b.Min) {
		return &LengthError{Length: length, Bounds: b}
	}
	return nil
}

// AppendHeader appends the header of a payload of n SSZ bytes, a minimal unsigned
// varint, to dst and returns the extended buffer. The n must be between 0 and
// MaxPayloadSize.
func AppendHeader(dst []byte, n int) []byte {
	return binary.AppendUvarint(dst, uint64(n))
}

// ReadHeader reads the header of a payload from r, byte by byte, and returns the
// SSZ length that it announces, which is within b.
//
// A varint that is too long, too large or not minimal is ErrVarintOverflow or
// ErrVarintNotMinimal, a length out of bounds is a *LengthError. (The specs say
// that a header should be minimal; this reader says must.) If r is at its end, the
// error is io.EOF; if it ends within the header, io.ErrUnexpectedEOF. Other errors
// of r are returned as they are.
func ReadHeader(r io.ByteReader, b Bounds) (int, error) {
	length, err := readUvarint(r)
	if err != nil {
		return 0, err
	}
	if err := b.check(length); err != nil {
		return 0, err
	}
	return int(length), nil
}

// readUvarint reads a minimal varint of up to 64 bits. Unlike binary.ReadUvarint
// it accepts no other, and its overflow error can be told.
func readUvarint(r io.ByteReader) (uint64, error) {
	var v uint64
	for i := range binary.MaxVarintLen64 {
		c, err := r.ReadByte()
		if err != nil {
			if i > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break // More than the 64th bit, or an eleventh byte to come.
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 {
				return 0, ErrVarintNotMinimal
			}
			return v, nil
		}
	}
	return 0, ErrVarintOverflow
}
