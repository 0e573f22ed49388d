package chunked

import (
	"fmt"
	"io"

	"github.com/multiformats/go-varint"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

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
