package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"math"
	"slices"
	"sync"

	"github.com/seed-2dd5877b/reqresp/plugin/store/internal/segment"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Status implements [beacon.Chain]. The head is the last block, zero if there is none. The
// finalized checkpoint is the one that the source claims, see SetSource, if the store holds its
// block and, where it knows its network, in the place where that epoch's has to be; else it is zero. The
// fork digest is left zero.
func (s *Store) Status(context.Context) (beacon.Status, error) {
	v := s.view.Load()
	var status beacon.Status
	if v.Head != nil {
		status.HeadRoot, status.HeadSlot = v.Head.Root, v.Head.Slot
	}
	if v.Earliest != nil {
		status.EarliestAvailableSlot = *v.Earliest
	}
	if v.finalized != nil {
		status.FinalizedRoot, status.FinalizedEpoch = v.Source.FinalizedRoot, v.Source.FinalizedEpoch
	}
	return status, nil
}

// Sources implements [beacon.Chain]. The store holds what belongs to blocks as far as it was given it, and knows what
// blocks say of their blobs.
func (s *Store) Sources() beacon.Sources {
	return beacon.Sources{
		Blobs: source{s}, Columns: source{s}, Payloads: source{s},
		Earliest: s.earliestOf, BlobCommitments: s.blobCommitments,
	}
}

// BlocksByRange implements [beacon.Chain]. It reads no block data, and holds no iterator while it
// yields. A range that overflows ends with the last slot of all. An empty store has no slots
// available, not even empty ones.
//
// Where the blocks do not link, the error is a [*CorruptError], in place of the block after the
// gap. If blocks of the range are discarded meanwhile, it is [ErrDiscarded].
func (s *Store) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		v := s.view.Load()
		switch {
		case count == 0:
			return
		case v.Head == nil:
			yield(beacon.Ref{}, fmt.Errorf("%w: the store is empty", beacon.ErrUnavailable))
			return
		case start < *v.Earliest:
			err := fmt.Errorf("%w: from slot %d, the earliest is %d", beacon.ErrUnavailable, start, *v.Earliest)
			yield(beacon.Ref{}, err)
			return
		}
		last := start + ssz.Slot(count-1)
		if last < start {
			last = math.MaxUint64
		}
		if start > v.Head.Slot {
			return
		}
		links := links{store: s, view: v, start: start}
		var places places
		// The block after the range shows whether its end is complete.
		for r, err := range s.scan(start, v.Head.Slot, int(min(count, scanBatch-1))+1) {
			if err == nil {
				err = ctx.Err()
			}
			if err == nil {
				err = links.check(&r)
			}
			if err != nil {
				yield(beacon.Ref{}, s.readError(v, err))
				return
			}
			if r.Slot > last {
				return
			}
			r.Handle = places.keep(r.place)
			if !yield(r.Ref, nil) {
				return
			}
		}
		if err := links.checkHead(); err != nil {
			yield(beacon.Ref{}, s.readError(v, err))
		}
	}
}

// places are the places of blocks, which refs lead to: many of them are one allocation.
type places []place

func (p *places) keep(at place) *place {
	if len(*p) == cap(*p) {
		*p = make(places, 0, min(max(2*cap(*p), 4), scanBatch))
	}
	*p = append(*p, at)
	return &(*p)[len(*p)-1]
}

// BlocksByRoot implements [beacon.Chain]. A root whose block cannot be found where the index has
// it is a [*CorruptError]; its slot is zero if it is the index that is damaged.
func (s *Store) BlocksByRoot(ctx context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, root := range roots {
			if err := ctx.Err(); err != nil {
				yield(beacon.Ref{}, err)
				return
			}
			ref, ok, err := s.blockByRoot(root)
			if err != nil {
				yield(beacon.Ref{}, err)
				return
			}
			if ok && !yield(ref, nil) {
				return
			}
		}
	}
}

// SlotOf returns the slot of the block with a root. It reports false if the store does not hold
// it. The error is as that of BlocksByRoot.
func (s *Store) SlotOf(ctx context.Context, root ssz.Root) (slot ssz.Slot, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	ref, ok, err := s.blockByRoot(root)
	return ref.Slot, ok, err
}

