package shape

import (
	"slices"
	"sync"
)

// An Encoder is an object that encodes itself and knows the shape of its encoding, as all
// containers do.
type Encoder interface {
	// Shape returns the shape of the type.
	Shape() *Shape
	// SizeSSZ returns the number of bytes of the encoding.
	SizeSSZ() int
	// MarshalSSZTo appends the encoding to dst.
	MarshalSSZTo(dst []byte) ([]byte, error)
}

// encodings are buffers to encode objects into.
var encodings = sync.Pool{New: func() any { return new([]byte) }}

// RootOf returns the hash tree root of an object. The error is that of its encoder, or a
// [*CheckError] if it holds a value that its type does not allow for.
func RootOf(x Encoder) ([32]byte, error) {
	buf := encodings.Get().(*[]byte)
	defer encodings.Put(buf)
	encoded, err := x.MarshalSSZTo(slices.Grow((*buf)[:0], x.SizeSSZ()))
	if err != nil {
		return [32]byte{}, err
	}
	*buf = encoded
	return x.Shape().Root(encoded)
}

// PutRoot hands the hash tree root of an object to a hasher of fastssz. Containers that fastssz
// cannot hash use it.
func PutRoot(hh interface{ PutBytes([]byte) }, x Encoder) error {
	root, err := RootOf(x)
	if err != nil {
		return err
	}
	hh.PutBytes(root[:])
	return nil
}
