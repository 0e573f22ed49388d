package segment

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
)

// A Dir is a directory of files. Begin with [Open]. Reading is safe for concurrent use, also while one goroutine
// writes, truncates or removes.
type Dir struct {
	path    string
	handles *handles
	sync    func(*os.File) error // (*os.File).Sync, but for tests
}

// Open returns the files of a directory, which need not exist: the first [Writer] makes it.
func Open(path string) *Dir { return &Dir{path, newHandles(path), (*os.File).Sync} }

// Close closes the files that are open for reading. Later reads fail.
func (d *Dir) Close() error { return d.handles.close() }

// A File is a file of a directory.
type File struct {
	ID

	Size int64 // in bytes
}

// List returns the files of the directory, by kind, period and number. Other files than those of this package are left
// out.
func (d *Dir) List() ([]File, error) {
	entries, err := os.ReadDir(d.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []File
	for _, e := range entries {
		id, ok := parseID(e.Name())
		if !ok {
			continue
		}
		stat, err := e.Info()
		if err != nil {
			return nil, err
		}
		files = append(files, File{id, stat.Size()})
	}
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Period, b.Period), cmp.Compare(a.Number, b.Number))
	})
	return files, nil
}

// AppendData appends n bytes of the data of the record at an offset to dst, by one read, and returns the extended
// buffer. If the file ends before, the error is [io.ErrUnexpectedEOF]. Upon an error it returns dst as it was.
func (d *Dir) AppendData(dst []byte, id ID, offset int64, n int) ([]byte, error) {
	h, err := d.handles.acquire(id)
	if err != nil {
		return dst, err
	}
	defer d.handles.release(h)
	start := len(dst)
	dst = slices.Grow(dst, n)[:start+n]
	if m, err := h.file.ReadAt(dst[start:], offset+e2store.HeaderSize); m < n {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return dst[:start], err
	}
	return dst, nil
}

// Truncate cuts a file to a length, and syncs it. A file that is no longer stays as it is.
func (d *Dir) Truncate(id ID, length int64) error {
	f, err := os.OpenFile(d.file(id), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(cut(f, length), d.sync(f), f.Close())
}

func cut(f *os.File, length int64) error {
	stat, err := f.Stat()
	if err != nil || stat.Size() <= length {
		return err
	}
	return f.Truncate(length)
}

// Remove removes files, and syncs the directory. Files that are not there are removed already.
func (d *Dir) Remove(ids ...ID) error {
	if len(ids) == 0 {
		return nil
	}
	for _, id := range ids {
		err := os.Remove(d.file(id))
		d.handles.forget(id)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return d.syncDir(d.path)
}

func (d *Dir) file(id ID) string { return filepath.Join(d.path, id.String()) }

// syncDir makes the names in a directory durable.
func (d *Dir) syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(d.sync(f), f.Close()); err != nil {
		return fmt.Errorf("syncing directory %s: %w", path, err)
	}
	return nil
}
