package wire

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/cborhead"
)

const nullByte = 0xf6

// maxNesting bounds what is skipped. A header has one level.
const maxNesting = 64

// A decoder reads CBOR items off the front of rest. Every byte is looked at once.
type decoder struct{ rest []byte }

// head reads what begins an item: an integer's value, or how much is to follow.
func (d *decoder) head() (cborhead.Head, error) {
	h, rest, err := cborhead.Cut(d.rest)
	switch {
	case err != nil:
		return h, err
	case h.IsBreak():
		return h, errors.New("nothing to break off")
	}
	d.rest = rest
	return h, nil
}

// uint reads an unsigned integer that is encoded in at most so many bytes.
func (d *decoder) uint(width int) (uint64, error) {
	h, err := d.head()
	switch {
	case err != nil:
		return 0, err
	case h.Major != cborhead.Uint:
		return 0, fmt.Errorf("item of major type %d, want an unsigned integer", h.Major)
	case h.Size > width:
		return 0, fmt.Errorf("integer of %d bytes, want at most %d", h.Size, width)
	}
	return h.Arg, nil
}

// open reads the head of an array or map.
func (d *decoder) open(major byte) (cborhead.Head, error) {
	h, err := d.head()
	if err == nil && h.Major != major {
		err = fmt.Errorf("item of major type %d, want %d", h.Major, major)
	}
	return h, err
}

// take reads the next byte if it is b, and reports whether it was.
func (d *decoder) take(b byte) bool {
	if len(d.rest) == 0 || d.rest[0] != b {
		return false
	}
	d.rest = d.rest[1:]
	return true
}

// skip reads one item with all that is in it.
func (d *decoder) skip() error { return d.skipNested(0) }

func (d *decoder) skipNested(depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("nested more than %d deep", maxNesting)
	}
	h, err := d.head()
	if err != nil {
		return err
	}
	switch h.Major {
	case cborhead.Bytes, cborhead.Text:
		if h.Indefinite {
			return d.skipChunks(h.Major)
		}
		return d.skipBytes(h.Arg)
	case cborhead.Array:
		return d.skipElements(h, 1, depth+1)
	case cborhead.Map:
		return d.skipElements(h, 2, depth+1)
	case cborhead.Tag:
		return d.skipNested(depth + 1)
	}
	return nil // an integer or a simple value, which is its head
}

// skipElements skips what is in an array or map, whose elements are so many items each.
func (d *decoder) skipElements(h cborhead.Head, items, depth int) error {
	for i := uint64(0); h.Indefinite || i < h.Arg; i++ {
		if h.Indefinite && d.take(cborhead.Break) {
			return nil
		}
		for range items {
			if err := d.skipNested(depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// skipChunks skips the strings that make up one of indefinite length.
func (d *decoder) skipChunks(major byte) error {
	for !d.take(cborhead.Break) {
		h, err := d.open(major)
		if err != nil {
			return err
		}
		if h.Indefinite {
			return errors.New("string of indefinite length in another")
		}
		if err := d.skipBytes(h.Arg); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) skipBytes(n uint64) error {
	if n > uint64(len(d.rest)) {
		return io.ErrUnexpectedEOF
	}
	d.rest = d.rest[n:]
	return nil
}
