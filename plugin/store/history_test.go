package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// minimalNetwork has 64 slots in a segment file.
var minimalNetwork = store.Network{
	Config:                strings.Replace(devchain.Config(), "PRESET_BASE: mainnet", "PRESET_BASE: minimal", 1),
	GenesisTime:           devchain.GenesisTime,
	GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
}

// inDatabase returns the slots of the blocks whose frames are in the database.
func inDatabase(db ethdb.KeyValueStore) (slots []ssz.Slot) {
	it := db.NewIterator([]byte("f"), nil)
	defer it.Release()
	for it.Next() {
		slots = append(slots, ssz.Slot(it.Key()[8])|ssz.Slot(it.Key()[7])<<8)
	}
	return slots
}

// segmentFiles returns the names and the sizes of a store's segment files.
func segmentFiles(tb testing.TB, db ethdb.KeyValueStore) map[string]int64 {
	tb.Helper()
	files := make(map[string]int64)
	entries, err := os.ReadDir(dirOf(tb, db))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		tb.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		must(tb, err)
		files[e.Name()] = info.Size()
	}
	return files
}

// withMinimal opens a store of the minimal preset.
func withMinimal(tb testing.TB, db ethdb.KeyValueStore) *store.Store {
	tb.Helper()
	s := open(tb, db)
	must(tb, s.SetNetwork(tb.Context(), minimalNetwork))
	return s
}

func TestBlocksMoveToSegmentFilesOnceTheyAreFinal(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	at := func(slot ssz.Slot) store.Anchor {
		return store.Anchor{Root: blocks[slot-1].Root, Slot: slot, Origin: store.Given}
	}
	for name, tt := range map[string]struct {
		say  func(ctx context.Context, s *store.Store) error
		last int // slot in a segment file
	}{
		"nothing is known": {func(context.Context, *store.Store) error { return nil }, 0},
		"a finalized checkpoint": {func(ctx context.Context, s *store.Store) error {
			return s.SetSource(ctx, beacon.Status{FinalizedRoot: devchain.FinalizedRoot(), FinalizedEpoch: 2})
		}, 64},
		"an anchor": {func(ctx context.Context, s *store.Store) error { return s.SetAnchor(ctx, at(100)) }, 100},
		"by the caller": {func(ctx context.Context, s *store.Store) error {
			s.SetFinal(100)
			s.SetFinal(99)
			return s.SetSource(ctx, beacon.Status{})
		}, 100},
		"an anchor at an unknown slot": {func(ctx context.Context, s *store.Store) error {
			return s.SetAnchor(ctx, store.Anchor{Root: blocks[59].Root, Origin: store.Given})
		}, 60},
		"an anchor that is not held": {func(ctx context.Context, s *store.Store) error {
			return s.SetAnchor(ctx, store.Anchor{Root: ssz.Root{1}, Origin: store.Given})
		}, 0},
		"an anchor above the head": {func(ctx context.Context, s *store.Store) error {
			return s.SetAnchor(ctx, store.Anchor{Root: ssz.Root{1}, Slot: 1000, Origin: store.Given})
		}, 120},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, first := range []bool{false, true} {
				db := memorydb.New()
				s := openWith(t, db)
				if first {
					must(t, tt.say(t.Context(), s))
				}
				must(t, s.Append(t.Context(), blocks[:50]...))
				must(t, s.Append(t.Context(), blocks[50:120]...))
				if !first {
					if got := inDatabase(db); len(got) != 120 {
						t.Errorf("%d blocks are in the database, want all 120", len(got))
					}
					must(t, tt.say(t.Context(), s))
				}
				got := inDatabase(db)
				if tt.last == 60 { // It may have been found late.
					must(t, s.Append(t.Context(), blocks[120]))
					if got = inDatabase(db); len(got) != 61 {
						t.Errorf("%d blocks are in the database, want 61", len(got))
					}
					must(t, s.Truncate(t.Context(), 121))
					got = inDatabase(db)
				}
				if len(got) != 120-tt.last || len(got) > 0 && got[0] != ssz.Slot(tt.last+1) {
					t.Errorf("said first: %t: blocks %d are in the database, want those after slot %d", first, got, tt.last)
				}
				for _, s := range []*store.Store{s, open(t, db)} {
					checkServed(t, s, blocks[:120])
					checkVerified(t, s, blocks[:120])
				}
			}
		})
	}
}

