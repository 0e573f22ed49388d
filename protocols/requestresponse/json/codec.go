package json

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Codec lays every message out as one JSON text that ends with its stream. The
// zero value is ready.
type Codec struct{}

var _ reqresp.WholeStreamCodec = Codec{}

// Name implements reqresp.Codec. It is empty: the protocol names of rust-libp2p
// do not tell the codec.
func (Codec) Name() string { return "" }

// WholeStream implements reqresp.WholeStreamCodec.
func (Codec) WholeStream() {}

// AppendRequest implements reqresp.Codec.
func (Codec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	return appendText(dst, req)
}

// ReadRequest implements reqresp.Codec. A request that is too long fails with an
// error that wraps reqresp.ErrTooLarge, one that is cut off with io.ErrUnexpectedEOF.
func (Codec) ReadRequest(r reqresp.Reader, _ protocol.ID, limit int, req any) error {
	err := readText(r, limit, req)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// AppendResponse implements reqresp.Codec.
func (Codec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	return appendText(dst, resp)
}

// ReadResponse implements reqresp.Codec. It fails as ReadRequest does, but for an
// empty stream, which is io.EOF.
func (Codec) ReadResponse(r reqresp.Reader, _ protocol.ID, limit int, resp any) error {
	return readText(r, limit, resp)
}

// appendText appends msg as serde_json would: on one line, with nothing escaped that
// need not be.
func appendText(dst []byte, msg any) ([]byte, error) {
	start := len(dst)
	w := (*writer)(&dst)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(msg); err != nil {
		return nil, err
	}
	text, err := unescape(dst[start : len(dst)-len("\n")])
	if err != nil {
		return nil, fmt.Errorf("json: %T: %w", msg, err)
	}
	return dst[:start+len(text)], nil
}

// writer appends what is written to it.
type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

func readText(r io.Reader, limit int, msg any) error {
	return reqresp.ReadWhole(r, limit, func(text []byte) error {
		if err := check(text); err != nil {
			return fmt.Errorf("json: %w", err)
		}
		err := json.Unmarshal(text, msg)
		if _, ok := errors.AsType[*json.SyntaxError](err); ok && truncated(text) {
			return fmt.Errorf("json: %w", io.ErrUnexpectedEOF)
		}
		return err
	})
}

// truncated tells a text that is cut off from one that is wrong.
func truncated(text []byte) bool {
	err := json.NewDecoder(bytes.NewReader(text)).Decode(new(json.RawMessage))
	return err == io.ErrUnexpectedEOF || err == io.EOF
}
