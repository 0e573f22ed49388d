package reqresp

import (
	"io"
	"math/bits"
)

// A transportReader remembers the stream's own error, so that it can be told
// from a codec's complaint about bytes that did arrive, and counts those. Memory, which
// may be nil, is held for them.
type transportReader struct {
	r      io.Reader
	memory *memory
	err    error
	ended  bool // the stream's end was read
	n      uint64
}

func (t *transportReader) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += uint64(n)
	if t.memory != nil && n > 0 {
		if full := t.hold(); full != nil {
			t.err = full
			return 0, full
		}
	}
	switch {
	case err == io.EOF:
		t.ended = true
	case err != nil:
		t.err = err
	}
	return n, err
}

// hold holds memory for what was received, in steps of powers of two, besides the buffer
// which it is read with.
func (t *transportReader) hold() error {
	if t.n <= readerSize || readerSize+int(t.n) <= t.memory.held {
		return nil
	}
	return t.memory.hold(readerSize+1<<bits.Len64(t.n-1), requestPriority)
}
