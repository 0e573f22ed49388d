package shape

import (
	"fmt"
	"math"
	"math/bits"
)

// A Shape describes how the values of an SSZ type are laid out: its kind, its limits and the
// shapes of its parts. It tells well-formed encodings from others and bounds their size, without
// a Go type for the values.
//
// Shapes are built from the inside out by [Uint], [Boolean], [ByteVector], [ByteList],
// [Bitvector], [Bitlist], [Vector], [List] and [Container], and by the progressive twins of some,
// which Gloas uses. They are immutable; their methods may be called concurrently.
type Shape struct {
	kind        kind
	progressive bool     // EIP-7916 or EIP-7495: the root has room for more elements or fields
	name        string   // of the type, if it has one of its own
	limit       uint64   // bytes, bits or elements: the length if fixed, else the limit
	elem        *Shape   // of a vector or list
	fields      []Field  // of a container
	at          []uint64 // where the fields, or their offsets, are in the container's fixed part

	min, max uint64 // bounds of the encoded size in bytes, saturating
	capped   bool   // max is less than the parts allow for
	fixed    bool   // min and max are equal by type: encoded in place, without an offset
	inline   uint64 // bytes in the fixed part of a container: the size if fixed, else an offset's
	head     uint64 // bytes of a container's own fixed part
	opaque   bool   // fixed, and any bytes of the right size are well formed
}

// A Field is a named part of a container.
type Field struct {
	Name  string // as in the consensus specs, such as parent_root
	Shape *Shape
}

type kind uint8

const (
	kindUint kind = iota
	kindBoolean
	kindByteVector
	kindByteList
	kindBitvector
	kindBitlist
	kindVector
	kindList
	kindContainer
)

// offsetSize is BYTES_PER_LENGTH_OFFSET of the SSZ specification.
const offsetSize = 4

// Uint returns the shape of an unsigned integer of 1, 2, 4, 8, 16 or 32 bytes. It panics for other
// sizes.
func Uint(size uint64) *Shape {
	if bits.OnesCount64(size) != 1 || size > 32 {
		panic(fmt.Sprintf("shape: no unsigned integer has %d bytes", size))
	}
	return newFixed(&Shape{kind: kindUint, limit: size, opaque: true}, size)
}

// Boolean returns the shape of a boolean.
func Boolean() *Shape { return newFixed(&Shape{kind: kindBoolean}, 1) }

// ByteVector returns the shape of a given number of bytes. It panics if there are none.
func ByteVector(length uint64) *Shape {
	mustHaveLength(length)
	return newFixed(&Shape{kind: kindByteVector, limit: length, opaque: true}, length)
}

// ByteList returns the shape of up to limit bytes.
func ByteList(limit uint64) *Shape {
	return newVariable(&Shape{kind: kindByteList, limit: limit}, 0, limit)
}

// Bitvector returns the shape of a given number of bits. It panics if there are none.
func Bitvector(length uint64) *Shape {
	mustHaveLength(length)
	return newFixed(&Shape{kind: kindBitvector, limit: length, opaque: length%8 == 0}, (length-1)/8+1)
}

// Bitlist returns the shape of up to limit bits.
func Bitlist(limit uint64) *Shape {
	return newVariable(&Shape{kind: kindBitlist, limit: limit}, 1, limit/8+1)
}

// Vector returns the shape of a given number of elements. It panics if there are none.
func Vector(elem *Shape, length uint64) *Shape {
	mustHaveLength(length)
	s := &Shape{kind: kindVector, limit: length, elem: elem}
	if elem.fixed {
		s.opaque = elem.opaque
		return newFixed(s, mul(length, elem.max))
	}
	return newVariable(s, mul(length, offsetSize+elem.min), mul(length, add(offsetSize, elem.max)))
}

// List returns the shape of up to limit elements.
func List(elem *Shape, limit uint64) *Shape {
	s := &Shape{kind: kindList, limit: limit, elem: elem}
	if elem.fixed {
		return newVariable(s, 0, mul(limit, elem.max))
	}
	return newVariable(s, 0, mul(limit, add(offsetSize, elem.max)))
}

// Container returns the shape of a container. The name of the type is for errors only. It panics
// if there are no fields.
func Container(name string, fields ...Field) *Shape {
	mustHaveLength(uint64(len(fields)))
	s := &Shape{kind: kindContainer, name: name, fields: fields}
	fixed, opaque := true, true
	var least, most uint64
	for _, f := range fields {
		s.at = append(s.at, s.head)
		s.head = add(s.head, f.Shape.inline)
		least, most = add(least, f.Shape.min), add(most, f.Shape.max)
		if !f.Shape.fixed {
			least, most = add(least, offsetSize), add(most, offsetSize)
		}
		fixed = fixed && f.Shape.fixed
		opaque = opaque && f.Shape.opaque
	}
	if fixed {
		s.opaque = opaque
		return newFixed(s, most)
	}
	return newVariable(s, least, most)
}

// UpTo returns the shape of the values of s that are encoded in at most a number of bytes. It is for
// messages of types without a limit, whose size the networking specs bound by a constant.
func (s *Shape) UpTo(bytes uint64) *Shape {
	capped := *s
	capped.max, capped.capped = min(s.max, bytes), true
	return &capped
}

// Name returns the name of a container, and what kind of type it is for others, such as List.
func (s *Shape) Name() string {
	if s.name != "" {
		return s.name
	}
	prefix := ""
	if s.progressive {
		prefix = "Progressive"
	}
	return prefix + [...]string{
		"uint", "boolean", "ByteVector", "ByteList", "Bitvector", "Bitlist", "Vector", "List", "Container",
	}[s.kind]
}

// Bounds returns the least and the most bytes of a value's encoding. A maximum that int cannot
// hold is returned as the largest int: that of blocks is many terabytes, and it is the limit on
// the size of a message that bounds them.
func (s *Shape) Bounds() (least, most int) {
	return int(min(s.min, math.MaxInt)), int(min(s.max, math.MaxInt))
}

// Named returns the shape with another name, for types that are no containers but have names.
func (s *Shape) Named(name string) *Shape {
	named := *s
	named.name = name
	return &named
}

func newFixed(s *Shape, size uint64) *Shape {
	s.fixed, s.min, s.max, s.inline = true, size, size, size
	return s
}

func newVariable(s *Shape, least, most uint64) *Shape {
	s.min, s.max, s.inline = least, most, offsetSize
	return s
}

func mustHaveLength(n uint64) {
	if n == 0 {
		panic("shape: vectors and containers cannot be empty")
	}
}

// add and mul saturate.
func add(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}

func mul(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi != 0 {
		return math.MaxUint64
	}
	return lo
}
