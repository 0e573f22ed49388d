package store_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// perBlock returns how many entries a block has in a database.
func perBlock(db ethdb.KeyValueStore) int {
	if _, ok := db.(*settledDB); ok {
		return 2
	}
	return 3
}

// entries counts the entries of blocks in a database.
func entries(db ethdb.KeyValueStore) (n int) {
	for _, prefix := range []string{"r", "f", "i"} {
		it := db.NewIterator([]byte(prefix), nil)
		for it.Next() {
			n++
		}
		it.Release()
	}
	return n
}

// sparseBlocks returns blocks with slots that need several batches to discard.
func sparseBlocks() []*beacon.Block {
	slots := []ssz.Slot{10, 11, 500, 2000}
	for slot := ssz.Slot(5000); slot < 7500; slot += 10 {
		slots = append(slots, slot)
	}
	return syntheticBlocks(6, 200, append(slots, 20_000, 20_001)...)
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	blocks := sparseBlocks()
	for _, from := range []ssz.Slot{11, 12, 1500, 5000, 5001, 6000, 7490, 7491, 20_000, 20_001, 20_002, 1 << 63} {
		t.Run(formatCount(uint64(from)), func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
				s := openWith(t, db, blocks...)
				must(t, s.Truncate(t.Context(), from))
				kept, _ := slices.BinarySearchFunc(blocks, from, func(b *beacon.Block, slot ssz.Slot) int {
					return int(int64(b.Slot) - int64(slot))
				})
				checkServed(t, s, blocks[:kept])
				checkServed(t, open(t, db), blocks[:kept])
				if got, want := entries(db), perBlock(db)*kept; got != want {
					t.Errorf("%d entries are left, want %d", got, want)
				}
				if kept < len(blocks) {
					gone := blocks[kept]
					if refs, err := byRoot(s, gone.Root); err != nil || len(refs) != 0 {
						t.Errorf("a discarded block is served: %v, %v", refs, err)
					}
					if err := checkFrames(s, gone); !errors.Is(err, store.ErrDiscarded) {
						t.Errorf("error %v, want %v", err, store.ErrDiscarded)
					}
				}
				must(t, s.Append(t.Context(), blocks[kept:]...))
				checkServed(t, s, blocks)
			})
		})
	}
}

func TestTruncateGivesWayToAnotherBranch(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		blocks := syntheticBlocks(7, 300, slotsUntil(40)...)
		s := openWith(t, db, blocks...)
		must(t, s.Truncate(t.Context(), 0))
		branch := syntheticBlocks(8, 300, 2, 3, 30)
		must(t, s.Append(t.Context(), branch...))
		checkServed(t, s, branch)
		if err := checkFrames(s, blocks[1]); !errors.Is(err, store.ErrDiscarded) {
			t.Errorf("block replaced: error %v, want %v", err, store.ErrDiscarded)
		}
		if got, want := entries(db), 3*perBlock(db); got != want {
			t.Errorf("%d entries, want %d", got, want)
		}
	})
}

func TestPrune(t *testing.T) {
	t.Parallel()
	blocks := sparseBlocks()
	for _, before := range []ssz.Slot{0, 10, 11, 12, 1500, 5000, 5001, 6000, 7500, 20_000, 20_001, 20_002, 1 << 63} {
		t.Run(formatCount(uint64(before)), func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
				s := openWith(t, db, blocks...)
				must(t, s.Prune(t.Context(), before))
				earliest := min(max(before, 10), 20_001)
				kept := slices.DeleteFunc(slices.Clone(blocks), func(b *beacon.Block) bool { return b.Slot < earliest })
				for _, s := range []*store.Store{s, open(t, db)} {
					checkServed(t, s, kept)
					if got := s.Info().Earliest; got != earliest {
						t.Errorf("earliest slot %d, want %d", got, earliest)
					}
					refs, err := byRange(s, earliest, 1<<20)
					must(t, err)
					checkRefs(t, refs, kept)
					if _, err := byRange(s, earliest-1, 100); !errors.Is(err, beacon.ErrUnavailable) {
						t.Errorf("below: error %v, want %v", err, beacon.ErrUnavailable)
					}
				}
				if got, want := entries(db), perBlock(db)*len(kept); got != want {
					t.Errorf("%d entries are left, want %d", got, want)
				}
				if earliest > 10 {
					if err := checkFrames(s, blocks[0]); !errors.Is(err, store.ErrDiscarded) {
						t.Errorf("error %v, want %v", err, store.ErrDiscarded)
					}
					if err := s.Append(t.Context(), blocks[0]); !errors.Is(err, store.ErrOrder) {
						t.Errorf("append below the earliest slot: error %v, want %v", err, store.ErrOrder)
					}
				}
			})
		})
	}
}

