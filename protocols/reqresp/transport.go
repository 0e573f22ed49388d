package reqresp

import (
	"io"
	"math/bits"
	"sync/atomic"
)

// A transportReader remembers the stream's own error, so that it can be told
// from a codec's complaint about bytes that did arrive, and counts those. Memory, which
// may be nil, is held for them.
type transportReader struct {
	r      io.Reader
	memory *memory
	err    error
	ended  bool // the stream's end was read
	n      atomic.Uint64
}

func (t *transportReader) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n.Add(uint64(n))
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
	got := t.n.Load()
	if got <= readerSize || readerSize+int(got) <= t.memory.held {
		return nil
	}
	return t.memory.hold(readerSize+1<<bits.Len64(got-1), requestPriority)
}
