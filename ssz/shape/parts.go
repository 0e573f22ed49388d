package shape

import "math/bits"

// What is here reads parts of an encoding that Check has passed.

// field returns the part of a container's encoding that holds its i-th field.
func (s *Shape) field(b []byte, i int) []byte {
	at := s.at[i]
	if s.fields[i].Shape.fixed {
		return b[at : at+s.fields[i].Shape.inline]
	}
	start, end := readOffset(b[at:]), uint64(len(b))
	for j := i + 1; j < len(s.fields); j++ {
		if !s.fields[j].Shape.fixed {
			end = readOffset(b[s.at[j]:])
			break
		}
	}
	return b[start:end]
}

// count returns how many elements the encoding of a vector or a list has.
func (s *Shape) count(b []byte) uint64 {
	switch {
	case len(b) == 0:
		return 0
	case s.elem.fixed:
		return uint64(len(b)) / s.elem.min
	default:
		return readOffset(b) / offsetSize
	}
}

// element returns the part of the encoding of a vector or a list of count elements that holds the
// i-th.
func (s *Shape) element(b []byte, i, count uint64) []byte {
	if s.elem.fixed {
		return b[i*s.elem.min : (i+1)*s.elem.min]
	}
	start, end := readOffset(b[i*offsetSize:]), uint64(len(b))
	if i+1 < count {
		end = readOffset(b[(i+1)*offsetSize:])
	}
	return b[start:end]
}

// splitBitlist returns the bytes of a bitlist that hold bits, their number, and in the last byte the
// bit that marks the end.
func splitBitlist(b []byte) (data []byte, length uint64, end byte) {
	last := b[len(b)-1]
	unused := bits.LeadingZeros8(last) + 1
	length = uint64(len(b))*8 - uint64(unused)
	if unused == 8 {
		return b[:len(b)-1], length, 0
	}
	return b, length, 0x80 >> (unused - 1)
}
