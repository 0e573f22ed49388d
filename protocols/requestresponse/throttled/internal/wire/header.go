// Package wire lays out the messages of rust-libp2p's throttled module: each is a
// header, and in requests and responses what another codec writes.
//
// A header is its length as a uvarint, then a CBOR map:
//
//	0: [type, []]   0 request, 1 response, 2 credit, 3 ack
//	1: credit       u16: how many more requests may be sent
//	2: ident        u64: which grant it is
package wire

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/cborhead"
)

// MaxHeader is the largest header that is read, in bytes, its length not counted.
const MaxHeader = 8192

// ErrHeader is wrapped by the errors of headers that cannot be read, or that say what
// has no place where they are.
var ErrHeader = errors.New("throttled: malformed header")

// A Type tells what a message is.
type Type uint8

const (
	// TypeNone is a header without a type, or with one that this version does not know.
	TypeNone Type = iota
	// TypeRequest is followed by a request.
	TypeRequest
	// TypeResponse is followed by a response.
	TypeResponse
	// TypeCredit grants credit. It stands in a request's place.
	TypeCredit
	// TypeAck acknowledges a grant of credit. It stands in a response's place.
	TypeAck
)

// String returns the type's name, such as "credit".
func (t Type) String() string {
	switch t {
	case TypeNone:
		return "none"
	case TypeRequest:
		return "request"
	case TypeResponse:
		return "response"
	case TypeCredit:
		return "credit"
	case TypeAck:
		return "ack"
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// A Header begins every message.
type Header struct {
	// Type tells what the message is.
	Type Type
	// Credit is how many more requests may be sent, nil if the header does not say.
	Credit *uint16
	// Ident tells a grant from others, nil if the header does not say.
	Ident *uint64
}

// Credit returns the header of a grant.
func Credit(ident uint64, credit uint16) Header {
	return Header{Type: TypeCredit, Credit: &credit, Ident: &ident}
}

// Ack returns the header that acknowledges a grant.
func Ack(ident uint64) Header { return Header{Type: TypeAck, Ident: &ident} }

// Append appends the header with its length. It is as short as can be: rust-libp2p's
// reader refuses a credit that is encoded wider than it need be.
func (h Header) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, 0) // for the length: a header has at most 19 bytes
	dst = cborhead.Append(dst, cborhead.Map, h.fields())
	if h.Type != TypeNone {
		dst = append(dst, 0, cborhead.Array<<5|2)
		dst = cborhead.Append(dst, cborhead.Uint, uint64(h.Type-TypeRequest))
		dst = append(dst, cborhead.Array<<5)
	}
	if h.Credit != nil {
		dst = append(dst, 1)
		dst = cborhead.Append(dst, cborhead.Uint, uint64(*h.Credit))
	}
	if h.Ident != nil {
		dst = append(dst, 2)
		dst = cborhead.Append(dst, cborhead.Uint, *h.Ident)
	}
	dst[start] = byte(len(dst) - start - 1)
	return dst
}

func (h Header) fields() (n uint64) {
	for _, present := range []bool{h.Type != TypeNone, h.Credit != nil, h.Ident != nil} {
		if present {
			n++
		}
	}
	return n
}

// Read reads a header with its length. It returns io.EOF only where there is not even a
// first byte, and otherwise an error that wraps ErrHeader, or r's.
//
// It takes what rust-libp2p's reader takes: keys it does not know with any value,
// nested up to 64 deep, keys in any order, the last where one is repeated, nulls, a map
// of indefinite length, anything in the place of the empty array, and bytes after the
// map. The length has to be minimal.
func Read(r reqresp.Reader) (Header, error) {
	n, err := readLength(r)
	if err != nil {
		return Header{}, err
	}
	var array [32]byte
	b := array[:0]
	for range n {
		c, err := r.ReadByte()
		if err != nil {
			return Header{}, unexpectedEOF(err)
		}
		b = append(b, c)
	}
	h, err := decode(b)
	if err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	return h, nil
}

// readLength reads a header's length, which takes two bytes at most.
func readLength(r io.ByteReader) (int, error) {
	low, err := r.ReadByte()
	if err != nil || low < 0x80 {
		return int(low), err
	}
	high, err := r.ReadByte()
	if err != nil {
		return 0, unexpectedEOF(err)
	}
	if high == 0 {
		return 0, fmt.Errorf("%w: its length is not a minimal varint", ErrHeader)
	}
	if n := int(low&0x7f) | int(high)<<7; high < 0x80 && n <= MaxHeader {
		return n, nil
	}
	return 0, fmt.Errorf("%w: more than %d bytes", ErrHeader, MaxHeader)
}

// decode reads the map. Bytes after it are ignored.
func decode(b []byte) (h Header, err error) {
	d := decoder{rest: b}
	fields, err := d.open(cborhead.Map)
	if err != nil {
		return h, err
	}
	for i := uint64(0); fields.Indefinite || i < fields.Arg; i++ {
		if fields.Indefinite && d.take(cborhead.Break) {
			break
		}
		if err := d.field(&h); err != nil {
			return h, err
		}
	}
	return h, nil
}

// field reads one key with its value.
func (d *decoder) field(h *Header) error {
	key, err := d.uint(4)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	switch key {
	case 0:
		h.Type, err = d.messageType()
	case 1:
		h.Credit, err = optional[uint16](d, 2)
	case 2:
		h.Ident, err = optional[uint64](d, 8)
	default:
		err = d.skip()
	}
	if err != nil {
		return fmt.Errorf("value of key %d: %w", key, err)
	}
	return nil
}

// optional reads an integer of at most so many bytes, or a null.
func optional[T uint16 | uint64](d *decoder, width int) (*T, error) {
	if d.take(nullByte) {
		return nil, nil
	}
	v, err := d.uint(width)
	if err != nil {
		return nil, err
	}
	return new(T(v)), nil
}

// messageType reads an array of a type's number and of what is an empty array in this
// version.
func (d *decoder) messageType() (Type, error) {
	if d.take(nullByte) {
		return TypeNone, nil
	}
	array, err := d.open(cborhead.Array)
	if err != nil {
		return TypeNone, err
	}
	if array.Indefinite || array.Arg != 2 {
		return TypeNone, errors.New("the type is not an array of two")
	}
	number, err := d.uint(4)
	if err != nil {
		return TypeNone, err
	}
	if err := d.skip(); err != nil {
		return TypeNone, err
	}
	if number > uint64(TypeAck-TypeRequest) {
		return TypeNone, nil
	}
	return TypeRequest + Type(number), nil
}

func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
