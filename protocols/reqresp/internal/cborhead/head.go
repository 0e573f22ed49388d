// Package cborhead reads and writes the heads of CBOR data items, RFC 8949
// section 3.
package cborhead

import "encoding/binary"

// Major types.
const (
	Bytes  = 2
	Text   = 3
	Array  = 4
	Map    = 5
	Tag    = 6
	Simple = 7
)

// Break ends an item of indefinite length.
const Break = 0xff

// A Head begins a data item.
type Head struct {
	Major byte
	// Arg is the argument: a length, a number of elements, a tag. It is zero if
	// Indefinite is set.
	Arg uint64
	// Indefinite is set if a break ends the item.
	Indefinite bool
}

// IsBreak reports whether h is not the head of an item, but the end of one of
// indefinite length.
func (h Head) IsBreak() bool { return h.Indefinite && h.Major == Simple }

// Cut returns the head that data begins with and what follows it, or false if
// there is none.
func Cut(data []byte) (h Head, rest []byte, ok bool) {
	if len(data) == 0 {
		return Head{}, nil, false
	}
	major, info, rest := data[0]>>5, data[0]&0x1f, data[1:]
	switch {
	case info < 24:
		return Head{Major: major, Arg: uint64(info)}, rest, true
	case info == 31:
		return Head{Major: major, Indefinite: true}, rest, true
	case info > 27:
		return Head{}, nil, false
	}
	size := 1 << (info - 24)
	if len(rest) < size {
		return Head{}, nil, false
	}
	var arg [8]byte
	copy(arg[8-size:], rest)
	return Head{Major: major, Arg: binary.BigEndian.Uint64(arg[:])}, rest[size:], true
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
