package snappy

import (
	"io"
)

// A ReaderAt reads some of the SSZ bytes in whole frames, and decodes the chunks that hold them alone. It
// keeps the chunk decoded last, so that neighboring reads cost little: no more than 64 KiB. It implements
// [io.ReaderAt], but is not safe for concurrent use. Begin with [NewReaderAt].
type ReaderAt struct {
	frames []byte
	size   int64

	decoded []byte // the chunk decoded last
	at      int64  // where that begins
}

// NewReaderAt returns a reader of frames, which need not be canonical and must not change while it is used.
// The errors are those of [DecodedLen].
func NewReaderAt(frames []byte) (*ReaderAt, error) {
	n, err := DecodedLen(frames)
	if err != nil {
		return nil, err
	}
	return &ReaderAt{frames: frames, size: int64(n)}, nil
}

// Size returns the number of SSZ bytes in the frames.
func (r *ReaderAt) Size() int64 { return r.size }

// ReadAt reads len(p) bytes from an offset on. It returns fewer along with io.EOF where the bytes end. The
// checksums of the chunks that it decodes are verified.
func (r *ReaderAt) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at < 0 || at >= r.size {
			return n, io.EOF
		}
		if at < r.at || at >= r.at+int64(len(r.decoded)) {
			if err := r.decode(at); err != nil {
				return n, err
			}
		}
		n += copy(p[n:], r.decoded[at-r.at:])
	}
	return n, nil
}

// decode decodes the chunk that holds the byte at an offset.
func (r *ReaderAt) decode(at int64) error {
	begin := int64(0)
	for c := range chunks(r.frames) { //nolint:errcheck // DecodedLen has seen the error, if any
		if !c.isData() {
			continue
		}
		n, _ := c.decodedLen()
		if at >= begin+int64(n) {
			begin += int64(n)
			continue
		}
		if cap(r.decoded) < n {
			r.decoded = make([]byte, n)
		}
		r.at, r.decoded = begin, r.decoded[:n]
		if err := c.decode(r.decoded); err != nil {
			r.decoded = r.decoded[:0]
			return err
		}
		return nil
	}
	return io.EOF
}
