package beacon

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// DataColumnSidecarsByRange asks a peer for some columns of the blocks of slots start to
// start+count-1. It yields them as they arrive, each checked: well-formed, of its fork and digest, in
// the range, of a column asked for, by ascending slot and index and of one block in each slot, with as
// many proofs as cells. In Fulu there have to be as many commitments, included in the block of its
// header; from Gloas on those are in the block alone. KZG proofs and signatures are the caller's to
// verify, as with BlobSidecarsByRange. It is otherwise as BlocksByRange.
func (c *Client) DataColumnSidecarsByRange(
	ctx context.Context, to peer.ID, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[*DataColumnSidecar, error] {
	plan := &columnSpan{span: newSpan(start, count, nil), columns: columns}
	order := sidecarOrder{span: &plan.span}
	check := func(d *DataColumnSidecar) error {
		if !slices.Contains(plan.part, d.Index) {
			return fmt.Errorf("%w: column %d of slot %d", ErrUnexpectedIndex, d.Index, d.Slot)
		}
		if err := order.check(d.Slot, d.BlockRoot, d.Index); err != nil {
			return err
		}
		plan.index = d.Index
		return d.checkForm(c.family.network)
	}
	return (&call[DataColumnSidecar, *DataColumnSidecar]{c, check}).stream(ctx, to, plan, c.family.dataColumnSidecarsByRange.Spec())
}

// DataColumnSidecarsByRoot asks a peer for columns of blocks by their roots and yields those it has,
// in the order in which it sends them, each checked: well-formed, of its fork and digest, one of those
// asked for, and further as by range. It is otherwise as DataColumnSidecarsByRange.
func (c *Client) DataColumnSidecarsByRoot(
	ctx context.Context, to peer.ID, ids []ssz.DataColumnsByRootIdentifier,
) iter.Seq2[*DataColumnSidecar, error] {
	var columns []ssz.BlobIdentifier
	for _, id := range ids {
		for _, column := range id.Columns {
			columns = append(columns, ssz.BlobIdentifier{BlockRoot: id.BlockRoot, Index: column})
		}
	}
	wanted := newWanted(columns, columnsRequest)
	wanted.all = new(ssz.DataColumnSidecarsByRootRequest(ids))
	check := func(d *DataColumnSidecar) error {
		if err := checkSidecar(wanted, d.Slot, d.BlockRoot, d.Index); err != nil {
			return err
		}
		return d.checkForm(c.family.network)
	}
	return (&call[DataColumnSidecar, *DataColumnSidecar]{c, check}).stream(ctx, to, wanted, c.family.dataColumnSidecarsByRoot.Spec())
}

// columnsRequest returns the request for some columns, which those of a block follow one another in.
func columnsRequest(columns []ssz.BlobIdentifier) any {
	var ids ssz.DataColumnSidecarsByRootRequest
	for _, c := range columns {
		if n := len(ids); n == 0 || ids[n-1].BlockRoot != c.BlockRoot {
			ids = append(ids, ssz.DataColumnsByRootIdentifier{BlockRoot: c.BlockRoot})
		}
		last := &ids[len(ids)-1]
		last.Columns = append(last.Columns, c.Index)
	}
	return &ids
}

// columnSpan is a plan for some columns of a range of slots. Where those of one slot are too many they are
// asked for in ascending order, as they are answered.
type columnSpan struct {
	span
	columns []uint64
	slot    []uint64 // what is left of the columns of the next slot; nil: all of them
	part    []uint64 // those asked for
	index   uint64   // that of the sidecar that came last
}

func (c *columnSpan) next(n int) any {
	most := max(1, min(n, len(c.columns)))
	if c.slot == nil && most < len(c.columns) && !c.ended {
		c.slot = c.after(0)
	}
	slots := 1
	if c.slot == nil {
		c.part, slots = c.columns, per(n, uint64(len(c.columns)))
	} else {
		c.part = c.slot[:min(most, len(c.slot))]
	}
	if !c.take(slots) {
		return nil
	}
	return &ssz.DataColumnSidecarsByRangeRequest{StartSlot: ssz.Slot(c.start), Count: c.count, Columns: c.part}
}

// after returns the columns from an index on, ascending.
func (c *columnSpan) after(index uint64) []uint64 {
	sorted := slices.Clone(c.columns)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	at, _ := slices.BinarySearch(sorted, index)
	return sorted[at:]
}

func (c *columnSpan) done(cut bool) {
	switch {
	case c.slot == nil && !cut:
		c.span.done(false)
		return
	case c.slot == nil:
		c.skip(c.last - c.start)
		c.slot = c.after(c.index + 1)
	case cut:
		at, _ := slices.BinarySearch(c.slot, c.index+1)
		c.slot = c.slot[at:]
	default:
		c.slot = c.slot[len(c.part):]
	}
	if len(c.slot) == 0 {
		c.slot = nil
		c.skip(1)
	}
}
