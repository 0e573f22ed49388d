package beacon

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A blockSpan is the blocks of a range of slots, in ascending order, with what is asked of the sidecars and
// envelopes that belong to them.
type blockSpan struct {
	peeker
	blocks []Ref
	child  *Ref // the block after the last of blocks, if it is known
	whole  bool // blocks are all of the range

	peeked map[ssz.Root]ssz.BlobCommitments
}

// spanOf returns the blocks of a range, which does not overflow, but no more than a number of them. What is read to
// look into them is charged to in, unless that is nil.
func (s *Server) spanOf(
	ctx context.Context, in *reqresp.Inbound, start ssz.Slot, count, most uint64,
) (*blockSpan, error) {
	n := s.family.network
	sp := &blockSpan{
		peeker: peeker{server: s, in: in}, whole: true,
		peeked: make(map[ssz.Root]ssz.BlobCommitments),
	}
	last, reach := start+ssz.Slot(count-1), count
	if n.ForkAt(n.EpochOf(last)) >= ssz.Gloas {
		reach = max(count, math.MaxUint64-uint64(start)) // up to the child of the last block
	}
	for ref, err := range s.chain.BlocksByRange(ctx, start, reach) {
		if err != nil {
			return nil, err
		}
		if ref.Slot > last || uint64(len(sp.blocks)) == most {
			sp.child, sp.whole = &ref, ref.Slot > last
			break
		}
		if n := len(sp.blocks); n > 0 && ref.Slot <= sp.blocks[n-1].Slot {
			break // Peers find that mistake in the blocks; it must not keep the server looking.
		}
		sp.blocks = append(sp.blocks, ref)
	}
	return sp, nil
}

// look returns what a block of the span says of its blobs.
func (sp *blockSpan) look(ctx context.Context, ref Ref) (ssz.BlobCommitments, error) {
	if c, ok := sp.peeked[ref.Root]; ok {
		return c, nil
	}
	c, err := sp.peek(ctx, ref)
	if err == nil {
		sp.peeked[ref.Root] = c
	}
	return c, err
}

// An owner reports whether objects of some kind belong to a block of a blockSpan.
type owner func(ctx context.Context, sp *blockSpan, i int) (bool, error)

// hasBlobs is the owner of blob sidecars, and of data column sidecars before Gloas.
func hasBlobs(ctx context.Context, sp *blockSpan, i int) (bool, error) {
	c, err := sp.look(ctx, sp.blocks[i])
	return c.Count > 0, err
}

// hasColumns is the owner of data column sidecars: from Gloas on there are none if the payload was not revealed.
func hasColumns(ctx context.Context, sp *blockSpan, i int) (bool, error) {
	if some, err := hasBlobs(ctx, sp, i); err != nil || !some {
		return false, err
	}
	if !sp.inGloas(sp.blocks[i].Slot) {
		return true, nil
	}
	return hasPayload(ctx, sp, i)
}

// inGloas reports whether a block of a slot has its payload apart.
func (sp *blockSpan) inGloas(slot ssz.Slot) bool {
	return sp.server.family.network.ForkAt(sp.server.family.network.EpochOf(slot)) >= ssz.Gloas
}

// hasPayload is the owner of execution payload envelopes. A payload is the chain's if the next block builds on
// it. Of the head that is open: the envelope tells, and where no envelopes are held, there may be one.
func hasPayload(ctx context.Context, sp *blockSpan, i int) (bool, error) {
	if !sp.inGloas(sp.blocks[i].Slot) {
		return false, nil
	}
	child := sp.child
	if i+1 < len(sp.blocks) {
		child = &sp.blocks[i+1]
	}
	if child == nil {
		return sp.mayBeRevealed(ctx, sp.blocks[i].Root)
	}
	ours, err := sp.look(ctx, sp.blocks[i])
	if err != nil {
		return false, err
	}
	theirs, err := sp.look(ctx, *child)
	return ours.BlockHash == theirs.ParentBlockHash, err
}

func (sp *blockSpan) mayBeRevealed(ctx context.Context, head ssz.Root) (bool, error) {
	source := sp.server.sources.Payloads
	if source == nil {
		return true, nil
	}
	for _, err := range source.ExecutionPayloadEnvelopesByRoot(ctx, []ssz.Root{head}) {
		return err == nil, err
	}
	return false, nil
}

// first returns the first block from the i-th on that objects belong to, or the number of blocks if there is none.
func (sp *blockSpan) first(ctx context.Context, i int, has owner) (int, error) {
	for ; i < len(sp.blocks); i++ {
		if some, err := has(ctx, sp, i); err != nil || some {
			return i, err
		}
	}
	return i, nil
}

// peekCommitments returns what a block of a slot says of its blobs, from the frames of its SSZ encoding. It
// decodes the few chunks of 64 KiB that it has to look into. The error tells that the frames are not a block of the
// slot's fork.
func peekCommitments(n *ssz.Network, slot ssz.Slot, frames []byte) (ssz.BlobCommitments, error) {
	r, err := snappy.NewReaderAt(frames)
	if err != nil {
		return ssz.BlobCommitments{}, fmt.Errorf("beacon: block of slot %d: %w", slot, err)
	}
	c, err := n.PeekBlobCommitments(n.ForkAt(n.EpochOf(slot)), r, r.Size())
	if err != nil {
		return c, fmt.Errorf("beacon: block of slot %d: %w", slot, err)
	}
	return c, nil
}

// A peeker looks into blocks of a chain, one after another.
type peeker struct {
	server *Server
	in     *reqresp.Inbound // is charged for what is read; nil if that is for no request
	frames []byte
}

func (p *peeker) peek(ctx context.Context, ref Ref) (c ssz.BlobCommitments, err error) {
	n := p.server.family.network
	if n.ForkAt(n.EpochOf(ref.Slot)) < ssz.Deneb {
		return c, nil
	}
	if commitments := p.server.sources.BlobCommitments; commitments != nil {
		if c, err = commitments(ctx, ref); !errors.Is(err, ErrUnavailable) {
			return c, err
		}
	}
	read := func(dst []byte) (frames []byte, err error) {
		if frames, err = p.server.chain.AppendFrames(ctx, ref, dst); err == nil {
			c, err = peekCommitments(n, ref.Slot, frames)
		}
		return frames, err
	}
	if p.in != nil {
		err = p.in.Fetch(ctx, uint64(ref.FramesSize), read)
	} else {
		p.frames, err = read(p.frames[:0])
	}
	return c, err
}