// refsOf returns the refs of a range as they are yielded, with their handles.
func refsOf(tb testing.TB, s *store.Store, start ssz.Slot, count uint64) (refs []beacon.Ref) {
	tb.Helper()
	for ref, err := range s.BlocksByRange(tb.Context(), start, count) {
		must(tb, err)
		refs = append(refs, ref)
	}
	return refs
}

func TestRefsStayGoodWhereverTheirBlocksMove(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	db := memorydb.New()
	s := openWith(t, db, blocks...)
	refs := refsOf(t, s, 1, 142)
	must(t, s.SetAnchor(t.Context(), everything))
	if got := inDatabase(db); len(got) != 0 {
		t.Fatalf("blocks %d are in the database", got)
	}
	check := func(step string, want func(slot ssz.Slot) error) {
		t.Helper()
		for i, ref := range refs {
			frames, err := s.AppendFrames(t.Context(), ref, nil)
			if !errors.Is(err, want(ref.Slot)) || err == nil && !slices.Equal(frames, blocks[i].Frames) {
				t.Errorf("%s: slot %d: %v, want %v", step, ref.Slot, err, want(ref.Slot))
			}
		}
	}
	good := func(ssz.Slot) error { return nil }
	check("moved", good)
	refs = refsOf(t, s, 1, 142)
	must(t, s.Truncate(t.Context(), 100))
	check("cut", func(slot ssz.Slot) error {
		if slot < 100 {
			return nil
		}
		return store.ErrDiscarded
	})
	must(t, s.Truncate(t.Context(), 50))
	must(t, s.Append(t.Context(), blocks[49:]...))
	check("appended again", good)
	must(t, s.Truncate(t.Context(), 0))
	must(t, s.Append(t.Context(), blocks[30:]...))
	check("appended again, elsewhere", func(slot ssz.Slot) error {
		if slot > 30 {
			return nil
		}
		return store.ErrDiscarded
	})
}

// Whole files are removed as their blocks are discarded, and the head's file is cut.
func TestDiscardingRemovesFiles(t *testing.T) {
	t.Parallel()
	blocks := syntheticBlocks(20, 2000, slotsUntil(300)...)
	for _, kept := range [][2]ssz.Slot{{1, 300}, {1, 256}, {1, 255}, {64, 300}, {65, 257}, {128, 128}, {100, 110}, {1, 1}} {
		db := &settledDB{memorydb.New()}
		s := withMinimal(t, db)
		must(t, s.SetAnchor(t.Context(), everything))
		for batch := range slices.Chunk(blocks, 50) {
			must(t, s.Append(t.Context(), batch...))
		}
		if got := segmentFiles(t, db); len(got) != 5 {
			t.Fatalf("files %v, want 5", got)
		}
		must(t, s.Prune(t.Context(), kept[0]))
		must(t, s.Truncate(t.Context(), kept[1]+1))
		files := segmentFiles(t, db)
		if want := int(kept[1]/64 - kept[0]/64 + 1); len(files) != want {
			t.Errorf("slots %d: files %v, want %d", kept, files, want)
		}
		for _, s := range []*store.Store{s, open(t, db)} {
			checkServed(t, s, blocks[kept[0]-1:kept[1]])
		}
		must(t, s.Append(t.Context(), blocks[kept[1]:]...))
		checkServed(t, s, blocks[kept[0]-1:])
		if kept[0] == 1 {
			whole := withMinimalBlocks(t, blocks)
			for name, size := range segmentFiles(t, db) {
				if want := segmentFiles(t, whole)[name]; size != want {
					t.Errorf("slots %d: %s has %d bytes after all was appended again, want %d", kept, name, size, want)
				}
			}
		}
		must(t, s.Truncate(t.Context(), 0))
		if files := segmentFiles(t, db); len(files) != 0 {
			t.Errorf("files %v of an empty store", files)
		}
	}
}

// withMinimalBlocks returns a database whose blocks are in segment files.
func withMinimalBlocks(tb testing.TB, blocks []*beacon.Block) ethdb.KeyValueStore {
	tb.Helper()
	db := &settledDB{memorydb.New()}
	s := withMinimal(tb, db)
	must(tb, s.SetAnchor(tb.Context(), everything))
	must(tb, s.Append(tb.Context(), blocks...))
	return db
}

