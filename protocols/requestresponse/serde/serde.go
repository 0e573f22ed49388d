// Package serde has the types of Rust that no type of Go is like on the wire.
//
// A message that is exchanged with a peer written in Rust uses them in place of
// []byte and struct{}. They look to encoding/json as serde_json writes them,
// and to github.com/fxamacker/cbor as cbor4ii does:
//
//	Rust     Go      JSON      CBOR
//	Vec<u8>  Bytes   [1,255]   82 01 18 ff
//	()       Unit    null      80
//
// Everything else has a Go type of its own, see the packages json and cbor
// beside this one.
package serde

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/cborhead"
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

// Bytes is Rust's Vec<u8>: bytes that travel as an array of numbers, up to four
// bytes each in JSON and two in CBOR. A nil one is an empty array, never null, which
// is an Option.
//
// From CBOR a byte string is read as well. A []byte is written as one, which Rust
// reads only into the types of serde_bytes.
type Bytes []byte

var (
	errNoArray = errors.New("serde: value is no array")
	errNoBytes = errors.New("serde: value is neither array nor byte string")
)

// MarshalJSON implements json.Marshaler.
func (b Bytes) MarshalJSON() ([]byte, error) {
	text := make([]byte, 0, len("[]")+len(b)*len("255,"))
	text = append(text, '[')
	for i, c := range b {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, uint64(c), 10)
	}
	return append(text, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler. It refuses null.
func (b *Bytes) UnmarshalJSON(text []byte) error {
	text, open := bytes.CutPrefix(text, []byte("["))
	text, closed := bytes.CutSuffix(text, []byte("]"))
	if !open || !closed {
		return errNoArray
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		*b = Bytes{}
		return nil
	}
	read := make(Bytes, 0, 1+bytes.Count(text, []byte(",")))
	for number := range bytes.SplitSeq(text, []byte(",")) {
		c, err := strconv.ParseUint(string(bytes.TrimSpace(number)), 10, 8)
		if err != nil {
			return fmt.Errorf("serde: element %d is no byte", len(read))
		}
		read = append(read, byte(c))
	}
	*b = read
	return nil
}

// Numbers from here on take a byte of their own behind the one that says so.
const (
	firstLong = 24
	longByte  = 0x18
)

// MarshalCBOR implements cbor.Marshaler.
func (b Bytes) MarshalCBOR() ([]byte, error) {
	item := cborhead.Append(make([]byte, 0, 9+2*len(b)), cborhead.Array, uint64(len(b)))
	for _, c := range b {
		if c >= firstLong {
			item = append(item, longByte)
		}
		item = append(item, c)
	}
	return item, nil
}

// UnmarshalCBOR implements cbor.Unmarshaler. It refuses null.
func (b *Bytes) UnmarshalCBOR(item []byte) error {
	h, rest, err := cborhead.Cut(item)
	var read Bytes
	switch {
	case err == nil && h.Major == cborhead.Array:
		read, err = readArray(h, rest)
	case err == nil && h.Major == cborhead.Bytes:
		read, err = readByteString(h, rest)
	default:
		err = errNoBytes
	}
	if err == nil {
		*b = read
	}
	return err
}

// readArray reads the elements of an array, which are all that is left of it.
func readArray(h cborhead.Head, elements []byte) (Bytes, error) {
	if h.Indefinite {
		var ok bool
		if elements, ok = bytes.CutSuffix(elements, []byte{cborhead.Break}); !ok {
			return nil, errNoArray
		}
	}
	read := make(Bytes, 0, len(elements)) // twice what is needed, at most
	for len(elements) > 0 {
		c, size := elements[0], 1
		if c == longByte && len(elements) > 1 {
			c, size = elements[1], 2
		} else if c >= firstLong {
			return nil, fmt.Errorf("serde: element %d is no byte", len(read))
		}
		read = append(read, c)
		elements = elements[size:]
	}
	if !h.Indefinite && uint64(len(read)) != h.Arg {
		return nil, errNoArray
	}
	return read, nil
}

// readByteString reads a byte string, or the byte strings that make up one of
// indefinite length.
func readByteString(h cborhead.Head, rest []byte) (Bytes, error) {
	if !h.Indefinite {
		if uint64(len(rest)) != h.Arg {
			return nil, errNoBytes
		}
		return append(Bytes{}, rest...), nil
	}
	read := Bytes{}
	for !bytes.Equal(rest, []byte{cborhead.Break}) {
		var err error
		h, rest, err = cborhead.Cut(rest)
		if err != nil || h.Major != cborhead.Bytes || h.Indefinite || h.Arg > uint64(len(rest)) {
			return nil, errNoBytes
		}
		read = append(read, rest[:h.Arg]...)
		rest = rest[h.Arg:]
	}
	return read, nil
}
