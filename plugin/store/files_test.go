package store_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

var flips = flag.Int("flips", 0, "how many `BYTES` of each file are damaged, besides its first, middle and last")

// copyDir copies the files of a directory.
func copyDir(tb testing.TB, from string) string {
	tb.Helper()
	to := tb.TempDir()
	must(tb, os.CopyFS(to, os.DirFS(from)))
	return to
}

// files returns the paths of the files below a directory that hold something, within it.
func files(tb testing.TB, dir string) (paths []string) {
	tb.Helper()
	must(tb, fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Size() == 0 {
			return err
		}
		paths = append(paths, path)
		return nil
	}))
	return paths
}

// flip changes all bits of one byte of a file.
func flip(tb testing.TB, path string, at int64) {
	tb.Helper()
	content, err := os.ReadFile(path)
	must(tb, err)
	content[at] ^= 0xff
	must(tb, os.WriteFile(path, content, 0o600))
}

// offsets returns the bytes of a file to damage.
func offsets(tb testing.TB, path string) []int64 {
	tb.Helper()
	info, err := os.Stat(path)
	must(tb, err)
	at := []int64{0, info.Size() / 2, info.Size() - 1}
	for i := range int64(*flips) {
		at = append(at, info.Size()*i/int64(*flips))
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// survey reads all that a store still holds of blocks, whatever the errors. What is served has to be
// right.
func survey(tb testing.TB, s *store.Store, blocks []*beacon.Block) (served int) {
	tb.Helper()
	for _, b := range blocks {
		refs, rangeErr := byRange(s, b.Slot, 1)
		more, rootErr := byRoot(s, b.Root)
		for _, err := range []error{rangeErr, rootErr} {
			if err != nil && !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, beacon.ErrUnavailable) {
				tb.Errorf("slot %d: error %v, want one for damage", b.Slot, err)
			}
		}
		if head, _, ok := s.Head(); ok && b.Slot <= head && len(refs) == 0 && rangeErr == nil {
			tb.Errorf("slot %d is said to be empty", b.Slot)
		}
		good := false
		for _, ref := range append(refs, more...) {
			frames, err := s.AppendFrames(tb.Context(), ref, nil)
			switch {
			case ref != refOf(b), err == nil && !bytes.Equal(frames, b.Frames):
				tb.Errorf("slot %d: %+v is served", b.Slot, ref)
			case err != nil && !errors.Is(err, store.ErrCorrupt):
				tb.Errorf("slot %d: error %v, want one for damage", b.Slot, err)
			case err == nil:
				good = true
			}
		}
		if good {
			served++
		}
	}
	return served
}

// checkDamaged opens a database that may be damaged, reads all of it, writes, and closes it.
func checkDamaged(t *testing.T, dir string, blocks []*beacon.Block) (served, reported int, opened bool) {
	t.Helper()
	db, err := openDatabase(dir)
	if err != nil {
		return 0, 0, false
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}()
	s, err := store.Open(db, filepath.Join(dir, "segments"))
	if err != nil {
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("opening the store: %v", err)
		}
		return 0, 0, false
	}
	held := blocks[:len(blocks)-1]
	served = survey(t, s, held)
	if _, ok := s.Network(); !ok { // It was in what is lost.
		must(t, s.SetNetwork(t.Context(), realNetwork))
	}
	for _, err := range s.Verify(t.Context()) {
		if err != nil {
			reported++
		}
		if err != nil && !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("Verify: %v", err)
		}
	}
	// It goes on at the head, also in a database that is damaged.
	if _, root, ok := s.Head(); ok && root == held[len(held)-1].Root {
		must(t, s.Append(t.Context(), blocks[len(blocks)-1]))
		must(t, checkFrames(s, blocks[len(blocks)-1]))
	}
	return served, reported, true
}

// TestDamagedFiles damages the files of a database, one byte of one at a time. Nothing ends the process, no wrong byte
// is served, and blocks are lost only in what was hit: the one that the byte is of and its neighbors, or all of a file
// whose outline was hit.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	number := regexp.MustCompile(`\d+`)
	for name, closed := range map[string]bool{"closed": true, "killed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			db := openPebble(t, dir)
			reopen := func() *store.Store {
				s, err := store.Open(db, filepath.Join(dir, "segments"))
				must(t, err)
				return s
			}
			s := reopen()
			must(t, s.SetNetwork(t.Context(), realNetwork))
			must(t, s.Append(t.Context(), blocks[:40]...))
			if closed { // Have several tables.
				must(t, db.Close())
				db = openPebble(t, dir)
				s = reopen()
			}
			must(t, s.SetAnchor(t.Context(), store.Anchor{Root: blocks[59].Root, Slot: 60, Origin: store.Given}))
			must(t, s.Append(t.Context(), blocks[40:len(blocks)-1]...))
			if closed {
				must(t, db.Close())
			} else {
				killed := copyDir(t, dir)
				must(t, db.Close())
				dir = killed
			}
			kinds := make(map[string]int)
			damages := 0
			for _, path := range files(t, dir) {
				kinds[number.ReplaceAllString(filepath.Base(path), "N")]++
				for _, at := range offsets(t, filepath.Join(dir, path)) {
					damaged := copyDir(t, dir)
					flip(t, filepath.Join(damaged, path), at)
					served, reported, opened := checkDamaged(t, damaged, blocks)
					if lost := len(blocks) - 1 - served; opened && lost > 0 && reported == 0 && filepath.Ext(path) != ".log" {
						t.Errorf("%s, byte %d: %d blocks are lost, and Verify reports nothing", path, at, lost)
					}
					// Of a database that was closed, all that is not a block is there twice.
					if closed && *flips == 0 && (!opened || len(blocks)-1-served > 4) {
						t.Errorf("%s, byte %d: opened %t, and only %d blocks are served", path, at, opened, served)
					}
					if lost := len(blocks) - 1 - served; filepath.Ext(path) == ".e2s" && (!opened || lost > 1 || reported != lost) {
						t.Errorf("%s, byte %d: opened %t, %d blocks are lost, %d reported", path, at, opened, lost, reported)
					}
					if !opened && !strings.HasPrefix(path, "MANIFEST") {
						t.Errorf("%s, byte %d: it cannot be opened", path, at)
					}
					t.Logf("%s, byte %d: opened %t, %d blocks are served, Verify reports %d", path, at, opened, served, reported)
					damages++
				}
			}
			t.Logf("%d bytes of %v", damages, kinds)
		})
	}
}
