package e2store

import (
	"context"
	"fmt"
	"io"
)

// window is how many bytes a Reader reads ahead.
const window = 1 << 20

// ReadRecord reads the header at an offset. The record has to end at or before end, which is at most the size of the
// source. The error is an [*Error].
func ReadRecord(ctx context.Context, src Source, off, end int64) (Record, error) {
	r := NewReader(src, off, min(end, off+HeaderSize))
	b, err := r.peek(ctx, off, HeaderSize)
	if err != nil {
		return Record{}, &Error{off, err}
	}
	return parseRecord(b, off, end)
}

// AppendData appends the data of a record to dst and returns the extended buffer. The error is an [*Error]; it wraps
// [ErrTooLarge] if there are more than limit bytes. Upon an error it returns dst as it was.
func AppendData(ctx context.Context, src Source, dst []byte, r Record, limit int64) ([]byte, error) {
	if err := checkLength(r, limit); err != nil {
		return dst, err
	}
	dst, err := AppendRange(ctx, src, dst, r.DataOffset(), int64(r.Length))
	if err != nil {
		return dst, &Error{r.Offset, err}
	}
	return dst, nil
}

// NewDataReader returns a reader of a record's data, which needs no memory for it. Its reads are those of src with ctx;
// the caller buffers them.
func NewDataReader(ctx context.Context, src Source, r Record) io.Reader {
	return io.NewSectionReader(boundSource{ctx, src}, r.DataOffset(), int64(r.Length))
}

// boundSource is a source as an io.ReaderAt, for reads under one context.
type boundSource struct {
	ctx context.Context
	src Source
}

func (b boundSource) ReadAt(p []byte, off int64) (int, error) { return b.src.ReadAt(b.ctx, p, off) }

// A Reader walks records in the order in which they are in a source. It reads ahead, at most 1 MiB, but never beyond
// its end. It is not safe for concurrent use. Begin with [NewReader].
type Reader struct {
	src    Source
	pos    int64 // of the next record
	end    int64
	record Record // that Next has returned
	buf    []byte // what has been read ahead
	bufOff int64  // where buf begins
}

// NewReader returns a Reader of the records between two offsets of a source. An end beyond the size of the source
// means its size.
func NewReader(src Source, from, end int64) *Reader {
	return &Reader{src: src, pos: from, end: min(end, src.Size())}
}

// SkipTo lets Next return the record at an offset.
func (r *Reader) SkipTo(off int64) { r.pos = off }

// Next returns the next record, and [io.EOF] after the last one. Other errors are an [*Error] with the offset of the
// record; Next returns the same one again then.
func (r *Reader) Next(ctx context.Context) (Record, error) {
	if r.pos == r.end {
		return Record{}, io.EOF
	}
	b, err := r.peek(ctx, r.pos, HeaderSize)
	if err != nil {
		return Record{}, &Error{r.pos, err}
	}
	record, err := parseRecord(b, r.pos, r.end)
	if err != nil {
		return Record{}, err
	}
	r.record, r.pos = record, record.End()
	return record, nil
}

// Data returns the data of the record that Next has returned last. The slice is valid until the next call of a method.
// The error is an [*Error]; it wraps [ErrTooLarge] if there are more than limit bytes.
func (r *Reader) Data(ctx context.Context, limit int64) ([]byte, error) {
	if err := checkLength(r.record, limit); err != nil {
		return nil, err
	}
	b, err := r.peek(ctx, r.record.DataOffset(), int64(r.record.Length))
	if err != nil {
		return nil, &Error{r.record.Offset, err}
	}
	return b, nil
}

// peek returns n bytes at an offset, from the buffer if they are in it. It keeps what the buffer holds from the offset
// on, and fills the rest of the window behind.
func (r *Reader) peek(ctx context.Context, off, n int64) ([]byte, error) {
	if off < 0 || n > r.end-off {
		return nil, ErrTruncated
	}
	held := int64(0)
	if at := off - r.bufOff; at >= 0 && at <= int64(len(r.buf)) {
		if held = int64(len(r.buf)) - at; held >= n {
			return r.buf[at : at+n], nil
		}
		copy(r.buf, r.buf[at:])
	}
	want := min(max(n, window), r.end-off)
	buf, err := AppendRange(ctx, r.src, r.buf[:held], off+held, want-held)
	if err != nil {
		r.buf = r.buf[:0]
		return nil, err
	}
	r.buf, r.bufOff = buf, off
	return buf[:n], nil
}

func parseRecord(b []byte, off, end int64) (Record, error) {
	h, err := ParseHeader(b)
	r := Record{Header: h, Offset: off}
	if err == nil && r.End() > end {
		err = fmt.Errorf("%w: %d bytes of data, %d are left", ErrTruncated, h.Length, end-r.DataOffset())
	}
	if err != nil {
		return Record{}, &Error{off, err}
	}
	return r, nil
}

func checkLength(r Record, limit int64) error {
	if int64(r.Length) > limit {
		return &Error{r.Offset, fmt.Errorf("%w: %d bytes, the maximum is %d", ErrTooLarge, r.Length, limit)}
	}
	return nil
}
