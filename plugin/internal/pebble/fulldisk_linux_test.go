package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
)

// TestAFullDiskIsAnError writes until the disk is full. Writes fail then, and go on failing; what has been synced is read,
// and the database is closed without delay.
func TestAFullDiskIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=40m"); err != nil {
		t.Skipf("no file system can be mounted here, which takes root: %v", err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	db := open(t, dir)
	random := rand.NewChaCha8([32]byte{1})
	value := make([]byte, 1<<20)
	key := func(i int) []byte { return fmt.Appendf(nil, "%05d", i) }
	written := 0
	var err error
	for ; err == nil && written < 1000; written++ {
		_, _ = random.Read(value)
		batch := db.NewBatch()
		if err = batch.Put(key(written), value); err == nil {
			err = batch.Write()
		}
		if err == nil {
			err = db.SyncKeyValue()
		}
		batch.Close()
	}
	written--
	if !errors.Is(err, syscall.ENOSPC) || written < 5 {
		t.Fatalf("error %v after %d MiB", err, written)
	}
	if err := db.Put([]byte("more"), nil); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("another write: error %v", err)
	}
	random = rand.NewChaCha8([32]byte{1})
	for i := range written {
		_, _ = random.Read(value)
		if got, err := db.Get(key(i)); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("what was synced: key %d, %d bytes, %v", i, len(got), err)
		}
	}
	if err := db.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("closing: error %v", err)
	}
}
