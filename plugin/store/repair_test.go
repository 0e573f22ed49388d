package store_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// repairable returns a database that holds the chain of beacontest.FuluBlocks, which needs four segment files, all but
// the last blocks in them.
func repairable(tb testing.TB) (*hookedDB, []*beacon.Block) {
	tb.Helper()
	blocks := beacontest.FuluBlocks()
	db := &hookedDB{KeyValueStore: memorydb.New()}
	s := open(tb, db)
	must(tb, s.SetNetwork(tb.Context(), fuluNetwork()))
	must(tb, s.SetAnchor(tb.Context(), store.Anchor{Root: blocks[199].Root, Slot: blocks[199].Slot, Origin: store.Given}))
	for batch := range slices.Chunk(fuluSidecars(), 30) {
		must(tb, s.AppendSidecars(tb.Context(), batch...))
	}
	if files := segmentFiles(tb, db); len(files) < 4 {
		tb.Fatalf("files %v, want 4 with blocks", files)
	}
	return db, blocks
}

func TestRepairMendsADamagedIndex(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, db ethdb.KeyValueStore, b *beacon.Block){
		"records are damaged": func(t *testing.T, db ethdb.KeyValueStore, b *beacon.Block) {
			damage(t, db, slotKey("r", b.Slot), damages["middle bit"])
		},
		"records are missing": func(t *testing.T, db ethdb.KeyValueStore, b *beacon.Block) {
			damage(t, db, slotKey("r", b.Slot), damages["deleted"])
		},
		"records of sidecars are missing": func(t *testing.T, db ethdb.KeyValueStore, b *beacon.Block) {
			for kind := byte(1); kind <= 2; kind++ {
				must(t, db.Delete(append([]byte{'k', kind}, slotKey("", b.Slot)...)))
			}
		},
		"roots are missing": func(t *testing.T, db ethdb.KeyValueStore, b *beacon.Block) {
			damage(t, db, indexKey(b.Root), damages["deleted"])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, blocks := repairable(t)
			for _, b := range blocks[10:190] {
				spoil(t, db, b)
			}
			s := open(t, db)
			found, err := s.Repair(t.Context(), nil, nil)
			if err != nil || found != 200 {
				t.Errorf("%d blocks were found, %v, want 200", found, err)
			}
			for _, s := range []*store.Store{s, open(t, db)} {
				checkServed(t, s, blocks)
				checkFuluSidecars(t, s, beacontest.FuluHead)
			}
			must(t, s.Truncate(t.Context(), blocks[202].Slot))
			must(t, s.Append(t.Context(), blocks[202:]...))
			checkVerified(t, open(t, db), blocks)
		})
	}
}

// A store whose database is lost refuses writers until it is repaired, and then has all that was in segment files.
func TestRepairMakesALostIndexAnew(t *testing.T) {
	t.Parallel()
	old, blocks := repairable(t)
	db := &hookedDB{KeyValueStore: memorydb.New()}
	dirs.Store(ethdb.KeyValueStore(db), dirOf(t, old))
	network := fuluNetwork()
	s := open(t, db)
	for name, err := range map[string]error{
		"SetNetwork": s.SetNetwork(t.Context(), network),
		"Append":     s.Append(t.Context(), blocks[0]),
		"Truncate":   s.Truncate(t.Context(), 0),
		"SetSource":  s.SetSource(t.Context(), beacon.Status{}),
	} {
		if !errors.Is(err, store.ErrIndexLost) || !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: error %v, want %v", name, err, store.ErrIndexLost)
		}
	}
	if _, err := s.UseNetwork(t.Context(), nil, beacontest.FuluNetwork().GenesisTime()); !errors.Is(err, store.ErrIndexLost) {
		t.Errorf("UseNetwork: error %v, want %v", err, store.ErrIndexLost)
	}
	if _, err := s.Repair(t.Context(), nil, nil); !errors.Is(err, store.ErrNoNetwork) {
		t.Errorf("without a network: error %v, want %v", err, store.ErrNoNetwork)
	}
	// It may be interrupted, which leaves it as it was.
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Repair(ctx, &network, func(int, int) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	for _, s := range []*store.Store{s, open(t, db)} {
		if err := s.Append(t.Context(), blocks[0]); !errors.Is(err, store.ErrIndexLost) {
			t.Errorf("half repaired: error %v, want %v", err, store.ErrIndexLost)
		}
	}
	var periods [][2]int
	found, err := open(t, db).Repair(t.Context(), &network, func(done, all int) { periods = append(periods, [2]int{done, all}) })
	if want := [][2]int{{1, 4}, {2, 4}, {3, 4}, {4, 4}}; err != nil || found != 200 || !slices.Equal(periods, want) {
		t.Errorf("%d blocks were found, %v, want 200, by periods %v", found, err, periods)
	}
	s = open(t, db)
	checkServed(t, s, blocks[:200])
	checkVerified(t, s, blocks[:200])
	checkFuluSidecars(t, s, blocks[199].Slot)
	must(t, s.SetAnchor(t.Context(), everything))
	must(t, s.AppendSidecars(t.Context(), fuluSidecars()[200:]...))
	checkServed(t, open(t, db), blocks)
	checkFuluSidecars(t, open(t, db), beacontest.FuluHead)
}

