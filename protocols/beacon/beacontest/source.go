package beacontest

import (
	"context"
	"iter"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Status implements beacon.Chain.
func (c *Chain) Status(context.Context) (beacon.Status, error) { return c.status, nil }

// BlocksByRange implements beacon.Chain.
func (c *Chain) BlocksByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.BlockRef, error] {
	return refs(inRange(c.Blocks, start, count), blockRef)
}

// BlocksByRoot implements beacon.Chain.
func (c *Chain) BlocksByRoot(_ context.Context, roots []ssz.Root) iter.Seq2[beacon.BlockRef, error] {
	return refs(byRoot(c.Blocks, roots), blockRef)
}

// AppendFrames implements beacon.Chain.
func (c *Chain) AppendFrames(_ context.Context, ref beacon.BlockRef, dst []byte) ([]byte, error) {
	return appendItem(dst, c.Blocks, ref.Root, 0), nil
}

// BlobSidecarsByRange implements beacon.BlobSource.
func (c *Chain) BlobSidecarsByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.SidecarRef, error] {
	return refs(inRange(c.Blobs, start, count), sidecarRef)
}

// BlobSidecarsByRoot implements beacon.BlobSource.
func (c *Chain) BlobSidecarsByRoot(_ context.Context, ids []ssz.BlobIdentifier) iter.Seq2[beacon.SidecarRef, error] {
	var found []*Item
	for _, id := range ids {
		found = append(found, find(c.Blobs, id.BlockRoot, id.Index)...)
	}
	return refs(found, sidecarRef)
}

// AppendBlobSidecarFrames implements beacon.BlobSource.
func (c *Chain) AppendBlobSidecarFrames(_ context.Context, ref beacon.SidecarRef, dst []byte) ([]byte, error) {
	return appendItem(dst, c.Blobs, ref.BlockRoot, ref.Index), nil
}

// DataColumnSidecarsByRange implements beacon.ColumnSource.
func (c *Chain) DataColumnSidecarsByRange(
	_ context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.SidecarRef, error] {
	found := slices.DeleteFunc(inRange(c.Columns, start, count), func(i *Item) bool { return !slices.Contains(columns, i.Index) })
	return refs(found, sidecarRef)
}

// DataColumnSidecarsByRoot implements beacon.ColumnSource.
func (c *Chain) DataColumnSidecarsByRoot(
	_ context.Context, ids []ssz.DataColumnsByRootIdentifier,
) iter.Seq2[beacon.SidecarRef, error] {
	var found []*Item
	for _, id := range ids {
		for _, column := range id.Columns {
			found = append(found, find(c.Columns, id.BlockRoot, column)...)
		}
	}
	return refs(found, sidecarRef)
}

// AppendDataColumnSidecarFrames implements beacon.ColumnSource.
func (c *Chain) AppendDataColumnSidecarFrames(_ context.Context, ref beacon.SidecarRef, dst []byte) ([]byte, error) {
	return appendItem(dst, c.Columns, ref.BlockRoot, ref.Index), nil
}

// ExecutionPayloadEnvelopesByRange implements beacon.PayloadSource.
func (c *Chain) ExecutionPayloadEnvelopesByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.BlockRef, error] {
	return refs(inRange(c.Envelopes, start, count), blockRef)
}

// ExecutionPayloadEnvelopesByRoot implements beacon.PayloadSource.
func (c *Chain) ExecutionPayloadEnvelopesByRoot(_ context.Context, roots []ssz.Root) iter.Seq2[beacon.BlockRef, error] {
	return refs(byRoot(c.Envelopes, roots), blockRef)
}

// AppendExecutionPayloadEnvelopeFrames implements beacon.PayloadSource.
func (c *Chain) AppendExecutionPayloadEnvelopeFrames(_ context.Context, ref beacon.BlockRef, dst []byte) ([]byte, error) {
	return appendItem(dst, c.Envelopes, ref.Root, 0), nil
}

// InclusionLists implements beacon.InclusionListSource.
func (c *Chain) InclusionLists(
	_ context.Context, slot ssz.Slot, dependent ssz.Root, members [2]byte,
) iter.Seq2[beacon.InclusionListRef, error] {
	var found []*Item
	for _, i := range inRange(c.Lists, slot, 1) {
		if i.Root == dependent && members[i.Index/8]>>(i.Index%8)&1 == 1 {
			found = append(found, i)
		}
	}
	return refs(found, func(i *Item) beacon.InclusionListRef {
		return beacon.InclusionListRef{Slot: i.Slot, ValidatorIndex: i.Index, Size: len(i.SSZ), FramesSize: len(i.Frames)}
	})
}

// AppendInclusionListFrames implements beacon.InclusionListSource.
func (c *Chain) AppendInclusionListFrames(_ context.Context, ref beacon.InclusionListRef, dst []byte) ([]byte, error) {
	return appendItem(dst, inRange(c.Lists, ref.Slot, 1), c.Dependent, ref.ValidatorIndex), nil
}

func blockRef(i *Item) beacon.BlockRef {
	return beacon.BlockRef{Slot: i.Slot, Root: i.Root, Size: len(i.SSZ), FramesSize: len(i.Frames)}
}

func sidecarRef(i *Item) beacon.SidecarRef {
	return beacon.SidecarRef{Slot: i.Slot, BlockRoot: i.Root, Index: i.Index, Size: len(i.SSZ), FramesSize: len(i.Frames)}
}

func refs[R any](items []*Item, of func(*Item) R) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for _, i := range items {
			if !yield(of(i), nil) {
				return
			}
		}
	}
}

func inRange(items []*Item, start ssz.Slot, count uint64) (found []*Item) {
	for _, i := range items {
		if i.Slot >= start && uint64(i.Slot-start) < count {
			found = append(found, i)
		}
	}
	return found
}

func byRoot(items []*Item, roots []ssz.Root) (found []*Item) {
	for _, root := range roots {
		found = append(found, find(items, root, 0)...)
	}
	return found
}

func find(items []*Item, root ssz.Root, index uint64) []*Item {
	for _, i := range items {
		if i.Root == root && i.Index == index {
			return []*Item{i}
		}
	}
	return nil
}

func appendItem(dst []byte, items []*Item, root ssz.Root, index uint64) []byte {
	return append(dst, find(items, root, index)[0].Frames...)
}
