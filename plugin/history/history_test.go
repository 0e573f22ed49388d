package history_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/history"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const (
	testdata = "../../protocols/era/testdata/"

	genesisFile = "vecdev-00000-05d79a31.era"
	firstFile   = "vecdev-00001-bd9082b1.era"
	secondFile  = "vecdev-00002-31b7bc3c.era"

	filesEnd  ssz.Slot = 128 // the slot after those of the files
	chainHead          = beacontest.FuluHead
)

// blocks returns the blocks of the chain with slots from first to last.
func blocks(first, last ssz.Slot) []*beacon.Block {
	return slices.DeleteFunc(slices.Clone(beacontest.FuluBlocks()), func(b *beacon.Block) bool {
		return b.Slot < first || b.Slot > last
	})
}

func blockAt(t *testing.T, slot ssz.Slot) *beacon.Block {
	t.Helper()
	found := blocks(slot, slot)
	if len(found) == 0 {
		t.Fatalf("slot %d is empty", slot)
	}
	return found[0]
}

// files returns a directory with some files of the test data, which may be changed.
func files(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(testdata, "era", name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), content)
	}
	return dir
}

func allFiles(t *testing.T) string { return files(t, genesisFile, firstFile, secondFile) }

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func newStore(t testing.TB, stored ...*beacon.Block) *store.Store {
	t.Helper()
	s, err := store.Open(memorydb.New(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, s, stored...)
	return s
}

func appendTo(t testing.TB, s *store.Store, stored ...*beacon.Block) {
	t.Helper()
	if err := s.Append(t.Context(), stored...); err != nil {
		t.Fatal(err)
	}
}

// openDir opens a directory until the end of the test.
func openDir(t *testing.T, path string) *era.Dir {
	t.Helper()
	dir, err := era.OpenDir(t.Context(), path, beacontest.FuluNetwork(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

func open(t *testing.T, path string, s *store.Store) *history.Chain {
	t.Helper()
	c, err := history.Open(t.Context(), openDir(t, path), beacontest.FuluNetwork(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// read returns what a chain serves of a range, and the error that ends it.
func read(t *testing.T, c beacon.Chain, start ssz.Slot, count uint64) (served []*beacon.Block, err error) {
	t.Helper()
	for ref, err := range c.BlocksByRange(t.Context(), start, count) {
		if err != nil {
			return served, err
		}
		frames, err := c.AppendFrames(t.Context(), ref, []byte("header"))
		if err != nil {
			return served, err
		}
		served = append(served, blockOf(t, ref, frames))
	}
	return served, nil
}

func blockOf(t *testing.T, ref beacon.Ref, chunk []byte) *beacon.Block {
	t.Helper()
	frames, ok := bytes.CutPrefix(chunk, []byte("header"))
	if !ok {
		t.Fatalf("slot %d: frames are not appended", ref.Slot)
	}
	size, err := snappy.CheckFrames(frames)
	if err != nil || size != ref.Size {
		t.Fatalf("slot %d: frames of %d bytes, %v, want %d", ref.Slot, size, err, ref.Size)
	}
	encoded, err := snappy.AppendDecoded(nil, frames, size)
	if err != nil {
		t.Fatalf("slot %d: %v", ref.Slot, err)
	}
	return &beacon.Block{Slot: ref.Slot, Root: ref.Root, SSZ: encoded, Frames: frames}
}

// checkBlocks compares slots, roots and SSZ.
func checkBlocks(t *testing.T, got, want []*beacon.Block) {
	t.Helper()
	same := func(a, b *beacon.Block) bool {
		return a.Slot == b.Slot && a.Root == b.Root && bytes.Equal(a.SSZ, b.SSZ)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("blocks of slots %v, want %v", slotsOf(got), slotsOf(want))
	}
}

func slotsOf(all []*beacon.Block) (slots []ssz.Slot) {
	for _, b := range all {
		slots = append(slots, b.Slot)
	}
	return slots
}

// offsetOf returns where in a file the record of a block begins.
func offsetOf(t *testing.T, path string, slot ssz.Slot) int64 {
	t.Helper()
	f, err := era.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, g := range f.Groups() {
		for at, offset := range g.Blocks() {
			if at == slot {
				return offset
			}
		}
	}
	t.Fatalf("slot %d is empty", slot)
	return 0
}
