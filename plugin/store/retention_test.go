package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestRetentionIsText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]store.Retention{"all": store.RetainAll, "spec": store.RetainSpec, "1": 1, "82125": 82125} {
		var r store.Retention
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want || r.String() != text {
			t.Errorf("%q is %d, %v, want %d", text, r, err, want)
		}
		if again, err := r.MarshalText(); err != nil || string(again) != text {
			t.Errorf("%q is written %q, %v", text, again, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "none", "1.5", "99999999999999999999"} {
		r := store.RetainSpec
		err := r.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "want all, spec, or a number of epochs") || r != store.RetainSpec {
			t.Errorf("%q: %v, error %v", text, r, err)
		}
	}
}

// The chain ends in epoch 26, of 8 slots each, and a file has 64 slots.
func TestBlocksAreRetained(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		keep     store.Retention
		earliest ssz.Slot
	}{{store.RetainAll, 0}, {store.RetainSpec, 0}, {1000, 0}, {19, 0}, {18, 64}, {11, 64}, {10, 128}, {3, 128}, {2, 192}, {1, 192}} {
		db := &settledDB{memorydb.New()}
		s, all := openFulu(t, db), fuluSidecars()
		must(t, s.AppendSidecars(t.Context(), all...))
		must(t, s.Retain(t.Context(), beacon.KindBlock, tt.keep))
		status, err := s.Status(t.Context())
		must(t, err)
		if status.EarliestAvailableSlot != tt.earliest {
			t.Errorf("%v epochs: earliest slot %d, want %d", tt.keep, status.EarliestAvailableSlot, tt.earliest)
		}
		for name := range segmentFiles(t, db) {
			if period := name[strings.Index(name, "-")+8]; ssz.Slot(period-'0')*64 < tt.earliest {
				t.Errorf("%v epochs: %s is left", tt.keep, name)
			}
		}
		first := slices.IndexFunc(all, func(of beacon.Sidecars) bool { return of.Block.Slot >= tt.earliest })
		checkServed(t, s, blocksOf(all[first:]))
	}
}

func TestSidecarsAreRetainedForATimeOfTheirOwn(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s, all := openFulu(t, db), fuluSidecars()
		must(t, s.AppendSidecars(t.Context(), all...))
		columns := func(start ssz.Slot) (refs []beacon.Ref) {
			t.Helper()
			refs, err := collectRefs(s.Sources().Columns.DataColumnSidecarsByRange(t.Context(), start, 200, []uint64{0, 1, 2, 3}))
			must(t, err)
			return refs
		}
		before := columns(64)
		must(t, s.Retain(t.Context(), beacon.KindDataColumnSidecar, store.RetainSpec))
		if got := columns(64); len(got) != len(before) {
			t.Errorf("%d columns after nothing was discarded, want %d", len(got), len(before))
		}
		must(t, s.Retain(t.Context(), beacon.KindDataColumnSidecar, 10))
		must(t, s.Retain(t.Context(), beacon.KindDataColumnSidecar, 10))
		kept := slices.DeleteFunc(slices.Clone(before), func(r beacon.Ref) bool { return r.Slot < 128 })
		if got := columns(128); len(got) != len(kept) || len(kept) == 0 || len(kept) == len(before) {
			t.Errorf("%d columns are kept, want %d of %d", len(got), len(kept), len(before))
		}
		if earliest, err := s.Sources().Earliest(t.Context(), beacon.KindDataColumnSidecar); err != nil || earliest <= 64 || earliest > 128 {
			t.Errorf("earliest slot of columns %d, %v, want 65 to 128", earliest, err)
		}
		for _, ref := range before {
			_, err := s.AppendFrames(t.Context(), ref, nil)
			if ref.Slot < 128 && !errors.Is(err, beacon.ErrDiscarded) || ref.Slot >= 128 && err != nil {
				t.Errorf("column %d of slot %d: %v", ref.Index, ref.Slot, err)
			}
		}
		if files := segmentFiles(t, db); files["data_column_sidecars-00000001.e2s"] != 0 || files["blocks-00000001.e2s"] == 0 {
			t.Errorf("files %v", files)
		}
		checkServed(t, s, blocksOf(all))
		checkVerified(t, s, blocksOf(all))
		s = open(t, db)
		for _, ref := range before {
			if _, err := s.AppendFrames(t.Context(), ref, nil); ref.Slot < 128 && !errors.Is(err, beacon.ErrDiscarded) {
				t.Errorf("opened again: column %d of slot %d: %v", ref.Index, ref.Slot, err)
			}
		}
		// They may come back.
		must(t, s.AppendSidecars(t.Context(), all...))
		checkFuluSidecars(t, s, beacontest.FuluHead)
		must(t, s.Retain(t.Context(), beacon.KindDataColumnSidecar, 10))
		must(t, s.Truncate(t.Context(), 70))
		must(t, s.AppendSidecars(t.Context(), all...))
		checkFuluSidecars(t, s, beacontest.FuluHead)
	})
}

func TestRetainNeedsANetwork(t *testing.T) {
	t.Parallel()
	if err := open(t, memorydb.New()).Retain(t.Context(), beacon.KindBlock, 1); !errors.Is(err, store.ErrNoNetwork) {
		t.Errorf("error %v, want %v", err, store.ErrNoNetwork)
	}
}

func blocksOf(all []beacon.Sidecars) (blocks []*beacon.Block) {
	for _, of := range all {
		blocks = append(blocks, of.Block)
	}
	return blocks
}
