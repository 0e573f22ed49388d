package reqresp

import (
	"io"
)

// A transportReader remembers the stream's own error, so that it can be told
// from a codec's complaint about bytes that did arrive, and counts those.
type transportReader struct {
	r   io.Reader
	err error
	n   uint64
}

func (t *transportReader) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += uint64(n)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}
