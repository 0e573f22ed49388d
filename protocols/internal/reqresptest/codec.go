package reqresptest

import (
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// ErrTooLong is what reading a message beyond its limit fails with.
var ErrTooLong = errors.New("message too long")

// PlainCodec encodes a message as a uvarint length and a text. Its responses
// cannot carry errors.
type PlainCodec struct{}

func (PlainCodec) Name() string { return "" }

func (PlainCodec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	return appendText(dst, req)
}

func (PlainCodec) ReadRequest(r reqresp.Reader, _ protocol.ID, limit int, req any) error {
	return readText(r, limit, req)
}

func (PlainCodec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	return appendText(dst, resp)
}

func (PlainCodec) ReadResponse(r reqresp.Reader, _ protocol.ID, limit int, resp any) error {
	return readText(r, limit, resp)
}

// TextCodec is PlainCodec that puts a status byte, zero for success, in front of each response.
type TextCodec struct{ PlainCodec }

var _ reqresp.ErrorCodec = TextCodec{}

func (TextCodec) Name() string { return "text" }

func (TextCodec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	return appendText(append(dst, 0), resp)
}

func (TextCodec) AppendError(dst []byte, _ protocol.ID, e *reqresp.Error) ([]byte, error) {
	msg := Text(e.Message)
	return appendText(append(dst, byte(e.Code)), &msg)
}

func (TextCodec) ReadResponse(r reqresp.Reader, _ protocol.ID, limit int, resp any) error {
	status, err := r.ReadByte()
	if err != nil {
		return err
	}
	if status == 0 {
		return unexpectedEOF(readText(r, limit, resp))
	}
	var msg Text
	if err := unexpectedEOF(readText(r, 256, &msg)); err != nil {
		return err
	}
	return &reqresp.Error{Code: reqresp.Code(status), Message: string(msg), Remote: true}
}

func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func appendText(dst []byte, msg any) ([]byte, error) {
	text, err := msg.(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return nil, err
	}
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...), nil
}

func readText(r reqresp.Reader, limit int, msg any) error {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	if n > uint64(limit) {
		return fmt.Errorf("%w: %d", ErrTooLong, n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return unexpectedEOF(err)
	}
	return msg.(encoding.TextUnmarshaler).UnmarshalText(text)
}

// Text is a message of any text.
type Text string

func (t *Text) MarshalText() ([]byte, error) { return []byte(*t), nil }

func (t *Text) UnmarshalText(b []byte) error {
	*t = Text(b)
	return nil
}

// Count is a request that knows how many chunks may answer it.
type Count int

func (c *Count) MaxChunks() int { return int(*c) }

func (c *Count) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(*c), 10), nil }

func (c *Count) UnmarshalText(b []byte) error {
	n, err := strconv.Atoi(string(b))
	*c = Count(n)
	return err
}

// Unsendable is a message that no codec can encode.
type Unsendable struct{}

// ErrUnsendable is what encoding it fails with.
var ErrUnsendable = errors.New("unsendable")

func (*Unsendable) MarshalText() ([]byte, error) { return nil, ErrUnsendable }
func (*Unsendable) UnmarshalText([]byte) error   { return ErrUnsendable }

// ErrCodec is what a BrokenCodec fails with.
var ErrCodec = errors.New("codec is broken")

// A BrokenCodec is a TextCodec whose methods first call the function for them, unless it is nil, and return its error.
type BrokenCodec struct {
	TextCodec
	WriteRequest, CheckRequest, WriteResponse, CheckResponse func() error
}

// Fails is a function for a BrokenCodec.
func Fails() error { return ErrCodec }

// Panics is a function for a BrokenCodec.
func Panics() error { panic(ErrCodec) }

// BrokenEcho returns a protocol like Echo with another codec.
func BrokenEcho(c BrokenCodec) reqresp.Unary[Text, Text] {
	return reqresp.NewUnary[Text, Text](reqresp.Family{Prefix: "/test", Codec: c}, "echo", 1)
}

func broken(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

func (c BrokenCodec) AppendRequest(dst []byte, id protocol.ID, req any) ([]byte, error) {
	if err := broken(c.WriteRequest); err != nil {
		return nil, err
	}
	return c.TextCodec.AppendRequest(dst, id, req)
}

func (c BrokenCodec) ReadRequest(r reqresp.Reader, id protocol.ID, limit int, req any) error {
	if err := broken(c.CheckRequest); err != nil {
		return err
	}
	return c.TextCodec.ReadRequest(r, id, limit, req)
}

func (c BrokenCodec) AppendResponse(dst []byte, id protocol.ID, resp any) ([]byte, error) {
	if err := broken(c.WriteResponse); err != nil {
		return nil, err
	}
	return c.TextCodec.AppendResponse(dst, id, resp)
}

func (c BrokenCodec) ReadResponse(r reqresp.Reader, id protocol.ID, limit int, resp any) error {
	if err := broken(c.CheckResponse); err != nil {
		return err
	}
	return c.TextCodec.ReadResponse(r, id, limit, resp)
}
