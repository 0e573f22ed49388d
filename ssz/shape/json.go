package shape

import (
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"slices"
	"strconv"
)

// AppendJSON appends the value that b encodes as JSON in the spelling of the beacon API, which is
// the JSON mapping of the SSZ specification: numbers are decimal strings, bytes and bits are their
// encoding in hexadecimal after 0x, containers are objects with the fields' names, vectors and lists
// are arrays. It adds no white space, and no capitals to addresses.
//
// The error is that of [Shape.Check], and dst is returned as it was.
func (s *Shape) AppendJSON(dst, b []byte) ([]byte, error) {
	if err := s.Check(b); err != nil {
		return dst, err
	}
	return s.appendJSON(dst, b), nil
}

func (s *Shape) appendJSON(dst, b []byte) []byte {
	switch s.kind {
	case kindUint:
		return append(appendUint(append(dst, '"'), b), '"')
	case kindBoolean:
		return strconv.AppendBool(dst, b[0] == 1)
	case kindByteVector, kindByteList, kindBitvector, kindBitlist:
		return append(hex.AppendEncode(append(dst, `"0x`...), b), '"')
	case kindVector, kindList:
		dst = append(dst, '[')
		n := s.count(b)
		for i := range n {
			dst = separate(dst, i > 0)
			dst = s.elem.appendJSON(dst, s.element(b, i, n))
		}
		return append(dst, ']')
	case kindContainer:
		dst = append(dst, '{')
		for i := range s.fields {
			dst = separate(dst, i > 0)
			dst = append(strconv.AppendQuote(dst, s.fields[i].Name), ':')
			dst = s.fields[i].Shape.appendJSON(dst, s.field(b, i))
		}
		return append(dst, '}')
	}
	return dst
}

func separate(dst []byte, comma bool) []byte {
	if comma {
		return append(dst, ',')
	}
	return dst
}

// appendUint appends a number of any size in decimal.
func appendUint(dst, b []byte) []byte {
	if len(b) <= 8 {
		var n [8]byte
		copy(n[:], b)
		return strconv.AppendUint(dst, binary.LittleEndian.Uint64(n[:]), 10)
	}
	bigEndian := slices.Clone(b)
	slices.Reverse(bigEndian)
	return new(big.Int).SetBytes(bigEndian).Append(dst, 10)
}
