package beacontest

import (
	"context"
	"iter"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// SourcesOf returns as sources what a chain implements itself.
func SourcesOf(chain beacon.Chain) (s beacon.Sources) {
	s.Blobs, _ = chain.(beacon.BlobSource)
	s.Columns, _ = chain.(beacon.ColumnSource)
	s.Payloads, _ = chain.(beacon.PayloadSource)
	s.InclusionLists, _ = chain.(beacon.InclusionListSource)
	s.LightClient, _ = chain.(beacon.LightClientSource)
	return s
}

// BlocksOnly is a chain that holds the blocks of another, and nothing else.
type BlocksOnly struct{ beacon.Chain }

// Sources implements beacon.Chain.
func (BlocksOnly) Sources() beacon.Sources { return beacon.Sources{} }

// Status implements beacon.Chain.
func (c *Chain) Status(context.Context) (beacon.Status, error) { return c.status, nil }

// Sources implements beacon.Chain.
func (c *Chain) Sources() beacon.Sources { return SourcesOf(c) }

// AppendFrames implements beacon.Chain.
func (c *Chain) AppendFrames(_ context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	return append(dst, ref.Handle.(*Item).Frames...), nil
}

// BlocksByRange implements beacon.Chain.
func (c *Chain) BlocksByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return refs(beacon.KindBlock, inRange(c.Blocks, start, count))
}

// BlocksByRoot implements beacon.Chain.
func (c *Chain) BlocksByRoot(_ context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return refs(beacon.KindBlock, byRoot(c.Blocks, roots))
}

// BlobSidecarsByRange implements beacon.BlobSource.
func (c *Chain) BlobSidecarsByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return refs(beacon.KindBlobSidecar, inRange(c.Blobs, start, count))
}

// BlobSidecarsByRoot implements beacon.BlobSource.
func (c *Chain) BlobSidecarsByRoot(_ context.Context, ids []ssz.BlobIdentifier) iter.Seq2[beacon.Ref, error] {
	var found []*Item
	for _, id := range ids {
		found = append(found, find(c.Blobs, id.BlockRoot, id.Index)...)
	}
	return refs(beacon.KindBlobSidecar, found)
}

// DataColumnSidecarsByRange implements beacon.ColumnSource.
func (c *Chain) DataColumnSidecarsByRange(
	_ context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.Ref, error] {
	found := inRange(c.Columns, start, count)
	found = slices.DeleteFunc(found, func(i *Item) bool { return !slices.Contains(columns, i.Index) })
	return refs(beacon.KindDataColumnSidecar, found)
}

// DataColumnSidecarsByRoot implements beacon.ColumnSource.
func (c *Chain) DataColumnSidecarsByRoot(
	_ context.Context, ids []ssz.DataColumnsByRootIdentifier,
) iter.Seq2[beacon.Ref, error] {
	var found []*Item
	for _, id := range ids {
		for _, column := range id.Columns {
			found = append(found, find(c.Columns, id.BlockRoot, column)...)
		}
	}
	return refs(beacon.KindDataColumnSidecar, found)
}

// ExecutionPayloadEnvelopesByRange implements beacon.PayloadSource.
func (c *Chain) ExecutionPayloadEnvelopesByRange(
	_ context.Context, start ssz.Slot, count uint64,
) iter.Seq2[beacon.Ref, error] {
	return refs(beacon.KindExecutionPayloadEnvelope, inRange(c.Envelopes, start, count))
}

// ExecutionPayloadEnvelopesByRoot implements beacon.PayloadSource.
func (c *Chain) ExecutionPayloadEnvelopesByRoot(_ context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return refs(beacon.KindExecutionPayloadEnvelope, byRoot(c.Envelopes, roots))
}

// InclusionLists implements beacon.InclusionListSource.
func (c *Chain) InclusionLists(
	_ context.Context, slot ssz.Slot, dependent ssz.Root, members [2]byte,
) iter.Seq2[beacon.Ref, error] {
	var found []*Item
	for _, i := range inRange(c.Lists, slot, 1) {
		if i.Root == dependent && members[i.Index/8]>>(i.Index%8)&1 == 1 {
			found = append(found, i)
		}
	}
	return refs(beacon.KindInclusionList, found)
}

// LightClientBootstrap implements beacon.LightClientSource.
func (c *Chain) LightClientBootstrap(_ context.Context, root ssz.Root) (beacon.Ref, error) {
	for _, i := range c.Bootstraps {
		if i.Root == root {
			return i.ref(beacon.KindLightClientBootstrap), nil
		}
	}
	return beacon.Ref{}, beacon.ErrUnavailable
}

// LightClientUpdates implements beacon.LightClientSource.
func (c *Chain) LightClientUpdates(_ context.Context, start, count uint64) iter.Seq2[beacon.Ref, error] {
	var found []*Item
	for n, i := range c.Updates {
		if period := uint64(n); period >= start && period-start < count {
			found = append(found, i)
		}
	}
	return refs(beacon.KindLightClientUpdate, found)
}

// LightClientFinalityUpdate implements beacon.LightClientSource.
func (c *Chain) LightClientFinalityUpdate(context.Context) (beacon.Ref, error) {
	if c.Finality == nil {
		return beacon.Ref{}, beacon.ErrUnavailable
	}
	return c.Finality.ref(beacon.KindLightClientFinalityUpdate), nil
}

// LightClientOptimisticUpdate implements beacon.LightClientSource.
func (c *Chain) LightClientOptimisticUpdate(context.Context) (beacon.Ref, error) {
	if c.Optimistic == nil {
		return beacon.Ref{}, beacon.ErrUnavailable
	}
	return c.Optimistic.ref(beacon.KindLightClientOptimisticUpdate), nil
}

func (i *Item) ref(kind beacon.Kind) beacon.Ref {
	return beacon.Ref{
		Kind: kind, Slot: i.Slot, Root: i.Root, Index: i.Index, Size: len(i.SSZ), FramesSize: len(i.Frames), Handle: i,
	}
}

func refs(kind beacon.Kind, items []*Item) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, i := range items {
			if !yield(i.ref(kind), nil) {
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
