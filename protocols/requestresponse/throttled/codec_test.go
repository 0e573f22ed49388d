package throttled_test

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled"
)

// The protocol of the tests, and its ID on the wire.
const (
	pingID protocol.ID = "/ping/1"
	wireID protocol.ID = "/t/1/ping/1"
)

var ping = reqresp.NewUnary[Text, Text](reqresp.Family{Codec: textCodec{}}, "ping", 1).WithProtocols(pingID)

// What the tests deal in.
type (
	node    = throttled.Throttled[Text, Text]
	message = throttled.Message[Text, Text]
)

// Text is a message of any text.
type Text string

// unsendable is a text that the codec refuses to write.
const unsendable Text = "unsendable"

var errUnsendable = errors.New("unsendable")

// textCodec lays a text out as a uvarint length and its bytes.
type textCodec struct{}

func (textCodec) Name() string { return "" }

func (textCodec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	return appendText(dst, *req.(*Text))
}

func (textCodec) ReadRequest(r reqresp.Reader, _ protocol.ID, limit int, req any) error {
	if err := readText(r, limit, req.(*Text)); err != nil {
		return err
	}
	switch _, err := r.ReadByte(); {
	case err == nil:
		return errors.New("bytes after the request")
	case err != io.EOF:
		return err
	}
	return nil
}

func (textCodec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	return appendText(dst, *resp.(*Text))
}

func (textCodec) ReadResponse(r reqresp.Reader, _ protocol.ID, limit int, resp any) error {
	return readText(r, limit, resp.(*Text))
}

func appendText(dst []byte, text Text) ([]byte, error) {
	if text == unsendable {
		return nil, errUnsendable
	}
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...), nil
}

func readText(r reqresp.Reader, limit int, text *Text) error {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	if n > uint64(limit) {
		return errors.New("text too long")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return io.ErrUnexpectedEOF
	}
	*text = Text(b)
	return nil
}
