package history_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/history"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// indexRoots returns the root index of a directory, which is open until the end of the test.
func indexRoots(t *testing.T, path string) *era.RootIndex {
	t.Helper()
	content, err := openDir(t, path).RootIndex(t.Context(), beacontest.FuluNetwork())
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "roots")
	writeFile(t, at, content)
	x, err := era.OpenRootIndex(t.Context(), at, beacontest.FuluNetwork())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// With a root index every block of a long history is found by root, in any order, and nothing else is.
func TestRootIndexFindsBlocksOfEveryEra(t *testing.T) {
	t.Parallel()
	path, all := longHistory(t, 60)
	n := beacontest.FuluNetwork()
	c, err := history.Open(t.Context(), openDir(t, path), n, newStore(t), indexRoots(t, path))
	if err != nil {
		t.Fatal(err)
	}
	var roots []ssz.Root
	for _, b := range slices.Backward(all) {
		unknown := b.Root
		unknown[31] ^= 1 // the index does not have this byte
		roots = append(roots, unknown, b.Root)
	}
	at := len(all)
	for ref, err := range c.BlocksByRoot(t.Context(), roots) {
		at--
		if err != nil || at < 0 || ref.Root != all[at].Root || ref.Slot != all[at].Slot {
			t.Fatalf("slot %d, %v", ref.Slot, err)
		}
		frames, err := c.AppendFrames(t.Context(), ref, nil)
		if err != nil || !bytes.Equal(frames, all[at].Frames) {
			t.Fatalf("slot %d: %d bytes of frames, %v", ref.Slot, len(frames), err)
		}
	}
	if at != 0 {
		t.Errorf("%d blocks are not found", at)
	}
}

// A root index that is older than the files finds what it has; one of other files is refused.
func TestRootIndexOfOtherFiles(t *testing.T) {
	t.Parallel()
	n := beacontest.FuluNetwork()
	older := indexRoots(t, files(t, genesisFile, firstFile))
	c, err := history.Open(t.Context(), openDir(t, allFiles(t)), n, newStore(t), older)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range []ssz.Slot{1, 63, 64, 127} { // the last era is in memory
		found := 0
		for ref, err := range c.BlocksByRoot(t.Context(), []ssz.Root{blockAt(t, slot).Root}) {
			if found++; err != nil || ref.Slot != slot {
				t.Errorf("slot %d: found in %d, %v", slot, ref.Slot, err)
			}
		}
		if found != 1 {
			t.Errorf("slot %d: found %d times", slot, found)
		}
	}
	other, _ := longHistory(t, 2)
	_, err = history.Open(t.Context(), openDir(t, allFiles(t)), n, newStore(t), indexRoots(t, other))
	if !errors.Is(err, era.ErrRootIndex) {
		t.Errorf("root index of other files: %v", err)
	}
}
