package serde

import (
	"bytes"
	"errors"
)

// Unit is Rust's (), and every struct there that is declared without braces: a
// message that says nothing. Go's struct{} is Rust's struct with an empty pair of
// braces. Nothing but what it writes can be read into it.
type Unit struct{}

var errNoUnit = errors.New("serde: value is no unit")

// MarshalJSON implements json.Marshaler.
func (Unit) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (*Unit) UnmarshalJSON(text []byte) error {
	if string(text) != "null" {
		return errNoUnit
	}
	return nil
}

// emptyArray is what cbor4ii writes for a unit.
var emptyArray = []byte{0x80}

// MarshalCBOR implements cbor.Marshaler.
func (Unit) MarshalCBOR() ([]byte, error) { return bytes.Clone(emptyArray), nil }

// UnmarshalCBOR implements cbor.Unmarshaler.
func (*Unit) UnmarshalCBOR(item []byte) error {
	if !bytes.Equal(item, emptyArray) {
		return errNoUnit
	}
	return nil
}
