package ssz

import (
	fastssz "github.com/ferranbt/fastssz"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// A Shape describes how the values of a type are laid out: see package shape.
type Shape = shape.Shape

// An Object is a decoded value that encodes and decodes itself with fastssz. Its UnmarshalSSZ is
// for bytes that its shape has checked, and for zero objects only: use [Decode].
type Object interface {
	fastssz.Marshaler
	fastssz.Unmarshaler
	fastssz.HashRoot

	// Shape returns the shape of the type.
	Shape() *Shape
}

// A Message is an object whose type is the same in every network, such as [StatusV1] and [Ping].
type Message interface {
	Object
}

// Decode checks b against the shape of T and decodes it into a new T. The error is a
// [*CheckError] if b is not the encoding of a T. The result shares no memory with b.
func Decode[T any, P interface {
	*T
	Message
}](b []byte) (*T, error) {
	message := P(new(T))
	if err := message.Shape().Check(b); err != nil {
		return nil, err
	}
	if err := message.UnmarshalSSZ(b); err != nil {
		return nil, err
	}
	return (*T)(message), nil
}