func (s *Store) blockByRoot(root ssz.Root) (ref beacon.Ref, ok bool, err error) {
	v := s.view.Load()
	slot, ok, err := s.lookUp(root)
	if err != nil || !ok || !v.holds(slot) {
		return beacon.Ref{}, false, err
	}
	r, ok, err := s.record(slot)
	switch {
	case err == nil && ok && r.Root == root:
		r.Handle = &r.place
		return r.Ref, true, nil
	case s.view.Load().discards != v.discards:
		return beacon.Ref{}, false, nil
	case err != nil:
		return beacon.Ref{}, false, err
	case !ok:
		return beacon.Ref{}, false, &CorruptError{slot, root, errMissing}
	}
	return beacon.Ref{}, false, &CorruptError{slot, root, fmt.Errorf("%w: %v", errPlace, r.Root)}
}

// AppendFrames implements [beacon.Chain], for a ref that the store has yielded. It verifies the
// length and the checksum; upon an error it returns dst as it was. The
// error is a [*CorruptError], or [ErrDiscarded] if the store does not hold the block any more.
//
// Frames in a segment file are read into dst by one pread, and nothing is allocated apart from what dst needs. Those in
// the database are copied once.
func (s *Store) AppendFrames(_ context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	v := s.view.Load()
	if !v.holds(ref.Slot) || ref.Slot < v.Pruned[ref.Kind] {
		return dst, fmt.Errorf("%w: slot %d, root %v", ErrDiscarded, ref.Slot, ref.Root)
	}
	out, err := s.appendFrames(v, ref, dst)
	if err == nil {
		return out, nil
	}
	// The block may even have been discarded and appended again since.
	if s.view.Load().discards != v.discards {
		return dst, fmt.Errorf("%w: slot %d, root %v", ErrDiscarded, ref.Slot, ref.Root)
	}
	if r, ok, err := s.record(ref.Slot); err == nil && ok && r.Root != ref.Root {
		return dst, fmt.Errorf("%w: slot %d, root %v, is now %v", ErrDiscarded, ref.Slot, ref.Root, r.Root)
	}
	return dst, &CorruptError{ref.Slot, ref.Root, ofKind(&ref, err)}
}

// appendFrames reads the frames of a ref: where it says, or where the block is now, if it has been moved.
func (s *Store) appendFrames(v *view, ref beacon.Ref, dst []byte) ([]byte, error) {
	at, known := ref.Handle.(*place)
	if known {
		out, err := s.readFrames(v, &ref, at, dst)
		if err == nil {
			return out, nil
		}
	}
	at, err := s.placeOf(&ref)
	if err != nil {
		return nil, err
	}
	return s.readFrames(v, &ref, at, dst)
}

// readFrames reads the frames of a ref from a place.
func (s *Store) readFrames(v *view, ref *beacon.Ref, at *place, dst []byte) ([]byte, error) {
	if at.file == inDatabase {
		return s.readHot(ref, dst)
	}
	if s.segments == nil || v.network == nil {
		return nil, fmt.Errorf("%w: it is in a segment file", errMissing)
	}
	id := segment.ID{Kind: ref.Kind, Period: v.network.period(ref.Slot), Number: at.file}
	out, err := s.segments.AppendData(dst, id, at.offset, ref.FramesSize)
	if err != nil {
		return nil, err
	}
	if sum := crc32.Checksum(out[len(dst):], castagnoli); sum != at.sum {
		return nil, fmt.Errorf("%w: %#08x, want %#08x", errChecksum, sum, at.sum)
	}
	return out, nil
}

// frameKeys has keys that serve to seek frames: one for each block would be garbage.
var frameKeys = sync.Pool{New: func() any { return new([sidecarFramesKeySize]byte) }}

// appendFramesKey appends the key of the frames of a ref in the database.
func appendFramesKey(dst []byte, ref *beacon.Ref) []byte {
	if ref.Kind == beacon.KindBlock {
		return appendSlotKey(dst, framesPrefix, ref.Slot)
	}
	return appendSidecarFramesKey(dst, ref.Kind, ref.Slot, uint16(ref.Index))
}

