package reqresp_test

import (
	"errors"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

var errCodec = errors.New("codec is broken")

// A brokenCodec is a textCodec in which some methods do what they should not: those that are
// not nil are called first, and their errors returned.
type brokenCodec struct {
	textCodec
	appendRequest, readRequest, appendResponse, readResponse func() error
}

func fails() error  { return errCodec }
func panics() error { panic(errCodec) }

// brokenEcho returns a protocol like echo with another codec.
func brokenEcho(c brokenCodec) reqresp.Unary[Text, Text] {
	return reqresp.NewUnary[Text, Text](reqresp.Family{Prefix: "/test", Codec: c}, "echo", 1)
}

func broken(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

func (c brokenCodec) AppendRequest(dst []byte, id protocol.ID, req any) ([]byte, error) {
	if err := broken(c.appendRequest); err != nil {
		return nil, err
	}
	return c.textCodec.AppendRequest(dst, id, req)
}

func (c brokenCodec) ReadRequest(r reqresp.Reader, id protocol.ID, limit int, req any) error {
	if err := broken(c.readRequest); err != nil {
		return err
	}
	return c.textCodec.ReadRequest(r, id, limit, req)
}

func (c brokenCodec) AppendResponse(dst []byte, id protocol.ID, resp any) ([]byte, error) {
	if err := broken(c.appendResponse); err != nil {
		return nil, err
	}
	return c.textCodec.AppendResponse(dst, id, resp)
}

func (c brokenCodec) ReadResponse(r reqresp.Reader, id protocol.ID, limit int, resp any) error {
	if err := broken(c.readResponse); err != nil {
		return err
	}
	return c.textCodec.ReadResponse(r, id, limit, resp)
}
