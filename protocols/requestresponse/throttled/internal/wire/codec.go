package wire

import (
	"fmt"
	"strings"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Prefix begins the protocol IDs of throttled protocols.
const Prefix = "/t/1"

// A Message is what a stream carries in one direction: a header, and data if that says
// request or response.
type Message[T any] struct {
	Header Header
	Data   T
}

// message is a Message of any T.
type message interface {
	header() *Header
	data() any
}

func (m *Message[T]) header() *Header { return &m.Header }
func (m *Message[T]) data() any       { return &m.Data }

// codec puts headers in front of what an inner codec writes. Its messages are pointers
// to a Message of the inner codec's types.
type codec struct {
	inner  reqresp.Codec
	answer Type
}

// errorCodec is codec around one that can carry errors.
type errorCodec struct {
	codec
	inner reqresp.ErrorCodec
}

// NewCodec returns the codec of a throttled protocol, given that of the protocol
// itself. It reads requests and credits on the one side, and on the other nothing but
// the answer, TypeResponse or TypeAck. The inner codec is told the protocol ID without
// Prefix.
func NewCodec(inner reqresp.Codec, answer Type) reqresp.Codec {
	c := codec{inner, answer}
	if e, ok := inner.(reqresp.ErrorCodec); ok {
		return errorCodec{c, e}
	}
	return c
}

func (c codec) Name() string { return c.inner.Name() }

func (c codec) AppendRequest(dst []byte, id protocol.ID, req any) ([]byte, error) {
	m := req.(message)
	dst = m.header().Append(dst)
	if m.header().Type != TypeRequest {
		return dst, nil
	}
	return c.inner.AppendRequest(dst, innerID(id), m.data())
}

func (c codec) ReadRequest(r reqresp.Reader, id protocol.ID, limit int, req any) error {
	h, err := Read(r)
	if err != nil {
		return err
	}
	m := req.(message)
	*m.header() = h
	switch h.Type {
	case TypeRequest:
		return unexpectedEOF(c.inner.ReadRequest(r, innerID(id), limit, m.data()))
	case TypeCredit:
		return nil
	default:
		return fmt.Errorf("%w: its type is %v, want request or credit", ErrHeader, h.Type)
	}
}

func (c codec) AppendResponse(dst []byte, id protocol.ID, resp any) ([]byte, error) {
	m := resp.(message)
	dst = m.header().Append(dst)
	if m.header().Type != TypeResponse {
		return dst, nil
	}
	return c.inner.AppendResponse(dst, innerID(id), m.data())
}

func (c codec) ReadResponse(r reqresp.Reader, id protocol.ID, limit int, resp any) error {
	h, err := Read(r)
	if err != nil {
		return err
	}
	m := resp.(message)
	*m.header() = h
	switch {
	case h.Type != c.answer:
		return fmt.Errorf("%w: its type is %v, want %v", ErrHeader, h.Type, c.answer)
	case h.Type == TypeResponse:
		return unexpectedEOF(c.inner.ReadResponse(r, innerID(id), limit, m.data()))
	}
	return nil
}

func (c errorCodec) AppendError(dst []byte, id protocol.ID, e *reqresp.Error) ([]byte, error) {
	return c.inner.AppendError(Header{Type: TypeResponse}.Append(dst), innerID(id), e)
}

func innerID(id protocol.ID) protocol.ID {
	return protocol.ID(strings.TrimPrefix(string(id), Prefix))
}
