package conformance

import (
	"context"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// numberOfCustodyGroups is NUMBER_OF_CUSTODY_GROUPS.
const numberOfCustodyGroups = 128

// someColumns are those of the last slots that have some. All are asked for, as which the peer keeps
// is its own affair.
func (s *session) someColumns(ctx context.Context) ([]*beacon.DataColumnSidecar, error) {
	return s.columns.get(func() ([]*beacon.DataColumnSidecar, error) {
		start, count := s.recentSlots(columnsByRange, columnSlots)
		if count == 0 {
			return nil, skipped("its head is before fulu")
		}
		every := make([]uint64, beacon.NumberOfColumns)
		for i := range every {
			every[i] = uint64(i)
		}
		return collect(ctx, s, columnsByRange, count*beacon.NumberOfColumns,
			s.client.DataColumnSidecarsByRange(ctx, s.to, start, count, every))
	})
}

// tryColumns holds what comes against the blocks of the same slots: every node keeps some columns of
// those that have blobs. Those of the newest may still be on their way.
func tryColumns(ctx context.Context, s *session, _ *Rule) (string, error) {
	sidecars, err := s.someColumns(ctx)
	if err != nil {
		return "", err
	}
	if len(sidecars) > 0 {
		first, last := sidecars[0].Slot, sidecars[len(sidecars)-1].Slot
		return fmt.Sprintf("%d sidecars, of slots %d to %d", len(sidecars), first, last), nil
	}
	start, _ := s.recentSlots(columnsByRange, columnSlots)
	with := s.withBlobs(s.blocks)
	for slot := range with {
		if slot >= start && slot < s.theirs.HeadSlot {
			return "", broken("no sidecar, the block of slot %d has %d blobs", slot, with[slot])
		}
	}
	return "", skipped("no block has blobs")
}

// columnsOf returns the columns that the peer has shown of the oldest block that it has shown some of, which is
// the least likely to be reorganised away meanwhile.
func (s *session) columnsOf(ctx context.Context) (first *beacon.DataColumnSidecar, columns []uint64, err error) {
	sidecars, err := s.someColumns(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(sidecars) == 0 {
		return nil, nil, skipped("the peer has shown none")
	}
	first = sidecars[0]
	for _, d := range sidecars {
		if d.BlockRoot == first.BlockRoot {
			columns = append(columns, d.Index)
		}
	}
	return first, columns, nil
}

func tryFirstColumns(ctx context.Context, s *session, r *Rule) (string, error) {
	first, columns, err := s.columnsOf(ctx)
	if err != nil {
		return "", err
	}
	again, err := collect(ctx, s, r.Method, 2*uint64(len(columns)),
		s.client.DataColumnSidecarsByRange(ctx, s.to, first.Slot, 2, columns))
	if err != nil {
		return "", err
	}
	if n := len(columns); len(again) < n || again[n-1].BlockRoot != first.BlockRoot {
		return "", broken("%d sidecars, it has shown %d of slot %d before", len(again), n, first.Slot)
	}
	return fmt.Sprintf("%d sidecars", len(again)), nil
}

func tryKnownColumn(ctx context.Context, s *session, r *Rule) (string, error) {
	first, _, err := s.columnsOf(ctx)
	if err != nil {
		return "", err
	}
	ids := []ssz.DataColumnsByRootIdentifier{{BlockRoot: first.BlockRoot, Columns: []uint64{first.Index}}}
	again, err := collect(ctx, s, r.Method, 1,
		s.client.DataColumnSidecarsByRoot(ctx, s.to, ids))
	return s.known(ctx, r, first.Slot, len(again), err)
}

// tryCustody holds the custody that a peer announces against what it has to take on and what it has shown.
func tryCustody(ctx context.Context, s *session, r *Rule) (string, error) {
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return "", err
	}
	metadata, err := s.client.MetaData(ctx, s.to)
	if err != nil {
		return "", told(err)
	}
	groups, least := metadata.CustodyGroupCount, s.network.Config().CustodyRequirement
	if groups < least || groups > numberOfCustodyGroups {
		return "", broken("%d custody groups, want %d to %d", groups, least, numberOfCustodyGroups)
	}
	saw := fmt.Sprintf("%d custody groups", groups)
	sidecars, err := s.someColumns(ctx)
	if err != nil || len(sidecars) == 0 {
		return saw, nil // another rule's
	}
	columns := make(map[ssz.Root]uint64)
	for _, d := range sidecars {
		columns[d.BlockRoot]++
	}
	const each = beacon.NumberOfColumns / numberOfCustodyGroups
	if n := columns[sidecars[0].BlockRoot]; n < groups*each {
		return "", broken("%s, and %d columns of slot %d", saw, n, sidecars[0].Slot)
	}
	return saw, nil
}
