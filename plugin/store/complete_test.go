package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A countingDB counts the iterators that are made, and calls onRead for each.
type countingDB struct {
	ethdb.KeyValueStore
	iterators int
	onRead    func()
}

func (db *countingDB) NewIterator(prefix, start []byte) ethdb.Iterator {
	db.iterators++
	if db.onRead != nil {
		db.onRead()
	}
	return db.KeyValueStore.NewIterator(prefix, start)
}

// The slots of a longChain.
const (
	longFirst ssz.Slot = 100
	longHead           = longFirst + 20_000
)

func longRoot(slot ssz.Slot) ssz.Root {
	return ssz.Root(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(slot)))
}

func columnKey(slot ssz.Slot) []byte {
	return append([]byte{'k', byte(beacon.KindDataColumnSidecar)}, slotKey("", slot)...)
}

// columnValue is the record of a block of which one column is held.
func columnValue(slot ssz.Slot, root ssz.Root) []byte {
	v := append(binary.BigEndian.AppendUint64(nil, uint64(slot)), root[:]...)
	return sealed(append(v, make([]byte, 2+4+4+4+2+8)...))
}

// longChain opens a store whose index says that it holds a block with blobs in each slot, and a column of each.
func longChain(tb testing.TB) (*store.Store, *countingDB) {
	tb.Helper()
	db := &countingDB{KeyValueStore: openPebble(tb, tb.TempDir())}
	tb.Cleanup(func() { _ = db.Close() })
	s := openFulu(tb, db)
	must(tb, s.Append(tb.Context(), beacontest.FuluBlocks()[0]))
	must(tb, s.Close())
	batch := db.NewBatch()
	for slot := longFirst; slot <= longHead; slot++ {
		root, parent := longRoot(slot), longRoot(slot-1)
		v := append(binary.BigEndian.AppendUint64(nil, uint64(slot)), root[:]...)
		v = append(append(v, parent[:]...), make([]byte, 4+4+4+2+8)...)
		v = append(binary.BigEndian.AppendUint32(v, 1), make([]byte, 64)...) // one blob
		must(tb, batch.Put(slotKey("r", slot), sealed(v)))
		must(tb, batch.Put(columnKey(slot), columnValue(slot, root)))
	}
	c := sealed(fmt.Appendf(nil, `{"head":{"slot":%d,"root":%q},"earliest":%d,"first":%[3]d,"history":%[1]d}`,
		longHead, longRoot(longHead), longFirst))
	must(tb, batch.Put([]byte("c"), c))
	must(tb, batch.Put([]byte("zc"), c))
	must(tb, batch.Write())
	return open(tb, db), db
}

// earliestColumns returns the earliest slot that the store tells for columns, and how many iterators that has taken.
func earliestColumns(t *testing.T, s *store.Store, db *countingDB) (slot ssz.Slot, iterators int) {
	t.Helper()
	before := db.iterators
	slot, err := s.Sources().Earliest(t.Context(), beacon.KindDataColumnSidecar)
	must(t, err)
	return slot, db.iterators - before
}

