package pebble

import (
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A fileSystem is what Pebble writes to. Pebble handles the failed write of a table. After any other it panics, with
// a mutex unlocked that its deferred calls unlock, which ends the process. So it does not get to know: the database
// fails, and the goroutine blocks for good, as does any that writes later. Pebble writes while it does not hold the
// mutex that readers may wait for. Files that it only reads, or removes, are as they are.
type fileSystem struct {
	vfs.FS
	d *Database
}

// Unwrap implements vfs.FS.
func (fs fileSystem) Unwrap() vfs.FS { return fs.FS }

// Create implements vfs.FS.
func (fs fileSystem) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	fs.d.awaitWritable()
	f, err := fs.FS.Create(name, category)
	return fs.file(name, f, err)
}

// ReuseForWrite implements vfs.FS.
func (fs fileSystem) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	fs.d.awaitWritable()
	f, err := fs.FS.ReuseForWrite(oldName, newName, category)
	return fs.file(newName, f, err)
}

// OpenDir implements vfs.FS.
func (fs fileSystem) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return file{f, fs.d, false}, nil
}

// Rename implements vfs.FS.
func (fs fileSystem) Rename(oldName, newName string) error {
	fs.d.awaitWritable()
	return fs.d.written(isTable(newName), fs.FS.Rename(oldName, newName))
}

// file returns a file that is open for writing.
func (fs fileSystem) file(name string, f vfs.File, err error) (vfs.File, error) {
	if err = fs.d.written(isTable(name), err); err != nil {
		return nil, err
	}
	return file{f, fs.d, isTable(name)}, nil
}

func isTable(name string) bool { return filepath.Ext(name) == ".sst" }

// A file is one that Pebble writes. That space cannot be preallocated is no failure.
type file struct {
	vfs.File
	d     *Database
	table bool
}

// Write implements vfs.File.
func (f file) Write(p []byte) (int, error) {
	f.d.awaitWritable()
	n, err := f.File.Write(p)
	return n, f.d.written(f.table, err)
}

// Sync implements vfs.File.
func (f file) Sync() error {
	f.d.awaitWritable()
	return f.d.written(f.table, f.File.Sync())
}

// SyncData implements vfs.File.
func (f file) SyncData() error {
	f.d.awaitWritable()
	return f.d.written(f.table, f.File.SyncData())
}

// SyncTo implements vfs.File.
func (f file) SyncTo(length int64) (bool, error) {
	f.d.awaitWritable()
	full, err := f.File.SyncTo(length)
	return full, f.d.written(f.table, err)
}

// Close implements vfs.File.
func (f file) Close() error { return f.d.written(f.table, f.File.Close()) }

// awaitWritable does not return once the database has failed.
func (d *Database) awaitWritable() {
	select {
	case <-d.failed:
		select {}
	default:
	}
}

// written takes the error of a write, if any. It does not return one, but blocks, unless the write was to a table.
func (d *Database) written(table bool, err error) error {
	if err != nil && !table {
		d.fail(err)
		select {}
	}
	return err
}
