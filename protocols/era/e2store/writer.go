package e2store

import (
	"fmt"
	"io"
)

// A Writer appends records to a file. After an error of the file the Writer writes nothing more, as what the file
// ends with is unknown. It is not safe for concurrent use. Begin with [NewWriter].
type Writer struct {
	w   io.Writer
	off int64
	err error
}

// NewWriter returns a Writer that appends to w, whose next byte has the offset off in the file: 0 in a new file. It
// does not buffer: a record is two writes, of its header and its data.
func NewWriter(w io.Writer, off int64) *Writer {
	return &Writer{w: w, off: off}
}

// Offset returns the offset of the next record.
func (w *Writer) Offset() int64 { return w.off }

// Write appends a record and returns it. It keeps no reference to data. The error wraps [ErrTooLarge] if data is longer
// than [MaxLength], and nothing is written then; any other error is that of the file.
func (w *Writer) Write(t Type, data []byte) (Record, error) {
	if len(data) > MaxLength {
		return Record{}, fmt.Errorf("%w: %d bytes of data", ErrTooLarge, len(data))
	}
	r := Record{Header: Header{Type: t, Length: uint32(len(data))}, Offset: w.off}
	w.write(r.Append(make([]byte, 0, HeaderSize)))
	if len(data) > 0 {
		w.write(data)
	}
	return r, w.err
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.w.Write(b)
	w.off += int64(n)
	w.err = err
}
