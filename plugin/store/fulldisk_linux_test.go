package store_test

import (
	"errors"
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