// Damaged frames cost their block. The rest is found, on both sides of the gap.
func TestRepairKeepsWhatIsSound(t *testing.T) {
	t.Parallel()
	old, blocks := repairable(t)
	dir := dirOf(t, old)
	content, err := os.ReadFile(blocksFile(t, old))
	must(t, err)
	content[len(content)/2] ^= 1
	must(t, os.WriteFile(blocksFile(t, old), append(content, 1, 0, 99), 0o600)) // and a record that was cut
	db := memorydb.New()
	dirs.Store(ethdb.KeyValueStore(db), dir)
	s, network := open(t, db), fuluNetwork()
	found, err := s.Repair(t.Context(), &network, nil)
	if err != nil || found != 199 {
		t.Errorf("%d blocks were found, %v, want 199", found, err)
	}
	served := 0
	for _, b := range blocks[:200] {
		if checkFrames(s, b) == nil {
			served++
		}
	}
	if _, corrupt := verified(t, s); served != 199 || len(corrupt) != 1 {
		t.Errorf("%d blocks are served, want 199, and %d are corrupt", served, len(corrupt))
	}
}

// What belongs to blocks is found again as well, whether the index is damaged or lost.
func TestRepairFindsSidecars(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, db ethdb.KeyValueStore) ethdb.KeyValueStore{
		"records are missing": func(t *testing.T, db ethdb.KeyValueStore) ethdb.KeyValueStore {
			must(t, db.DeleteRange([]byte("k\x02"), []byte("k\x03")))
			return db
		},
		"records are damaged": func(t *testing.T, db ethdb.KeyValueStore) ethdb.KeyValueStore {
			for _, slot := range []ssz.Slot{87, 99, 112} {
				damage(t, db, slotKey("k\x02", slot), damages["middle bit"])
			}
			return db
		},
		"the index is lost": func(t *testing.T, db ethdb.KeyValueStore) ethdb.KeyValueStore {
			fresh := memorydb.New()
			dirs.Store(ethdb.KeyValueStore(fresh), dirOf(t, db))
			return fresh
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := ethdb.KeyValueStore(&settledDB{memorydb.New()})
			s := openFulu(t, db)
			must(t, s.AppendSidecars(t.Context(), fuluSidecars()...))
			must(t, s.Close())
			db = spoil(t, db)
			s = open(t, db)
			network := fuluNetwork()
			if _, err := s.Repair(t.Context(), &network, nil); err != nil {
				t.Fatal(err)
			}
			checkFuluSidecars(t, s, beacontest.FuluHead)
			checkFuluSidecars(t, open(t, db), beacontest.FuluHead)
			// It can be written to.
			must(t, s.Truncate(t.Context(), 150))
			must(t, s.SetAnchor(t.Context(), everything))
			must(t, s.AppendSidecars(t.Context(), fuluSidecars()...))
			checkFuluSidecars(t, open(t, db), beacontest.FuluHead)
		})
	}
}

// An older copy of the database, restored beside the segment files of now, costs none of what they hold.
func TestAnOlderDatabaseLeavesFilesAsTheyAre(t *testing.T) {
	t.Parallel()
	blocks := beacontest.FuluBlocks()
	for name, final := range map[string]ssz.Slot{"without the files": 0, "with fewer files": blocks[39].Slot} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, old := memorydb.New(), memorydb.New()
			s := open(t, db)
			must(t, s.SetNetwork(t.Context(), fuluNetwork()))
			s.SetFinal(final)
			must(t, s.Append(t.Context(), blocks[:120]...))
			it := db.NewIterator(nil, nil)
			defer it.Release()
			for it.Next() {
				must(t, old.Put(slices.Clone(it.Key()), slices.Clone(it.Value())))
			}
			must(t, s.SetAnchor(t.Context(), everything))
			must(t, s.Append(t.Context(), blocks[120:]...))
			must(t, s.Close())
			files := segmentFiles(t, db)
			dirs.Store(ethdb.KeyValueStore(old), dirOf(t, db))
			s = open(t, old)
			must(t, s.SetAnchor(t.Context(), everything))
			must(t, s.Append(t.Context(), blocks[120:]...))
			must(t, s.Truncate(t.Context(), blocks[130].Slot))
			must(t, s.Append(t.Context(), blocks[130:]...))
			checkServed(t, open(t, old), blocks)
			now := segmentFiles(t, old)
			for name, size := range files {
				if name != "blocks-00000000.e2s" || final == 0 { // It was in the copy.
					if now[name] != size {
						t.Errorf("%s has %d bytes now, of %d", name, now[name], size)
					}
				}
			}
		})
	}
}
