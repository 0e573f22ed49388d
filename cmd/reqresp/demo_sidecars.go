package main

import (
	"context"
	"math"

	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// sidecars are sidecars by their blocks, which have a slot and a root and nothing else.
type sidecars struct {
	order []ssz.Root // of the blocks
	of    map[ssz.Root]*beacon.Sidecars
}

func newSidecars() *sidecars { return &sidecars{of: make(map[ssz.Root]*beacon.Sidecars)} }

func (s *sidecars) ofBlock(slot ssz.Slot, root ssz.Root) *beacon.Sidecars {
	if s.of[root] == nil {
		s.of[root] = &beacon.Sidecars{Block: &beacon.Block{Slot: slot, Root: root}}
		s.order = append(s.order, root)
	}
	return s.of[root]
}

func (s *sidecars) addBlob(b *beacon.BlobSidecar) {
	of := s.ofBlock(b.Slot, b.BlockRoot)
	of.Blobs = append(of.Blobs, b)
}

func (s *sidecars) addColumn(d *beacon.DataColumnSidecar) {
	of := s.ofBlock(d.Slot, d.BlockRoot)
	of.Columns = append(of.Columns, d)
}

// list returns all sidecars in the order in which their blocks were seen first.
func (s *sidecars) list() (all []beacon.Sidecars) {
	for _, root := range s.order {
		all = append(all, *s.of[root])
	}
	return all
}

// downloadSidecars asks for the sidecars of all blocks and stores them.
func (d *demo) downloadSidecars(ctx context.Context, from rangesync.Source, s *store.Store) error {
	first, slots := d.chain[0].Slot, uint64(d.result.Last-d.chain[0].Slot)+1
	got := newSidecars()
	for b, err := range from.Client.BlobSidecarsByRange(ctx, from.Peer, first, slots) {
		if err != nil {
			return err
		}
		got.addBlob(b)
		d.blobs++
		d.sidecarBytes += uint64(len(b.SSZ))
	}
	columns := make([]uint64, beacon.NumberOfColumns)
	for i := range columns {
		columns[i] = uint64(i)
	}
	for c, err := range from.Client.DataColumnSidecarsByRange(ctx, from.Peer, first, slots, columns) {
		if err != nil {
			return err
		}
		got.addColumn(c)
		d.columns++
		d.sidecarBytes += uint64(len(c.SSZ))
	}
	return s.AppendSidecars(ctx, got.list()...)
}

// sidecarMismatches counts the sidecars of a chain that a store does not hold, byte for byte, and those that it holds
// besides.
func sidecarMismatches(ctx context.Context, s *store.Store, chain *beacontest.Chain) (int, error) {
	type id struct {
		kind  beacon.Kind
		root  ssz.Root
		index uint64
	}
	want := make(map[id][]byte)
	for _, i := range chain.Blobs {
		want[id{beacon.KindBlobSidecar, i.Root, i.Index}] = i.SSZ
	}
	columns := make([]uint64, beacon.NumberOfColumns)
	for _, i := range chain.Columns {
		want[id{beacon.KindDataColumnSidecar, i.Root, i.Index}] = i.SSZ
		columns[i.Index] = i.Index
	}
	held, besides := s.Sources(), 0
	for _, refs := range []func(func(beacon.Ref, error) bool){
		held.Blobs.BlobSidecarsByRange(ctx, 0, math.MaxInt64),
		held.Columns.DataColumnSidecarsByRange(ctx, 0, math.MaxInt64, columns),
	} {
		for ref, err := range refs {
			if err != nil {
				return 0, err
			}
			at := id{ref.Kind, ref.Root, ref.Index}
			if encoded, ok := want[at]; !ok {
				besides++
			} else if holds(ctx, s, ref, encoded) {
				delete(want, at)
			}
		}
	}
	return len(want) + besides, nil
}
