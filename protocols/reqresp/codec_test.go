package reqresp_test

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

var errTooLong = errors.New("message too long")

// plainCodec lays a message out as a uvarint length and a text. Its responses
// cannot carry errors.
type plainCodec struct{}

func (plainCodec) Name() string { return "" }

func (plainCodec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	return appendText(dst, req)
}

func (plainCodec) ReadRequest(r reqresp.Reader, _ protocol.ID, limit int, req any) error {
	return readText(r, limit, req)
}

func (plainCodec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	return appendText(dst, resp)
}

func (plainCodec) ReadResponse(r reqresp.Reader, _ protocol.ID, limit int, resp any) error {
	return readText(r, limit, resp)
}

// textCodec puts a status byte, zero for success, in front of each response.
type textCodec struct{ plainCodec }

var _ reqresp.ErrorCodec = textCodec{}

func (textCodec) Name() string { return "text" }

func (textCodec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	return appendText(append(dst, 0), resp)
}

func (textCodec) AppendError(dst []byte, _ protocol.ID, e *reqresp.Error) ([]byte, error) {
	msg := Text(e.Message)
	return appendText(append(dst, byte(e.Code)), &msg)
}

func (textCodec) ReadResponse(r reqresp.Reader, _ protocol.ID, limit int, resp any) error {
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
		return fmt.Errorf("%w: %d", errTooLong, n)
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

// Unsendable is a message that no codec can lay out.
type Unsendable struct{}

var errUnsendable = errors.New("unsendable")

func (*Unsendable) MarshalText() ([]byte, error) { return nil, errUnsendable }
func (*Unsendable) UnmarshalText([]byte) error   { return errUnsendable }