// A long look is made in steps, of which none is made twice: after the end of a context, after blocks were pruned,
// nor after one whose columns came late.
func TestEarliestSlotIsLookedForInSteps(t *testing.T) {
	t.Parallel()
	s, db := longChain(t)
	const few = 20 // iterators
	var all, most int
	var answers []ssz.Slot
	for len(answers) == 0 || answers[len(answers)-1] > longFirst {
		slot, iterators := earliestColumns(t, s, db)
		if n := len(answers); n > 0 && slot >= answers[n-1] {
			t.Fatalf("earliest slots %d, then %d", answers, slot)
		}
		answers, all, most = append(answers, slot), all+iterators, max(most, iterators)
	}
	if len(answers) < 3 || most > all/2 {
		t.Errorf("earliest slots %d, the longest look takes %d of %d iterators", answers, most, all)
	}
	if slot, n := earliestColumns(t, s, db); slot != longFirst || n > few {
		t.Errorf("asked again: slot %d, %d iterators", slot, n)
	}

	// Another custody is looked for anew.
	s.SetCustody([]uint64{0})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := db.iterators
	db.onRead = func() {
		if db.iterators == before+all/3 {
			cancel()
		}
	}
	for err := error(nil); err == nil; {
		_, err = s.Sources().Earliest(ctx, beacon.KindDataColumnSidecar)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	for slot := longHead; slot > longFirst; {
		slot, _ = earliestColumns(t, s, db)
	}
	if n := db.iterators - before; n > all+few {
		t.Errorf("a look that was interrupted takes %d iterators, want %d", n, all)
	}

	must(t, s.Prune(t.Context(), longFirst+3000))
	if slot, n := earliestColumns(t, s, db); slot != longFirst+3000 || n > few {
		t.Errorf("after pruning: slot %d, %d iterators", slot, n)
	}

	late := *beacontest.FuluBlocks()[slices.IndexFunc(fuluSidecars(), func(s beacon.Sidecars) bool { return len(s.Columns) > 0 })]
	late.Slot, late.Root, late.ParentRoot = longHead+1, longRoot(longHead+1), longRoot(longHead)
	late.SSZ, late.Frames = slices.Clone(late.SSZ), nil
	const slotAt = 4 + 96
	binary.LittleEndian.PutUint64(late.SSZ[slotAt:], uint64(late.Slot))
	copy(late.SSZ[slotAt+16:], late.ParentRoot[:])
	must(t, s.Append(t.Context(), &late))
	if slot, n := earliestColumns(t, s, db); slot != longHead+2 || n > few {
		t.Errorf("with a block without columns: slot %d, %d iterators", slot, n)
	}
	must(t, db.Put(columnKey(late.Slot), columnValue(late.Slot, late.Root)))
	if slot, n := earliestColumns(t, s, db); slot != longFirst+3000 || n > few {
		t.Errorf("with its columns: slot %d, %d iterators", slot, n)
	}
}

// A range of columns that are not held must not have all of the index looked through.
func TestRangesOfColumnsThatAreNotHeldAreBounded(t *testing.T) {
	t.Parallel()
	s, db := longChain(t)
	before := db.iterators
	refs, err := collectRefs(s.Sources().Columns.DataColumnSidecarsByRange(t.Context(), longFirst, 1<<40, []uint64{5}))
	if n := db.iterators - before; len(refs) > 0 || !errors.Is(err, beacon.ErrUnavailable) || n > 20 {
		t.Errorf("%d columns, %v, %d iterators, want ErrUnavailable soon", len(refs), err, n)
	}
	refs, err = collectRefs(s.Sources().Columns.DataColumnSidecarsByRange(t.Context(), longFirst, 1000, []uint64{0, 5}))
	if err != nil || len(refs) != 1000 {
		t.Errorf("%d columns that are held, %v, want 1000", len(refs), err)
	}
}

func TestEarliestSlotStaysWhereSomethingIsMissing(t *testing.T) {
	t.Parallel()
	const missing = 7*beacontest.SlotsPerEpoch + 3 // of Gloas, where the next block tells what there is
	all := sidecarsOf(t, beacontest.New())
	for i := range all {
		if all[i].Block.Slot == missing {
			all[i].Columns, all[i].Envelope = nil, nil
		}
	}
	s := openMadeUp(t, memorydb.New())
	must(t, s.AppendSidecars(t.Context(), all...))
	for range 3 {
		for _, kind := range []beacon.Kind{beacon.KindDataColumnSidecar, beacon.KindExecutionPayloadEnvelope} {
			if slot, err := s.Sources().Earliest(t.Context(), kind); err != nil || slot != missing+1 {
				t.Errorf("%ss from slot %d, %v, want %d", kind, slot, err, missing+1)
			}
		}
	}
}

// Peers ask for the earliest slots at once, while sidecars are appended and discarded.
func TestEarliestSlotsAreAskedForAtOnce(t *testing.T) {
	t.Parallel()
	db := memorydb.New()
	s := openFulu(t, db)
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for ctx.Err() == nil {
				for _, kind := range []beacon.Kind{beacon.KindBlobSidecar, beacon.KindDataColumnSidecar} {
					if _, err := s.Sources().Earliest(ctx, kind); err != nil && ctx.Err() == nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for sidecars := range slices.Chunk(fuluSidecars(), 40) {
		must(t, s.AppendSidecars(t.Context(), sidecars...))
		s.SetCustody([]uint64{1, 2, 3})
		for _, kind := range []beacon.Kind{beacon.KindBlobSidecar, beacon.KindDataColumnSidecar} {
			must(t, s.Retain(t.Context(), kind, 8))
		}
	}
	stop()
	asking.Wait()
}
