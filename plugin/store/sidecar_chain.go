package store

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A source looks up what belongs to blocks.
type source struct{ store *Store }

var (
	_ beacon.BlobSource    = source{}
	_ beacon.ColumnSource  = source{}
	_ beacon.PayloadSource = source{}
)

// BlobSidecarsByRange implements [beacon.BlobSource].
func (s source) BlobSidecarsByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return s.inRange(ctx, beacon.KindBlobSidecar, start, count, all)
}

func all(object) bool { return true }

// BlobSidecarsByRoot implements [beacon.BlobSource].
func (s source) BlobSidecarsByRoot(ctx context.Context, ids []ssz.BlobIdentifier) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, id := range ids {
			if !s.ofBlock(ctx, beacon.KindBlobSidecar, id.BlockRoot, []uint64{id.Index}, yield) {
				return
			}
		}
	}
}

// DataColumnSidecarsByRange implements [beacon.ColumnSource].
func (s source) DataColumnSidecarsByRange(
	ctx context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.Ref, error] {
	return s.inRange(ctx, beacon.KindDataColumnSidecar, start, count, func(o object) bool {
		_, wanted := slices.BinarySearch(columns, uint64(o.index))
		return wanted
	})
}

// DataColumnSidecarsByRoot implements [beacon.ColumnSource].
func (s source) DataColumnSidecarsByRoot(
	ctx context.Context, ids []ssz.DataColumnsByRootIdentifier,
) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, id := range ids {
			if !s.ofBlock(ctx, beacon.KindDataColumnSidecar, id.BlockRoot, id.Columns, yield) {
				return
			}
		}
	}
}

// ExecutionPayloadEnvelopesByRange implements [beacon.PayloadSource]. It leaves out that of the head.
func (s source) ExecutionPayloadEnvelopesByRange(
	ctx context.Context, start ssz.Slot, count uint64,
) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for ref, err := range s.inRange(ctx, beacon.KindExecutionPayloadEnvelope, start, count, all) {
			built := true
			if err == nil {
				built, err = s.store.builtOn(s.store.view.Load(), ref.Slot)
			}
			if !built && err == nil {
				continue
			}
			if !yield(ref, err) || err != nil {
				return
			}
		}
	}
}

// ExecutionPayloadEnvelopesByRoot implements [beacon.PayloadSource].
func (s source) ExecutionPayloadEnvelopesByRoot(ctx context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, root := range roots {
			if !s.ofBlock(ctx, beacon.KindExecutionPayloadEnvelope, root, []uint64{0}, yield) {
				return
			}
		}
	}
}

// unwantedLook is of how many blocks in a row objects are looked through none of which is wanted.
const unwantedLook = 256

// inRange yields the wanted objects of a kind that are held of the slots from start to start+count-1. After
// unwantedLook blocks without any it ends as if none were held of the next: a request that costs its peer nothing must
// not look through all of the index.
func (s source) inRange(
	ctx context.Context, kind beacon.Kind, start ssz.Slot, count uint64, wanted func(object) bool,
) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		v := s.store.view.Load()
		switch {
		case count == 0:
			return
		case v.Head == nil || start < *v.Earliest:
			yield(beacon.Ref{}, fmt.Errorf("%w: %ss from slot %d", beacon.ErrUnavailable, kind, start))
			return
		}
		last := min(start+ssz.Slot(min(count-1, math.MaxUint64-uint64(start))), v.Head.Slot)
		unwanted := 0
		for r, err := range s.store.scanSidecars(kind, start, last) {
			if err == nil {
				err = ctx.Err()
			}
			if err == nil && unwanted == unwantedLook {
				err = fmt.Errorf("%w: %ss up to slot %d", beacon.ErrUnavailable, kind, r.slot)
			}
			if err != nil {
				yield(beacon.Ref{}, s.store.readError(v, err))
				return
			}
			unwanted++
			for i := range r.objects {
				if !wanted(r.objects[i]) {
					continue
				}
				if unwanted = 0; !yield(r.ref(&r.objects[i]), nil) {
					return
				}
			}
		}
	}
}

// ofBlock yields the objects of a kind with some indices that are held of a block. It reports false if no more is
// wanted, or after an error.
func (s source) ofBlock(
	ctx context.Context, kind beacon.Kind, root ssz.Root, indices []uint64, yield func(beacon.Ref, error) bool,
) bool {
	err := ctx.Err()
	var block beacon.Ref
	held := false
	if err == nil {
		block, held, err = s.store.blockByRoot(root)
	}
	if err == nil && !held {
		return true
	}
	var r sidecarRecord
	if err == nil {
		r, err = s.store.sidecars(kind, block.Slot)
	}
	if err != nil {
		yield(beacon.Ref{}, err)
		return false
	}
	if r.root != root {
		return true
	}
	for _, index := range indices {
		if o := r.find(index); o != nil && !yield(r.ref(o), nil) {
			return false
		}
	}
	return true
}

// ofKind returns what is wrong with the object of a ref, which a [CorruptError] names the block of.
func ofKind(ref *beacon.Ref, err error) error {
	if ref.Kind == beacon.KindBlock {
		return err
	}
	return fmt.Errorf("%v %d: %w", ref.Kind, ref.Index, err)
}

// placeOf returns where the frames of a ref are.
func (s *Store) placeOf(ref *beacon.Ref) (*place, error) {
	if ref.Kind == beacon.KindBlock {
		r, ok, err := s.record(ref.Slot)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, errMissing
		case r.Root != ref.Root:
			return nil, fmt.Errorf("%w: %v", errPlace, r.Root)
		}
		return &r.place, nil
	}
	r, err := s.sidecars(ref.Kind, ref.Slot)
	if err != nil {
		return nil, err
	}
	o := r.find(ref.Index)
	switch {
	case o == nil:
		return nil, errMissing
	case r.root != ref.Root:
		return nil, fmt.Errorf("%w: %v", errPlace, r.root)
	}
	return &o.place, nil
}
