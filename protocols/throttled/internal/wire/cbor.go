package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The major types of CBOR, see RFC 8949.
const (
	majorUint  = 0
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorTag   = 6
)

const (
	nullByte  = 0xf6
	breakByte = 0xff
)

// maxNesting bounds what is skipped. A header has one level.
const maxNesting = 64

// A decoder reads CBOR items off the front of rest. Every byte is looked at once.
type decoder struct{ rest []byte }

// appendHead appends an item's head in its shortest form.
func appendHead(dst []byte, major byte, arg uint64) []byte {
	major <<= 5
	switch {
	case arg < 24:
		return append(dst, major|byte(arg))
	case arg <= math.MaxUint8:
		return append(dst, major|24, byte(arg))
	case arg <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(arg))
	case arg <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(arg))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|27), arg)
}

// A head begins an item: an integer's value, or how much is to follow.
type head struct {
	major byte
	info  byte // how arg was encoded
	arg   uint64
}

// indefinite reports whether the item goes on to a break.
func (h head) indefinite() bool { return h.info == 31 }

// width returns of how many bytes the argument was, apart from the first.
func (h head) width() int {
	if h.info < 24 || h.info > 27 {
		return 0
	}
	return 1 << (h.info - 24)
}

func (d *decoder) head() (head, error) {
	if len(d.rest) == 0 {
		return head{}, io.ErrUnexpectedEOF
	}
	h := head{major: d.rest[0] >> 5, info: d.rest[0] & 0x1f}
	d.rest = d.rest[1:]
	switch {
	case h.info < 24:
		h.arg = uint64(h.info)
		return h, nil
	case h.width() > 0:
		var err error
		h.arg, err = d.bigEndian(h.width())
		return h, err
	case h.indefinite() && h.major >= majorBytes && h.major <= majorMap:
		return h, nil
	}
	return head{}, fmt.Errorf("item %#x is reserved", h.major<<5|h.info)
}

func (d *decoder) bigEndian(width int) (arg uint64, err error) {
	if len(d.rest) < width {
		return 0, io.ErrUnexpectedEOF
	}
	for _, b := range d.rest[:width] {
		arg = arg<<8 | uint64(b)
	}
	d.rest = d.rest[width:]
	return arg, nil
}

// uint reads an unsigned integer that is encoded in at most so many bytes.
func (d *decoder) uint(width int) (uint64, error) {
	h, err := d.head()
	switch {
	case err != nil:
		return 0, err
	case h.major != majorUint:
		return 0, fmt.Errorf("item of major type %d, want an unsigned integer", h.major)
	case h.width() > width:
		return 0, fmt.Errorf("integer of %d bytes, want at most %d", h.width(), width)
	}
	return h.arg, nil
}

// open reads the head of an array or map.
func (d *decoder) open(major byte) (head, error) {
	h, err := d.head()
	if err == nil && h.major != major {
		err = fmt.Errorf("item of major type %d, want %d", h.major, major)
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
	switch h.major {
	case majorBytes, majorText:
		if h.indefinite() {
			return d.skipChunks(h.major)
		}
		return d.skipBytes(h.arg)
	case majorArray:
		return d.skipElements(h, 1, depth+1)
	case majorMap:
		return d.skipElements(h, 2, depth+1)
	case majorTag:
		return d.skipNested(depth + 1)
	}
	return nil // an integer or a simple value, which is its head
}

// skipElements skips what is in an array or map, whose elements are so many items each.
func (d *decoder) skipElements(h head, items, depth int) error {
	for i := uint64(0); h.indefinite() || i < h.arg; i++ {
		if h.indefinite() && d.take(breakByte) {
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
	for !d.take(breakByte) {
		h, err := d.open(major)
		if err != nil {
			return err
		}
		if h.indefinite() {
			return errors.New("string of indefinite length in another")
		}
		if err := d.skipBytes(h.arg); err != nil {
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
