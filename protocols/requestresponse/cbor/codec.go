package cbor

import (
	"bytes"
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Codec lays every message out as one CBOR data item that ends with its stream.
// The zero value is ready.
type Codec struct{}

var _ reqresp.WholeStreamCodec = Codec{}

// Name implements reqresp.Codec. It is empty: the protocol names of rust-libp2p
// do not tell the codec.
func (Codec) Name() string { return "" }

// WholeStream implements reqresp.WholeStreamCodec.
func (Codec) WholeStream() {}

// AppendRequest implements reqresp.Codec.
func (Codec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	return appendItem(dst, req)
}

// ReadRequest implements reqresp.Codec. A request that is too long fails with an
// error that wraps reqresp.ErrTooLarge, one that is cut off with io.ErrUnexpectedEOF.
func (Codec) ReadRequest(r reqresp.Reader, _ protocol.ID, limit int, req any) error {
	err := readItem(r, limit, req)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// AppendResponse implements reqresp.Codec.
func (Codec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	return appendItem(dst, resp)
}

// ReadResponse implements reqresp.Codec. It fails as ReadRequest does, but for an
// empty stream, which is io.EOF.
func (Codec) ReadResponse(r reqresp.Reader, _ protocol.ID, limit int, resp any) error {
	return readItem(r, limit, resp)
}

func appendItem(dst []byte, msg any) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	if err := encMode.MarshalToBuffer(msg, buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func readItem(r io.Reader, limit int, msg any) error {
	return reqresp.ReadWhole(r, limit, func(data []byte) error {
		if err := check(data); err != nil {
			return err
		}
		// What follows the item is ignored.
		_, err := decMode.UnmarshalFirst(data, msg)
		if err == io.ErrUnexpectedEOF {
			return fmt.Errorf("cbor: %w", err)
		}
		return err
	})
}
