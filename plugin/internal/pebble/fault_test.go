package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/seed-2dd5877b/reqresp/plugin/internal/pebble"
)

// A fault fails the n-th write to a file system, and those after it if the disk stays full.
type fault struct {
	n     int64
	stays bool
	count atomic.Int64
	fatal atomic.Bool // It failed another file than a table, which Pebble can make anew.

	mu     sync.Mutex
	opened []io.Closer
}

// keep notes what is to be closed once the database is of no more use, which does not close it after a failure.
func (f *fault) keep(opened io.Closer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened = append(f.opened, opened)
}

func (f *fault) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, opened := range f.opened {
		_ = opened.Close()
	}
}

func (f *fault) String() string { return fmt.Sprintf("write %d, stays %t", f.n, f.stays) }

// hit counts a write to a file, and returns an error if that fails.
func (f *fault) hit(name string) error {
	if i := f.count.Add(1); i != f.n && (i < f.n || !f.stays) {
		return nil
	}
	if filepath.Ext(name) != ".sst" {
		f.fatal.Store(true)
	}
	return &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
}

// file returns a file that is open for writing, unless that fails.
func (f *fault) file(name string, open func() (vfs.File, error)) (vfs.File, error) {
	if err := f.hit(name); err != nil {
		return nil, err
	}
	opened, err := open()
	if err != nil {
		return nil, err
	}
	f.keep(opened)
	return faultyFile{opened, name, f}, nil
}

type faultyFS struct {
	vfs.FS
	fault *fault
}

func (fs faultyFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.fault.file(name, func() (vfs.File, error) { return fs.FS.Create(name, category) })
}

func (fs faultyFS) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.fault.file(newName, func() (vfs.File, error) { return fs.FS.ReuseForWrite(oldName, newName, category) })
}

func (fs faultyFS) OpenDir(name string) (vfs.File, error) {
	dir, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	fs.fault.keep(dir)
	return faultyFile{dir, name, fs.fault}, nil
}

func (fs faultyFS) Rename(oldName, newName string) error {
	if err := fs.fault.hit(newName); err != nil {
		return err
	}
	return fs.FS.Rename(oldName, newName)
}

// A faultyFile does not wait for the disk: the test's crashes are those of the process.
type faultyFile struct {
	vfs.File
	name  string
	fault *fault
}

func (f faultyFile) Write(p []byte) (int, error) {
	if err := f.fault.hit(f.name); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f faultyFile) Sync() error                { return f.fault.hit(f.name) }
func (f faultyFile) SyncData() error            { return f.fault.hit(f.name) }
func (f faultyFile) SyncTo(int64) (bool, error) { return false, f.fault.hit(f.name) }
func (f faultyFile) Fd() uintptr                { return vfs.InvalidFd } // The file may be closed meanwhile.
func (f faultyFile) Close() error               { return errors.Join(f.fault.hit(f.name), f.File.Close()) }

// Values of the fault's test. One is too large for a memory table.
func faultKey(i int) []byte { return fmt.Appendf(nil, "%05d", i) }

func faultValue(i int) []byte {
	random := rand.NewChaCha8([32]byte{byte(i)})
	value := make([]byte, 24<<10)
	if i%10 == 5 {
		value = make([]byte, 100<<10)
	}
	_, _ = random.Read(value)
	return value
}

// write writes values from..to-1, each synced, with compactions. It returns how many values are synced.
func write(db *pebble.Database, from, to int) (synced int, err error) {
	for i := from; i < to; i++ {
		batch := db.NewBatch()
		defer batch.Close()
		if err := errors.Join(
			batch.Put(faultKey(i), faultValue(i)),
			batch.Put([]byte("in all tables"), faultKey(i)), // Without, tables are moved rather than compacted.
			batch.Write(), db.SyncKeyValue(),
		); err != nil {
			return i, err
		}
		if i%4 == 3 { // A compaction may fail without harm. The next write tells whether the database has failed.
			_ = db.Compact(nil, nil)
		}
	}
	return to, nil
}

// wantValues reads the values below n, one by one and with an iterator.
func wantValues(t *testing.T, db *pebble.Database, n int) {
	t.Helper()
	it := db.NewIterator(nil, nil)
	defer it.Release()
	for i := range n {
		if got, err := db.Get(faultKey(i)); err != nil || !bytes.Equal(got, faultValue(i)) {
			t.Errorf("key %d of %d: %d bytes, %v", i, n, len(got), err)
		}
		if !it.Next() || !bytes.Equal(it.Key(), faultKey(i)) || !bytes.Equal(it.Value(), faultValue(i)) {
			t.Errorf("iterator at %q, %v, want key %d of %d", it.Key(), it.Error(), i, n)
		}
	}
}

// copyDatabase copies a database that may be open, as it would be after a crash.
func copyDatabase(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) { // Pebble has just removed it.
			continue
		}
		must(t, err)
		must(t, os.WriteFile(filepath.Join(to, entry.Name()), content, 0o600))
	}
	return to
}

// TestEveryFailedWriteIsAnError fails each write in turn of a database that is opened, replays its log, writes, rotates
// its log, flushes, compacts, and is closed.
func TestEveryFailedWriteIsAnError(t *testing.T) {
	t.Parallel()
	const before, after = 5, 13
	dir := t.TempDir()
	db, err := pebble.OpenOn(vfs.Default, dir)
	must(t, err)
	_, err = write(db, 0, before)
	must(t, err)
	image := copyDatabase(t, dir)
	must(t, db.Close())
	for _, stays := range []bool{false, true} {
		t.Run(fmt.Sprintf("stays %t", stays), func(t *testing.T) {
			t.Parallel()
			survived := 0
			for n := int64(1); !t.Failed(); n++ {
				f := &fault{n: n, stays: stays}
				err := meet(t, f, copyDatabase(t, image), before, after)
				if f.count.Load() < n {
					t.Logf("%d writes, of which %d fail without harm", n-1, survived)
					if survived == 0 && !stays {
						t.Error("no compaction was made anew")
					}
					return
				}
				if err == nil {
					survived++
				}
			}
		})
	}
}

// meet has a database meet a fault. It returns what the database failed with.
func meet(t *testing.T, f *fault, dir string, before, after int) error {
	t.Helper()
	defer f.closeAll()
	synced := before
	db, err := pebble.OpenOn(faultyFS{vfs.Default, f}, dir)
	if err == nil {
		if synced, err = write(db, before, after); err != nil {
			if err := db.Put([]byte("more"), nil); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%v: another write: error %v", f, err)
			}
		}
		wantValues(t, db, synced)
		if closeErr := db.Close(); err == nil || !errors.Is(closeErr, syscall.ENOSPC) {
			err = closeErr
		}
	}
	if err != nil && !errors.Is(err, syscall.ENOSPC) || err == nil && f.fatal.Load() {
		t.Errorf("%v: error %v", f, err)
	}
	again, openErr := pebble.OpenOn(faultyFS{vfs.Default, new(fault)}, copyDatabase(t, dir))
	must(t, openErr)
	wantValues(t, again, synced)
	must(t, again.Close())
	return err
}
