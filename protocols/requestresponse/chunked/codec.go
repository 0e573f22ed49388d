package chunked

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-varint"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// success is the status of a chunk that is no error. Others are a reqresp.Code.
const success = 0

// maxText is the most bytes an error's text may have.
const maxText = 256

var (
	errEmpty    = errors.New("chunked: message has no bytes")
	errTrailing = errors.New("chunked: bytes after the message in its chunk")
	errNotUTF8  = errors.New("chunked: error text is not UTF-8")
)

// Codec puts the messages of another codec into chunks.
type Codec struct {
	// Inner lays out the messages. It is required.
	Inner reqresp.WholeStreamCodec
}

var _ reqresp.ErrorCodec = Codec{}

// Name implements reqresp.Codec. It is "chunked", behind the inner codec's name and
// an underscore if that has one. It panics if there is no inner codec.
func (c Codec) Name() string {
	if c.Inner == nil {
		panic("chunked: Codec has no Inner")
	}
	if inner := c.Inner.Name(); inner != "" {
		return inner + "_chunked"
	}
	return "chunked"
}

// AppendRequest implements reqresp.Codec.
func (c Codec) AppendRequest(dst []byte, id protocol.ID, req any) ([]byte, error) {
	return c.Inner.AppendRequest(dst, id, req)
}

// ReadRequest implements reqresp.Codec.
func (c Codec) ReadRequest(r reqresp.Reader, id protocol.ID, limit int, req any) error {
	return c.Inner.ReadRequest(r, id, limit, req)
}

// AppendResponse implements reqresp.Codec.
func (c Codec) AppendResponse(dst []byte, id protocol.ID, resp any) ([]byte, error) {
	dst = append(dst, success)
	start := len(dst)
	dst, err := c.Inner.AppendResponse(dst, id, resp)
	if err != nil {
		return nil, err
	}
	if len(dst) == start {
		return nil, errEmpty
	}
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(dst)-start))
	return slices.Insert(dst, start, length[:n]...), nil
}

// AppendError implements reqresp.ErrorCodec. The text is cut to 256 bytes, between
// two characters; what is not UTF-8 in it is replaced.
func (c Codec) AppendError(dst []byte, _ protocol.ID, e *reqresp.Error) ([]byte, error) {
	if e.Code == success {
		return nil, errors.New("chunked: an error cannot have code 0, which means success")
	}
	text := cut(strings.ToValidUTF8(e.Message, string(utf8.RuneError)))
	dst = binary.AppendUvarint(append(dst, byte(e.Code)), uint64(len(text)))
	return append(dst, text...), nil
}

// cut returns as many of the first characters of text as fit into maxText bytes.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// ReadResponse implements reqresp.Codec. A chunk that is too long fails with an error
// that wraps reqresp.ErrTooLarge, one that is cut off with io.ErrUnexpectedEOF.
func (c Codec) ReadResponse(r reqresp.Reader, id protocol.ID, limit int, resp any) error {
	status, err := r.ReadByte()
	if err != nil {
		return err // io.EOF here is the response's clean end
	}
	if status != success {
		return noEOF(readError(r, reqresp.Code(status)))
	}
	return noEOF(c.readMessage(r, id, limit, resp))
}

func (c Codec) readMessage(r reqresp.Reader, id protocol.ID, limit int, resp any) error {
	n, err := readLength(r, limit)
	if err != nil {
		return err
	}
	if n == 0 {
		return errEmpty
	}
	b := &body{r: r, left: n}
	if err := c.Inner.ReadResponse(b, id, limit, resp); err != nil {
		return err
	}
	if b.left > 0 {
		return errTrailing
	}
	return nil
}

// readError returns the peer's verdict, or why it cannot be read.
func readError(r reqresp.Reader, code reqresp.Code) error {
	n, err := readLength(r, maxText)
	if err != nil {
		return fmt.Errorf("error text: %w", err)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return err
	}
	if !utf8.Valid(text) {
		return errNotUTF8
	}
	return &reqresp.Error{Code: code, Message: string(text), Remote: true}
}

// noEOF keeps an end inside a chunk from being taken for a clean one.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readLength reads a length of at most limit.
func readLength(r io.ByteReader, limit int) (int, error) {
	n, err := varint.ReadUvarint(r)
	switch {
	case err == io.EOF:
		return 0, io.ErrUnexpectedEOF
	case err != nil:
		return 0, fmt.Errorf("chunked: length: %w", err)
	case n > uint64(limit):
		return 0, fmt.Errorf("chunked: %w of %d bytes: %d", reqresp.ErrTooLarge, limit, n)
	}
	return int(n), nil
}

// body is what is left of one chunk's message. It ends with the chunk; the end of the
// stream within it is io.ErrUnexpectedEOF.
type body struct {
	r    reqresp.Reader
	left int
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	if b.left > 0 {
		err = noEOF(err)
	}
	return n, err
}

// ReadByte implements io.ByteReader.
func (b *body) ReadByte() (byte, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	c, err := b.r.ReadByte()
	if err == nil {
		b.left--
	}
	return c, noEOF(err)
}
