package beacon

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// BlobSidecarsByRange asks a peer for the blob sidecars of the blocks of slots start to start+count-1.
// It yields them as they arrive, each checked: well-formed, of its digest, in the range, by ascending
// slot and index, with no blob of a block left out before it and of one block in each slot, its
// commitment included in the block of its header. The KZG proof and the signature are the caller's to
// verify, before it asks for the next as the specs have it: no library for that is needed here.
// It is otherwise as BlocksByRange.
func (c *Client) BlobSidecarsByRange(ctx context.Context, to peer.ID, start ssz.Slot, count uint64) iter.Seq2[*BlobSidecar, error] {
	span := newSpan(uint64(start), count)
	span.redo = true
	order := sidecarOrder{span: &span}
	next := uint64(0)
	check := func(b *BlobSidecar) error {
		if order.seen(b.Slot, b.BlockRoot, b.Index) {
			return errSeen
		}
		if !order.any || b.Slot != order.slot {
			next = 0
		}
		if err := order.check(b.Slot, b.BlockRoot, b.Index); err != nil {
			return err
		}
		if b.Index != next {
			return fmt.Errorf("%w: blob %d in place of %d in slot %d", ErrIndexOrder, b.Index, next, b.Slot)
		}
		next++
		if err := c.checkBlobIndex(b); err != nil {
			return err
		}
		return b.checkInclusion()
	}
	return (&call[BlobSidecar, *BlobSidecar]{c, check}).stream(ctx, to, &blobSpan{&span, c.mostBlobs(start, count)}, c.family.BlobSidecarsByRange.Spec())
}

// BlobSidecarsByRoot asks a peer for blob sidecars by block root and index and yields those it has, in
// the order in which it sends them, each checked: well-formed, of its digest, one of those asked for,
// its commitment included in the block of its header. It is otherwise as BlobSidecarsByRange.
func (c *Client) BlobSidecarsByRoot(ctx context.Context, to peer.ID, ids []ssz.BlobIdentifier) iter.Seq2[*BlobSidecar, error] {
	wanted := newSidecarCheck(ids, func(ids []ssz.BlobIdentifier) any { return new(ssz.BlobSidecarsByRootRequest(ids)) })
	check := func(b *BlobSidecar) error {
		if err := wanted.check(b.Slot, b.BlockRoot, b.Index); err != nil {
			return err
		}
		return b.checkInclusion()
	}
	return (&call[BlobSidecar, *BlobSidecar]{c, check}).stream(ctx, to, wanted, c.family.BlobSidecarsByRoot.Spec())
}

func (c *Client) checkBlobIndex(b *BlobSidecar) error {
	n := c.family.network
	if most := n.BlobParametersAt(n.EpochOf(b.Slot)).MaxBlobsPerBlock; b.Index >= most {
		return fmt.Errorf("%w: blob %d of slot %d, blocks have at most %d", ErrUnexpectedIndex, b.Index, b.Slot, most)
	}
	return nil
}

// DataColumnSidecarsByRange asks a peer for some columns of the blocks of slots start to
// start+count-1. It yields them as they arrive, each checked: well-formed, of its fork and digest, in
// the range, of a column asked for, by ascending slot and index and of one block in each slot, with as
// many proofs as cells. In Fulu there have to be as many commitments, included in the block of its
// header; from Gloas on those are in the block alone. KZG proofs and signatures are the caller's to
// verify, as with BlobSidecarsByRange. It is otherwise as BlocksByRange.
func (c *Client) DataColumnSidecarsByRange(
	ctx context.Context, to peer.ID, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[*DataColumnSidecar, error] {
	plan := &columnSpan{span: newSpan(uint64(start), count), columns: columns}
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
	return (&call[DataColumnSidecar, *DataColumnSidecar]{c, check}).stream(ctx, to, plan, c.family.DataColumnSidecarsByRange.Spec())
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
	wanted := newSidecarCheck(columns, columnsByRoot)
	wanted.all = new(ssz.DataColumnSidecarsByRootRequest(ids))
	check := func(d *DataColumnSidecar) error {
		if err := wanted.check(d.Slot, d.BlockRoot, d.Index); err != nil {
			return err
		}
		return d.checkForm(c.family.network)
	}
	return (&call[DataColumnSidecar, *DataColumnSidecar]{c, check}).stream(ctx, to, wanted, c.family.DataColumnSidecarsByRoot.Spec())
}

// columnsByRoot returns the request for some columns, which those of a block follow one another in.
func columnsByRoot(columns []ssz.BlobIdentifier) any {
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

// blobSpan asks for blob sidecars by range.
type blobSpan struct {
	*span
	each uint64 // the most of a block
}

func (b *blobSpan) next(n int) any {
	if !b.take(per(n, b.each)) {
		return nil
	}
	return &ssz.BlobSidecarsByRangeRequest{StartSlot: ssz.Slot(b.start), Count: b.count}
}

// mostBlobs returns the most blobs of a block in a range of slots, by the last of them: the number only grew.
func (c *Client) mostBlobs(start ssz.Slot, count uint64) uint64 {
	n := c.family.network
	return n.BlobParametersAt(n.EpochOf(start + ssz.Slot(count))).MaxBlobsPerBlock
}

// A sidecarCheck asks for sidecars by root and index, and checks them. One that is asked for more than once may
// be answered as often.
type sidecarCheck struct {
	list[ssz.BlobIdentifier]
	wanted map[ssz.Root]map[uint64]int
}

func newSidecarCheck(ids []ssz.BlobIdentifier, request func([]ssz.BlobIdentifier) any) *sidecarCheck {
	s := new(sidecarCheck)
	s.list = list[ssz.BlobIdentifier]{left: ids, request: request, wants: s.wants, unanswered: s.unanswered}
	return s
}

func (s *sidecarCheck) wants(ids []ssz.BlobIdentifier) {
	s.wanted = make(map[ssz.Root]map[uint64]int)
	for _, id := range ids {
		if s.wanted[id.BlockRoot] == nil {
			s.wanted[id.BlockRoot] = make(map[uint64]int)
		}
		s.wanted[id.BlockRoot][id.Index]++
	}
}

func (s *sidecarCheck) unanswered(ids []ssz.BlobIdentifier) (rest []ssz.BlobIdentifier) {
	for _, id := range ids {
		if s.wanted[id.BlockRoot][id.Index] > 0 {
			s.wanted[id.BlockRoot][id.Index]--
			rest = append(rest, id)
		}
	}
	return rest
}

func (s *sidecarCheck) check(slot ssz.Slot, root ssz.Root, index uint64) error {
	switch indices := s.wanted[root]; {
	case indices == nil:
		return fmt.Errorf("%w: root %v of slot %d", ErrUnexpectedRoot, root, slot)
	case indices[index] == 0:
		return fmt.Errorf("%w: %d of root %v", ErrUnexpectedIndex, index, root)
	default:
		indices[index]--
		return nil
	}
}
