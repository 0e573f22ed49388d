package reqresp

import (
	"io"
)

// A transportReader remembers the stream's own error, so that it can be told
// from a codec's complaint about bytes that did arrive.
type transportReader struct {
	r   io.Reader
	err error
}

func (t *transportReader) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}
