package atomicfile

import (
	"errors"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// errCrash ends a write where the machine crashes.
var errCrash = errors.New("crash")

// A machine crashes at one of its operations: what was not synced is lost.
type machine struct {
	*vfs.MemFS
	left int // operations until it crashes
}

func (m *machine) step() error {
	if m.left--; m.left < 0 {
		return errCrash
	}
	return nil
}

type memFile struct {
	vfs.File
	m *machine
}

func (f memFile) Write(p []byte) (int, error) {
	if err := f.m.step(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f memFile) Sync() error { return errors.Join(f.m.step(), f.File.Sync()) }

func (m *machine) fs() fs {
	return fs{
		create: func(path string) (file, error) {
			f, err := m.Create(path, vfs.WriteCategoryUnspecified)
			return memFile{f, m}, errors.Join(m.step(), err)
		},
		rename: func(from, to string) error { return errors.Join(m.step(), m.Rename(from, to)) },
		remove: func(string) error { return nil }, // It has crashed.
		syncIn: func(path string) error {
			d, err := m.OpenDir(path)
			if err != nil {
				return err
			}
			return errors.Join(m.step(), d.Sync(), d.Close())
		},
	}
}

// read returns what a file has after a crash.
func (m *machine) read(t *testing.T, path string) string {
	f, err := m.CrashClone(vfs.CrashCloneCfg{}).Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Whenever the machine crashes, the file has its old content or the new, and the new if Write has returned.
func TestFilesOutliveACrash(t *testing.T) {
	const never = 100
	for crash := range 10 {
		m := &machine{vfs.NewCrashableMem(), never}
		if err := m.fs().write("/file", []byte("old")); err != nil {
			t.Fatal(err)
		}
		m.left = crash
		err := m.fs().write("/file", []byte("new"))
		switch got := m.read(t, "/file"); {
		case err == nil && got != "new":
			t.Errorf("after a write the file has %q", got)
		case err != nil && got != "old" && got != "new":
			t.Errorf("after a crash at operation %d the file has %q", crash, got)
		}
	}
}
