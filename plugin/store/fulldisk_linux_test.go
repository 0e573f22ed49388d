package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

// A volume of segment files that runs full costs the calls that find it full, and nothing that was stored before.
func TestAFullVolumeOfSegmentFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("no file system can be mounted here, which takes root: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	db := &settledDB{memorydb.New()}
	dirs.Store(ethdb.KeyValueStore(db), filepath.Join(dir, "segments"))
	blocks := syntheticBlocks(30, 100<<10, slotsUntil(200)...)
	s := openWith(t, db)
	stored := 0
	var err error
	for batch := range slices.Chunk(blocks, 7) {
		if err = s.Append(t.Context(), batch...); err != nil {
			break
		}
		stored += len(batch)
	}
	if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, store.ErrFailed) || stored == 0 {
		t.Fatalf("after %d blocks: error %v, want %v", stored, err, syscall.ENOSPC)
	}
	checkServed(t, s, blocks[:stored])
	if err := s.Append(t.Context(), blocks[stored:]...); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v, want %v", err, syscall.ENOSPC)
	}
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=100m"))
	must(t, s.Append(t.Context(), blocks[stored:]...))
	checkServed(t, s, blocks)
	checkServed(t, open(t, db), blocks)
}

// After a sync that fails nothing is known of the disk: nothing is stored, and writers are refused until the store is
// opened anew.
func TestASegmentFileThatCannotBeSynced(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	db := &settledDB{memorydb.New()}
	s := openWith(t, db)
	must(t, os.Mkdir(dirOf(t, db), 0o700))
	must(t, os.Symlink("/dev/null", blocksFile(t, db))) // which can be written, and not synced
	if err := s.Append(t.Context(), blocks...); !errors.Is(err, syscall.EINVAL) || errors.Is(err, store.ErrFailed) {
		t.Fatalf("error %v, want %v", err, syscall.EINVAL)
	}
	if _, _, ok := s.Head(); ok {
		t.Error("there is a head")
	}
	must(t, os.Remove(blocksFile(t, db)))
	if err := s.Append(t.Context(), blocks...); !errors.Is(err, store.ErrFailed) || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("error %v, want %v with its cause", err, store.ErrFailed)
	}
	s = open(t, db)
	must(t, s.Append(t.Context(), blocks...))
	checkServed(t, s, blocks)
}
