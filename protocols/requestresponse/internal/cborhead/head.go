// Package cborhead reads and writes the heads of CBOR data items, RFC 8949
// section 3.
package cborhead

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Major types.
const (
	Uint   = 0
	Bytes  = 2
	Text   = 3
	Array  = 4
	Map    = 5
	Tag    = 6
	Simple = 7
)

const negative = 1

// Break ends an item of indefinite length.
const Break = 0xff

// A Head begins a data item.
type Head struct {
	Major byte
	// Arg is the argument: a length, a number of elements, a tag. It is zero if
	// Indefinite is set.
	Arg uint64
	// Size is of how many bytes Arg is beside the first. The shortest form of
	// less than 24 has none.
	Size int
	// Indefinite is set if a break ends the item.
	Indefinite bool
}

// IsBreak reports whether h is not the head of an item, but the end of one of
// indefinite length.
func (h Head) IsBreak() bool { return h.Indefinite && h.Major == Simple }

// Cut returns the head that data begins with, and what follows it. If there is no whole one the
// error is io.ErrUnexpectedEOF; any other says that it is not well-formed.
func Cut(data []byte) (h Head, rest []byte, err error) {
	if len(data) == 0 {
		return Head{}, nil, io.ErrUnexpectedEOF
	}
	h.Major, rest = data[0]>>5, data[1:]
	switch info := data[0] & 0x1f; {
	case info < 24:
		h.Arg = uint64(info)
		return h, rest, nil
	case info == 31 && h.Major != Uint && h.Major != negative && h.Major != Tag:
		h.Indefinite = true
		return h, rest, nil
	case info > 27:
		return Head{}, nil, fmt.Errorf("item %#x is reserved", data[0])
	default:
		h.Size = 1 << (info - 24)
	}
	if len(rest) < h.Size {
		return Head{}, nil, io.ErrUnexpectedEOF
	}
	for _, b := range rest[:h.Size] {
		h.Arg = h.Arg<<8 | uint64(b)
	}
	return h, rest[h.Size:], nil
}

// Append appends the shortest head of a major type and argument.
func Append(dst []byte, major byte, arg uint64) []byte {
	major <<= 5
	switch {
	case arg < 24:
		return append(dst, major|byte(arg))
	case arg < 1<<8:
		return append(dst, major|24, byte(arg))
	case arg < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(arg))
	case arg < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(arg))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|27), arg)
}
