package segment

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
)

// ErrLength is returned for a file whose length is not that of what was committed, nor such as an interrupted write
// leaves it.
var ErrLength = errors.New("segment file has another length than was committed")

// maxLeftover is how many bytes are taken for the rest of an interrupted write. A file with more beyond what was
// committed has been written under another index, of which the caller's may be an older copy.
const maxLeftover = 64 << 20

// bufferSize is how much a Writer collects for one write, in bytes: the copy costs less than the system call that it
// spares. Larger objects are written from where they are.
const bufferSize = 1 << 20

// buffers has the buffers of Writers that are closed.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, bufferSize)) }}

// A Writer appends objects to one file. What it has written counts once [Writer.Commit] has returned nil; until then,
// and whatever fails, the objects that were in the file before are as they were. It is not safe for concurrent use,
// and a file has one at a time. Begin with [Dir.Writer]; the caller closes it.
type Writer struct {
	id      ID
	dir     *Dir
	file    *os.File
	created bool
	before  int64 // the length at which the Writer began
	length  int64 // with what is in buf
	buf     *[]byte
	err     error
}

// Writer returns a writer of a file that has been written up to a length: what the last Commit has returned, or 0 for a
// file that is new. What is beyond the length is left over from a write that was interrupted, and is cut off. The error
// wraps [ErrLength] if the file is shorter, or more than 64 MiB longer, or is not new, though the length is 0: such a
// file stays as it is.
func (d *Dir) Writer(id ID, length int64) (*Writer, error) {
	if length == 0 {
		if err := d.make(); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(d.file(id), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	w := &Writer{id: id, dir: d, file: f, created: length == 0, before: length, length: length}
	if err := w.begin(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

// make makes the directory, durably. One that is there may have been made right before the process was killed.
func (d *Dir) make() error {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(d.path))
}

// begin makes the file end where the Writer begins.
func (w *Writer) begin() error {
	stat, err := w.file.Stat()
	if err != nil {
		return err
	}
	if beyond := stat.Size() - w.length; beyond < 0 || beyond > maxLeftover || w.created && beyond > 0 {
		return fmt.Errorf("%w: %v has %d bytes, want %d", ErrLength, w.id, stat.Size(), w.length)
	}
	if err := cut(w.file, w.length); err != nil {
		return err
	}
	if _, err := w.file.Seek(w.length, io.SeekStart); err != nil {
		return err
	}
	w.buf = buffers.Get().(*[]byte)
	if w.created {
		*w.buf = w.id.appendHead(*w.buf)
		w.length = int64(len(*w.buf))
	}
	return nil
}

// Append appends an object and returns the offset of its record, for [Dir.AppendData]. It keeps no reference to the
// frames. After an error the Writer writes nothing more.
func (w *Writer) Append(frames []byte) (offset int64, err error) {
	if len(*w.buf)+e2store.HeaderSize+len(frames) > bufferSize {
		w.flush()
	}
	*w.buf = e2store.Header{Type: forms[w.id.Kind].typ, Length: uint32(len(frames))}.Append(*w.buf)
	if e2store.HeaderSize+len(frames) <= bufferSize {
		*w.buf = append(*w.buf, frames...)
	} else {
		w.flush()
		w.write(frames)
	}
	offset = w.length
	w.length += e2store.HeaderSize + int64(len(frames))
	return offset, w.err
}

func (w *Writer) flush() {
	w.write(*w.buf)
	*w.buf = (*w.buf)[:0]
}

func (w *Writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.file.Write(b)
	}
}

// Commit makes what was appended durable, and returns the length of the file. Upon an error none of it counts, and the
// file is cut to the length that it had, if that is possible. An error that wraps [ErrSync] leaves it unknown what is
// on the disk.
func (w *Writer) Commit() (length int64, err error) {
	w.flush()
	if w.err != nil {
		return 0, errors.Join(w.err, cut(w.file, w.before))
	}
	if err := w.sync(); err != nil {
		w.err = fmt.Errorf("%w: %w", ErrSync, err)
		return 0, w.err
	}
	w.before, w.created = w.length, false
	return w.length, nil
}

// ErrSync is returned when the system cannot make durable what was written.
var ErrSync = errors.New("syncing a segment file")

func (w *Writer) sync() error {
	if err := w.dir.sync(w.file); err != nil {
		return err
	}
	if w.created {
		return w.dir.syncDir(w.dir.path)
	}
	return nil
}

// Close closes the file. What was not committed is cut off, if that is possible. The Writer must not be used any more.
func (w *Writer) Close() error {
	*w.buf = (*w.buf)[:0]
	buffers.Put(w.buf)
	w.buf = nil
	return errors.Join(cut(w.file, w.before), w.file.Close())
}