// An append that fails after its segment file was written leaves nothing behind that counts.
func TestWhatTheIndexDoesNotKnowIsOverwritten(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk is broken")
	blocks := realBlocks()
	db := &hookedDB{KeyValueStore: memorydb.New()}
	s := openWith(t, db)
	must(t, s.SetAnchor(t.Context(), everything))
	must(t, s.Append(t.Context(), blocks[:20]...))
	size := segmentFiles(t, db)["blocks-00000000.e2s"]
	db.onWrite = func() error { return broken }
	if err := s.Append(t.Context(), blocks[20:60]...); !errors.Is(err, broken) {
		t.Fatalf("error %v, want %v", err, broken)
	}
	db.onWrite = nil
	if got := segmentFiles(t, db)["blocks-00000000.e2s"]; got <= size {
		t.Fatalf("the file has %d bytes, want more than %d", got, size)
	}
	s = open(t, db)
	checkServed(t, s, blocks[:20])
	must(t, s.Append(t.Context(), blocks[20:]...))
	checkServed(t, open(t, db), blocks)
	fresh := &settledDB{memorydb.New()}
	openWith(t, fresh, blocks...)
	if got, want := segmentFiles(t, db)["blocks-00000000.e2s"], segmentFiles(t, fresh)["blocks-00000000.e2s"]; got != want {
		t.Errorf("the file has %d bytes, want %d", got, want)
	}
}

// A segment file that cannot be written costs nothing but the call.
func TestASegmentFileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	db := &settledDB{memorydb.New()}
	s := openWith(t, db)
	dir := dirOf(t, db)
	must(t, os.WriteFile(dir, nil, 0o600)) // not a directory
	if err := s.Append(t.Context(), blocks...); err == nil || errors.Is(err, store.ErrFailed) {
		t.Fatalf("error %v, want that of the file", err)
	}
	if _, _, ok := s.Head(); ok {
		t.Error("there is a head")
	}
	must(t, os.Remove(dir))
	must(t, s.Append(t.Context(), blocks...))
	checkServed(t, s, blocks)
}

// What is left of a file that was cut from outside is served, and later blocks go to a supplementary file.
func TestAShortFileIsSupplemented(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	db := &settledDB{memorydb.New()}
	s := openWith(t, db, blocks[:100]...)
	must(t, os.Truncate(blocksFile(t, db), segmentFiles(t, db)["blocks-00000000.e2s"]-10))
	must(t, s.Append(t.Context(), blocks[100:]...))
	checkVerified(t, s, blocks, 100)
	if files := segmentFiles(t, db); files["blocks-00000000-1.e2s"] == 0 {
		t.Errorf("files %v", files)
	}
	must(t, s.Truncate(t.Context(), 100))
	must(t, s.Append(t.Context(), blocks[99:]...))
	checkVerified(t, open(t, db), blocks)
	checkServed(t, s, blocks)
}

func TestDamagedFramesStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	db := memorydb.New()
	s := openWith(t, db, blocks...)
	damage(t, db, slotKey("f", 7), damages["middle bit"])
	damage(t, db, slotKey("f", 142), damages["middle bit"])
	damage(t, db, slotKey("r", 9), damages["middle bit"])
	must(t, s.SetAnchor(t.Context(), everything))
	if got := inDatabase(db); !slices.Equal(got, []ssz.Slot{7, 9, 142}) {
		t.Errorf("blocks %d are in the database, want 7, 9 and 142", got)
	}
	checkVerified(t, s, blocks, 7, 9, 142)
	must(t, s.Append(t.Context()))
	must(t, s.Truncate(t.Context(), 7))
	must(t, s.Append(t.Context(), blocks[6:]...))
	checkVerified(t, s, blocks)
}

// The store closes its segment files, and reads none after.
func TestClose(t *testing.T) {
	t.Parallel()
	db := &settledDB{memorydb.New()}
	s := openWith(t, db, realBlocks()...)
	must(t, checkFrames(s, realBlocks()[0]))
	must(t, s.Close())
	if err := checkFrames(s, realBlocks()[0]); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v, want %v", err, os.ErrClosed)
	}
	if _, err := os.Stat(filepath.Join(dirOf(t, db), "blocks-00000000.e2s")); err != nil {
		t.Error(err)
	}
}
