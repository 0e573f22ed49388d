package store_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestBlocksByRange(t *testing.T) {
	t.Parallel()
	slots := []ssz.Slot{10, 11, 12, 20, 21}
	for slot := ssz.Slot(100); slot < 400; slot++ {
		slots = append(slots, slot)
	}
	blocks := syntheticBlocks(5, 500, slots...)
	tests := map[string]struct {
		start       ssz.Slot
		count       uint64
		from, until ssz.Slot // the blocks expected have slots from, …, until-1
		err         error
	}{
		"everything":                       {10, 390, 10, 400, nil},
		"beyond the head":                  {390, 1000, 390, 400, nil},
		"only beyond the head":             {400, 10, 0, 0, nil},
		"the head":                         {399, 1, 399, 400, nil},
		"one":                              {11, 1, 11, 12, nil},
		"nothing":                          {11, 0, 0, 0, nil},
		"nothing below the earliest":       {1, 0, 0, 0, nil},
		"an empty slot":                    {15, 1, 0, 0, nil},
		"empty slots":                      {13, 7, 0, 0, nil},
		"empty slots, then a block":        {13, 8, 20, 21, nil},
		"a full read":                      {100, 64, 100, 164, nil},
		"one less than a full read":        {100, 63, 100, 163, nil},
		"one more than a full read":        {100, 65, 100, 165, nil},
		"two full reads":                   {100, 128, 100, 228, nil},
		"from the earliest":                {10, 1, 10, 11, nil},
		"below the earliest":               {9, 1, 0, 0, beacon.ErrUnavailable},
		"below the earliest, and above it": {9, 100, 0, 0, beacon.ErrUnavailable},
		"from zero":                        {0, math.MaxUint64, 0, 0, beacon.ErrUnavailable},
		"the most slots":                   {10, math.MaxUint64, 10, 400, nil},
		"overflow":                         {300, math.MaxUint64, 300, 400, nil},
		"the last slot of all":             {math.MaxUint64, 1, 0, 0, nil},
		"overflow beyond the head":         {math.MaxUint64, math.MaxUint64, 0, 0, nil},
	}
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s := openWith(t, db, blocks...)
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				var want []*beacon.Block
				for _, b := range blocks {
					if tt.from <= b.Slot && b.Slot < tt.until {
						want = append(want, b)
					}
				}
				refs, err := byRange(s, tt.start, tt.count)
				if !errors.Is(err, tt.err) {
					t.Fatalf("error %v, want %v", err, tt.err)
				}
				checkRefs(t, refs, want)
			})
		}
	})
}

func TestBlocksByRangeStopsWhenAsked(t *testing.T) {
	t.Parallel()
	s := openWith(t, memorydb.New(), realBlocks()...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []ssz.Slot
	for ref := range s.BlocksByRange(ctx, 1, 100) {
		if got = append(got, ref.Slot); len(got) == 3 {
			break
		}
	}
	if want := []ssz.Slot{1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("slots %d, want %d", got, want)
	}
	for ref, err := range s.BlocksByRange(ctx, 1, 100) {
		if err != nil {
			if ref != (beacon.Ref{}) || !errors.Is(err, context.Canceled) {
				t.Errorf("%+v, error %v, want none and %v", ref, err, context.Canceled)
			}
			return
		}
		cancel()
	}
	t.Error("the range did not end with the context")
}

func TestBlocksByRoot(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	unknown := ssz.Root{1, 2, 3}
	tests := map[string]struct {
		roots []ssz.Root
		want  []*beacon.Block
	}{
		"none":                 {nil, nil},
		"in the order of ask":  {[]ssz.Root{blocks[9].Root, blocks[2].Root}, []*beacon.Block{blocks[9], blocks[2]}},
		"unknown are left out": {[]ssz.Root{unknown, blocks[4].Root, {}, blocks[0].ParentRoot}, blocks[4:5]},
		"twice":                {[]ssz.Root{blocks[4].Root, blocks[4].Root}, []*beacon.Block{blocks[4], blocks[4]}},
	}
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s := openWith(t, db, blocks...)
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				refs, err := byRoot(s, tt.roots...)
				must(t, err)
				checkRefs(t, refs, tt.want)
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range s.BlocksByRoot(ctx, []ssz.Root{blocks[0].Root}) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want %v", err, context.Canceled)
			}
		}
	})
}

func TestEmptyStore(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s := open(t, db)
		if status, err := s.Status(t.Context()); err != nil || status != (beacon.Status{}) {
			t.Errorf("status %+v, %v, want none", status, err)
		}
		if slot, root, ok := s.Head(); ok {
			t.Errorf("head %d, %v, want none", slot, root)
		}
		if _, err := byRange(s, 0, 10); !errors.Is(err, beacon.ErrUnavailable) {
			t.Errorf("by range: error %v, want %v", err, beacon.ErrUnavailable)
		}
		if refs, err := byRoot(s, realBlocks()[0].Root); err != nil || len(refs) != 0 {
			t.Errorf("by root: %v, %v, want nothing", refs, err)
		}
		if _, err := s.AppendFrames(t.Context(), refOf(realBlocks()[0]), nil); !errors.Is(err, store.ErrDiscarded) {
			t.Errorf("frames: error %v, want %v", err, store.ErrDiscarded)
		}
		must(t, s.Truncate(t.Context(), 0))
		must(t, s.Prune(t.Context(), 10))
	})
}

func TestStatusClaimsTheFinalizedBlockOnlyIfItIsHeld(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		blocks := realBlocks()
		s := openWith(t, db, blocks[:63]...)
		must(t, s.SetSource(t.Context(), beacon.Status{
			ForkDigest:     ssz.ForkDigest{1},
			FinalizedRoot:  devchain.FinalizedRoot(),
			FinalizedEpoch: 2,
			HeadRoot:       ssz.Root{9},
			HeadSlot:       1000,
		}))
		expect := func(step string, want beacon.Status) {
			t.Helper()
			for _, s := range []*store.Store{s, open(t, db)} {
				if got, err := s.Status(t.Context()); err != nil || got != want {
					t.Errorf("%s: status %+v, %v, want %+v", step, got, err, want)
				}
			}
		}
		expect("below", beacon.Status{HeadRoot: blocks[62].Root, HeadSlot: 63})
		must(t, s.Append(t.Context(), blocks[63:]...))
		full := beacon.Status{
			FinalizedRoot: devchain.FinalizedRoot(), FinalizedEpoch: 2,
			HeadRoot: blocks[141].Root, HeadSlot: 142,
		}
		expect("above", full)
		full.EarliestAvailableSlot = 64
		must(t, s.Prune(t.Context(), 64))
		expect("pruned up to it", full)
		must(t, s.Prune(t.Context(), 65))
		expect("pruned beyond it", beacon.Status{HeadRoot: blocks[141].Root, HeadSlot: 142, EarliestAvailableSlot: 65})
	})
}
