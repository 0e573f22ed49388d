// Package atomicfile writes files that outlive a crash of the process or the machine.
package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Write replaces a file, which only its owner may read, in one piece: whatever happens, there is the old content or the
// new. Content and name are on the disk when it returns nil. It writes to path with ".tmp" appended first, and leaves
// nothing there if it fails. Concurrent calls for one path are not allowed.
func Write(path string, content []byte) error { return disk.write(path, content) }

// Rename gives a file, whose content has been synced, another name in the same directory, in place of any file that has
// it. The name is on the disk when Rename returns nil.
func Rename(from, to string) error { return disk.publish(from, to) }

// A file is what is being written.
type file interface {
	io.WriteCloser
	Sync() error
}

// An fs is what Write needs of a file system.
type fs struct {
	create         func(path string) (file, error)
	rename         func(from, to string) error
	remove, syncIn func(path string) error
}

var disk = fs{
	create: func(path string) (file, error) { return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) },
	rename: os.Rename,
	remove: os.Remove,
	syncIn: syncDir,
}

func (d fs) write(path string, content []byte) error {
	partial := path + ".tmp"
	err := d.writeSynced(partial, content)
	if err == nil {
		err = d.publish(partial, path)
	}
	if err != nil {
		_ = d.remove(partial) // On a full disk it is in the way.
	}
	return err
}

func (d fs) publish(from, to string) error {
	if err := d.rename(from, to); err != nil {
		return err
	}
	return d.syncIn(filepath.Dir(to))
}

// writeSynced has a file on the disk. One that is renamed before may be empty after a power cut.
func (d fs) writeSynced(path string, content []byte) error {
	f, err := d.create(path)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir has the names in a directory on the disk.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // Directories cannot be synced there.
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil // Some file systems sync files alone.
	}
	return errors.Join(err, d.Close())
}
