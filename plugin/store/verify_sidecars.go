package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/plugin/sidecar"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
)

// sidecars verifies what is stored along with a block, whose SSZ is in c.ssz. It yields what is damaged.
func (c *check) sidecars(ctx context.Context, r *record) bool {
	n := c.view.network.parsed
	fork := n.ForkAt(n.EpochOf(r.Slot))
	of := beacon.Sidecars{Block: &beacon.Block{Slot: r.Slot, Root: r.Root, ParentRoot: r.parent, Fork: fork, SSZ: c.ssz}}
	for _, kind := range sidecarKinds {
		held, err := c.store.sidecars(kind, r.Slot)
		if err == nil && held.objects != nil && held.root != r.Root {
			err = held.corrupt(fmt.Errorf("%w: root %v", errPlace, held.root))
		}
		if err != nil {
			if !c.damaged(beacon.Ref{Kind: kind, Slot: r.Slot, Root: r.Root}, err) {
				return false
			}
			continue
		}
		for i := range held.objects {
			ref := held.ref(&held.objects[i])
			if err := c.addObject(ctx, &of, ref); err != nil && !c.damaged(ref, err) {
				return false
			}
		}
	}
	err := sidecar.Verify(ctx, n, of)
	faults, ok := errors.AsType[sidecar.Errors](err)
	if err != nil && !ok {
		return c.damaged(r.Ref, err)
	}
	for _, f := range faults {
		ref := beacon.Ref{Kind: f.Kind, Slot: f.Slot, Root: f.Root, Index: f.Index}
		if !c.damaged(ref, &CorruptError{f.Slot, f.Root, ofKind(&ref, f.Err)}) {
			return false
		}
	}
	return true
}

// addObject reads an object and adds it to what belongs to its block.
func (c *check) addObject(ctx context.Context, to *beacon.Sidecars, ref beacon.Ref) (err error) {
	if c.frames, err = c.store.AppendFrames(ctx, ref, c.frames[:0]); err != nil {
		return err
	}
	chunk := beacon.Chunk{Fork: to.Block.Fork}
	if chunk.SSZ, err = snappy.AppendDecoded(nil, c.frames, ref.Size); err == nil {
		err = c.decodeObject(to, ref, chunk)
	}
	if err != nil {
		return &CorruptError{ref.Slot, ref.Root, ofKind(&ref, err)}
	}
	return nil
}

func (c *check) decodeObject(to *beacon.Sidecars, ref beacon.Ref, chunk beacon.Chunk) error {
	n, index := c.view.network.parsed, ref.Index
	switch ref.Kind {
	case beacon.KindBlobSidecar:
		b, err := beacon.DecodeBlobSidecar(n, chunk)
		if err != nil {
			return err
		}
		index, to.Blobs = b.Index, append(to.Blobs, b)
	case beacon.KindDataColumnSidecar:
		d, err := beacon.DecodeDataColumnSidecar(n, chunk)
		if err != nil {
			return err
		}
		index, to.Columns = d.Index, append(to.Columns, d)
	default:
		e, err := beacon.DecodeExecutionPayloadEnvelope(n, chunk)
		if err != nil {
			return err
		}
		to.Envelope = e
	}
	if index != ref.Index {
		return fmt.Errorf("%w: index %d", errPlace, index)
	}
	return nil
}

// damaged yields the error of an object. It reports false if this was the last pair.
func (c *check) damaged(ref beacon.Ref, err error) bool {
	err = c.store.readError(c.view, err)
	if _, ok := errors.AsType[*CorruptError](err); !ok {
		c.yield(beacon.Ref{}, err)
		return false
	}
	ref.Handle = nil
	return c.yield(ref, err)
}