// readHot reads the frames of a ref from the database.
func (s *Store) readHot(ref *beacon.Ref, dst []byte) ([]byte, error) {
	room := frameKeys.Get().(*[sidecarFramesKeySize]byte)
	defer frameKeys.Put(room)
	it, ok := s.seek(appendFramesKey(room[:0], ref))
	defer it.Release()
	if !ok {
		if err := it.Error(); err != nil {
			return nil, err
		}
		return nil, errMissing
	}
	value := it.Value()
	if err := it.Error(); err != nil {
		return nil, err
	}
	if got, want := len(value), framesHeader+ref.FramesSize; got != want {
		return nil, fmt.Errorf("%w: %d bytes, want %d", errLength, got, want)
	}
	return appendUnsealed(dst, value, ref.Root)
}

// unsealPiece is how much is copied before it is checked: then it is still in the processor's
// cache, and memory is read but once.
const unsealPiece = 16 << 10

// appendUnsealed appends the frames in a value of framesHeader bytes and more, if its checksum is
// right and they are those of the root.
func appendUnsealed(dst, value []byte, root ssz.Root) ([]byte, error) {
	head, frames := value[:framesHeader], value[framesHeader:]
	sum := crc32.Checksum(head[sumSize:], castagnoli)
	start := len(dst)
	dst = slices.Grow(dst, len(frames))
	for len(frames) > 0 {
		n := min(len(frames), unsealPiece)
		dst = append(dst, frames[:n]...)
		sum = crc32.Update(sum, castagnoli, dst[len(dst)-n:])
		frames = frames[n:]
	}
	if want := binary.BigEndian.Uint32(head); sum != want {
		return dst[:start], fmt.Errorf("%w: %#08x, want %#08x", errChecksum, sum, want)
	}
	if got := ssz.Root(head[sumSize:]); got != root {
		return dst[:start], fmt.Errorf("%w: %v", errPlace, got)
	}
	return dst, nil
}

// Head returns the slot and the root of the last block. It reports false if the store is empty.
func (s *Store) Head() (slot ssz.Slot, root ssz.Root, ok bool) {
	head := s.view.Load().Head
	if head == nil {
		return 0, ssz.Root{}, false
	}
	return head.Slot, head.Root, true
}

// blobCommitments is that of the [beacon.Sources], from what is recorded of blocks when they are appended.
// The error is [ErrDiscarded] if the store does not hold the block any more, and beacon.ErrUnavailable if
// nothing is recorded: for blocks that were appended by an earlier version of this package, or before
// SetNetwork.
func (s *Store) blobCommitments(_ context.Context, ref beacon.Ref) (ssz.BlobCommitments, error) {
	if !s.view.Load().holds(ref.Slot) {
		return ssz.BlobCommitments{}, fmt.Errorf("%w: slot %d, root %v", ErrDiscarded, ref.Slot, ref.Root)
	}
	r, ok, err := s.record(ref.Slot)
	if ok && !r.blobsKnown {
		r.blobs, r.blobsKnown = s.oldCommitments(r.Slot, r.Root)
	}
	if err != nil || !ok || r.Root != ref.Root || !r.blobsKnown {
		return ssz.BlobCommitments{}, fmt.Errorf("%w: commitments of slot %d, root %v",
			beacon.ErrUnavailable, ref.Slot, ref.Root)
	}
	return r.blobs, nil
}

// peekCommitments returns what is to be recorded of a block's blobs: nothing if the network is not known, before
// Deneb, or if the block is not well formed, which is for others to find.
func (n *network) peekCommitments(slot ssz.Slot, block []byte) (c ssz.BlobCommitments, ok bool) {
	if n == nil {
		return c, false
	}
	fork := n.parsed.ForkAt(n.parsed.EpochOf(slot))
	if fork < ssz.Deneb {
		return c, false
	}
	c, err := n.parsed.PeekBlobCommitments(fork, bytes.NewReader(block), int64(len(block)))
	return c, err == nil
}
