package history_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/history"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// network returns the network of the files, with a genesis so many seconds later.
func network(t *testing.T, later time.Duration) *ssz.Network {
	t.Helper()
	genesis, root := beacontest.FuluGenesis()
	n, err := ssz.NewNetwork(beacontest.FuluNetwork().Config(), genesis.Add(later*time.Second), root)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// otherChain returns blocks of another chain.
func otherChain(t *testing.T, first, last ssz.Slot) (all []*beacon.Block) {
	t.Helper()
	chain, err := devchain.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range chain {
		if first <= b.Slot && b.Slot <= last {
			all = append(all, b)
		}
	}
	return all
}

// A store has to follow the files, or to have the same blocks.
func TestOpenChecksThatTheStoreLinks(t *testing.T) {
	t.Parallel()
	last := blockAt(t, 127)
	for _, tt := range []struct {
		name   string
		stored []*beacon.Block
		slot   ssz.Slot // of the store's block in the error; zero for none
		head   ssz.Slot // else
	}{
		{"next", blocks(128, 150), 0, 150},
		{"overlap", blocks(100, 150), 0, 150},
		{"overlap of one", blocks(127, 150), 0, 150},
		{"whole chain", blocks(0, 150), 0, 150},
		{"end of the files", blocks(100, 127), 0, 127},
		{"behind", blocks(1, 70), 0, 127},
		{"gap", blocks(129, 150), 129, 0},
		{"long gap", blocks(180, 200), 180, 0},
		{"other chain behind", otherChain(t, 1, 70), 70, 0},
		{"other chain in an empty slot", otherChain(t, 110, 117), 117, 0},
		{"other chain overlapping", otherChain(t, 1, 142), 127, 0},
		{"other chain next", otherChain(t, 128, 142), 128, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, tt.stored...)
			c, err := history.Open(t.Context(), openDir(t, allFiles(t)), beacontest.FuluNetwork(), s, nil)
			if tt.slot == 0 {
				if err != nil {
					t.Fatal(err)
				}
				status, err := c.Status(t.Context())
				if err != nil || status.HeadSlot != tt.head || status.EarliestAvailableSlot != 0 {
					t.Errorf("status %+v, %v", status, err)
				}
				got, err := read(t, c, 0, 1000)
				if err != nil {
					t.Error(err)
				}
				checkBlocks(t, got, blocks(0, tt.head))
				return
			}
			e, ok := errors.AsType[*history.LinkError](err)
			if !ok || e.StoreSlot != tt.slot {
				t.Fatalf("error %v", err)
			}
			if tt.slot > 127 && (e.FileSlot != 127 || e.FileRoot != last.Root || e.Parent == (ssz.Root{})) {
				t.Errorf("%+v", e)
			}
			for _, root := range []ssz.Root{e.FileRoot, e.StoreRoot} {
				if root != (ssz.Root{}) && !strings.Contains(err.Error(), root.String()) {
					t.Errorf("%v does not name %v", err, root)
				}
			}
		})
	}
}

// A store that was filled or pruned since has to link as well: else it is served alone, and so announced.
func TestAStoreThatCeasesToLink(t *testing.T) {
	t.Parallel()
	check := func(c *history.Chain, earliest ssz.Slot) {
		t.Helper()
		if status, err := c.Status(t.Context()); err != nil || status.EarliestAvailableSlot != earliest {
			t.Errorf("status %+v, %v, want slot %d", status, err, earliest)
		}
		if earliest > 0 {
			if _, err := read(t, c, earliest-1, 1); !errors.Is(err, beacon.ErrUnavailable) {
				t.Errorf("error %v before slot %d", err, earliest)
			}
		}
		got, err := read(t, c, earliest, 1000)
		if err != nil {
			t.Error(err)
		}
		checkBlocks(t, got, blocks(earliest, 150))
	}
	s := newStore(t)
	c := open(t, allFiles(t), s)
	appendTo(t, s, blocks(128, 150)...)
	check(c, 0)
	if err := s.Prune(t.Context(), 140); err != nil {
		t.Fatal(err)
	}
	check(c, 140)
	for ref, err := range c.BlocksByRoot(t.Context(), []ssz.Root{blockAt(t, 100).Root}) {
		t.Errorf("slot %d by root, %v", ref.Slot, err)
	}

	s = newStore(t)
	c = open(t, allFiles(t), s)
	appendTo(t, s, blocks(130, 150)...)
	check(c, 130)

	s = newStore(t)
	c = open(t, allFiles(t), s)
	other := otherChain(t, 1, 142)
	appendTo(t, s, other...)
	got, err := read(t, c, 0, 1000)
	if err != nil {
		t.Error(err)
	}
	checkBlocks(t, got, other)
}

// Whether a store links is not what a request that was given up tells.
func TestALinkThatWasNotLookedFor(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	c := open(t, allFiles(t), s)
	appendTo(t, s, blocks(128, 150)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = c.Status(ctx)
	if status, err := c.Status(t.Context()); err != nil || status.EarliestAvailableSlot != 0 || status.HeadSlot != 150 {
		t.Errorf("status %+v, %v", status, err)
	}
}

// A store that ends before the files begin does not link.
func TestAStoreBeforeTheFiles(t *testing.T) {
	t.Parallel()
	dir := openDir(t, files(t, secondFile))
	_, err := history.Open(t.Context(), dir, beacontest.FuluNetwork(), newStore(t, blocks(1, 40)...), nil)
	e, ok := errors.AsType[*history.LinkError](err)
	if !ok || e.FileSlot != 127 || e.StoreSlot != 40 {
		t.Errorf("error %v", err)
	}
}