// TestDiscardingIsConsistentAfterEachBatch stops discarding at every batch, as a kill would, and
// opens what is left.
func TestDiscardingIsConsistentAfterEachBatch(t *testing.T) {
	t.Parallel()
	blocks := sparseBlocks()
	stop := errors.New("stop")
	tests := map[string]func(s *store.Store) error{
		"truncate": func(s *store.Store) error { return s.Truncate(context.Background(), 11) },
		"prune":    func(s *store.Store) error { return s.Prune(context.Background(), 20_001) },
	}
	for name, discard := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for stopAt := 0; ; stopAt++ {
				db := &hookedDB{KeyValueStore: memorydb.New()}
				s := openWith(t, db, blocks...)
				writes := 0
				db.onWrite = func() error {
					if writes++; writes > stopAt {
						return stop
					}
					return nil
				}
				err := discard(s)
				db.onWrite = nil
				s = open(t, db)
				status, _ := s.Status(t.Context())
				kept := slices.DeleteFunc(slices.Clone(blocks), func(b *beacon.Block) bool {
					return b.Slot < status.EarliestAvailableSlot || b.Slot > status.HeadSlot
				})
				checkServed(t, s, kept)
				if got, want := entries(db), perBlock(db)*len(kept); got != want {
					t.Errorf("after %d batches, %d entries are left, want %d", stopAt, got, want)
				}
				if err == nil {
					if stopAt < 5 {
						t.Errorf("%d batches were enough for 20,000 slots", stopAt)
					}
					return
				}
				if !errors.Is(err, stop) {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestDiscardingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	blocks := sparseBlocks()
	tests := map[string]func(ctx context.Context, s *store.Store) error{
		"truncate": func(ctx context.Context, s *store.Store) error { return s.Truncate(ctx, 11) },
		"prune":    func(ctx context.Context, s *store.Store) error { return s.Prune(ctx, 20_001) },
	}
	for name, discard := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := &hookedDB{KeyValueStore: memorydb.New()}
			s := openWith(t, db, blocks...)
			ctx, cancel := context.WithCancel(t.Context())
			writes, synced := 0, false
			db.onWrite = func() error {
				if writes++; writes == 3 {
					cancel()
				}
				return nil
			}
			db.onSync = func() error { synced = true; return nil }
			if err := discard(ctx, s); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want %v", err, context.Canceled)
			}
			if writes != 3 || !synced {
				t.Errorf("%d writes, synced %t, want 3 and synced", writes, synced)
			}
			must(t, discard(t.Context(), s))
			if entries(db) != 3 {
				t.Errorf("%d entries are left, want 3", entries(db))
			}
		})
	}
}

func TestReadersLearnThatBlocksWereDiscarded(t *testing.T) {
	t.Parallel()
	tests := map[string]func(s *store.Store) error{
		"truncated": func(s *store.Store) error { return s.Truncate(context.Background(), 3) },
		"pruned":    func(s *store.Store) error { return s.Prune(context.Background(), 290) },
		"replaced": func(s *store.Store) error {
			other := syntheticBlocks(10, 300, slotsUntil(300)...)
			return errors.Join(s.Truncate(context.Background(), 0), s.Append(context.Background(), other...))
		},
	}
	for name, discard := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openWith(t, memorydb.New(), syntheticBlocks(9, 300, slotsUntil(300)...)...)
			var last error
			n := 0
			for _, err := range s.BlocksByRange(t.Context(), 1, 300) {
				if n++; n == 1 {
					must(t, discard(s))
				}
				last = err
			}
			if !errors.Is(last, store.ErrDiscarded) {
				t.Errorf("after %d pairs, error %v, want %v", n, last, store.ErrDiscarded)
			}
		})
	}
}

// The root of a block whose record is damaged or missing goes as well: nothing is left of what is discarded.
func TestNothingIsLeftOfDamagedBlocksThatAreDiscarded(t *testing.T) {
	t.Parallel()
	blocks := sparseBlocks()
	inRoot := func(value []byte) []byte {
		value[20] ^= 1
		return value
	}
	for name, tt := range map[string]struct {
		damaged []int // blocks
		change  func(value []byte) []byte
	}{
		"one record":          {[]int{7}, damages["middle bit"]},
		"some records":        {[]int{7, 8, 9}, damages["middle bit"]},
		"one root":            {[]int{7}, inRoot},
		"one is missing":      {[]int{7}, damages["deleted"]},
		"the first":           {[]int{0}, inRoot},
		"the last":            {[]int{len(blocks) - 1}, inRoot},
		"between two batches": {[]int{2, 3, 53, 54, 155, 156}, damages["middle bit"]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
				s := openWith(t, db, blocks...)
				for _, i := range tt.damaged {
					damage(t, db, slotKey("r", blocks[i].Slot), tt.change)
				}
				must(t, s.Truncate(t.Context(), 0))
				if n := entries(db); n > 0 {
					t.Errorf("%d entries are left by Truncate", n)
				}
				must(t, s.Append(t.Context(), blocks...))
				for _, i := range tt.damaged {
					damage(t, db, slotKey("r", blocks[i].Slot), tt.change)
				}
				must(t, s.Prune(t.Context(), 1<<40))
				if n, want := entries(db), perBlock(db); n > want && tt.damaged[0] != len(blocks)-1 {
					t.Errorf("%d entries are left by Prune, want %d", n, want)
				}
			})
		})
	}
}

// The index follows before files are cut or removed: it never says that there is more of a file than there is.
func TestFilesAreCutOnceTheIndexFollows(t *testing.T) {
	t.Parallel()
	for name, discard := range map[string]func(ctx context.Context, s *store.Store) error{
		"cut":     func(ctx context.Context, s *store.Store) error { return s.Truncate(ctx, 150) },
		"removed": func(ctx context.Context, s *store.Store) error { return s.Prune(ctx, 190) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := repairable(t)
			s, files := open(t, db), segmentFiles(t, db)
			changed := func() bool { return !maps.Equal(files, segmentFiles(t, db)) }
			early := false
			db.onSync = func() error {
				early = early || changed()
				return nil
			}
			must(t, discard(t.Context(), s))
			if early || !changed() {
				t.Errorf("files have changed before the index was synced: %t, and at last: %t", early, changed())
			}
		})
	}
}
