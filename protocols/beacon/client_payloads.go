package beacon

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// ExecutionPayloadEnvelopesByRange asks a peer for the execution payload envelopes of the blocks of
// slots start to start+count-1. It yields them as they arrive, each checked: well-formed, of its fork
// and digest, in the range, slots ascending. What it does not check is that they belong to blocks
// known, which ExecutionPayloadEnvelopesOfBlocks does, nor signatures. It is otherwise as BlocksByRange.
func (c *Client) ExecutionPayloadEnvelopesByRange(
	ctx context.Context, to peer.ID, start ssz.Slot, count uint64,
) iter.Seq2[*ExecutionPayloadEnvelope, error] {
	req := &ssz.ExecutionPayloadEnvelopesByRangeRequest{StartSlot: start, Count: count}
	var last *ExecutionPayloadEnvelope
	check := func(e *ExecutionPayloadEnvelope) error {
		if e.Slot < start || uint64(e.Slot-start) >= count {
			return fmt.Errorf("%w: slot %d, asked for %d from %d", ErrOutOfRange, e.Slot, count, start)
		}
		if last != nil && e.Slot <= last.Slot {
			return fmt.Errorf("%w: %d after %d", ErrSlotOrder, e.Slot, last.Slot)
		}
		last = e
		return nil
	}
	return (&call[ExecutionPayloadEnvelope, *ExecutionPayloadEnvelope]{c, check}).stream(ctx, to, req, c.family.ExecutionPayloadEnvelopesByRange.Spec())
}

// ExecutionPayloadEnvelopesOfBlocks asks a peer by range for the execution payload envelopes of blocks that are
// known: some consecutive blocks of one chain, in ascending order. It yields them as
// ExecutionPayloadEnvelopesByRange does, each checked further: it is of one of the blocks, and the next of them
// builds on its payload. A payload that the chain has not built on is ErrNotBuiltOn. The last block has no
// next: whether its payload is the chain's is the caller's to find out. An error that is none of a peer's tells
// that a block is malformed.
func (c *Client) ExecutionPayloadEnvelopesOfBlocks(
	ctx context.Context, to peer.ID, blocks []*Block,
) iter.Seq2[*ExecutionPayloadEnvelope, error] {
	return func(yield func(*ExecutionPayloadEnvelope, error) bool) {
		if len(blocks) == 0 {
			return
		}
		built, err := c.payloadsBuiltOn(blocks)
		if err != nil {
			yield(nil, err)
			return
		}
		start, last := blocks[0].Slot, ssz.Slot(0)
		count := uint64(blocks[len(blocks)-1].Slot-start) + 1
		req := &ssz.ExecutionPayloadEnvelopesByRangeRequest{StartSlot: start, Count: count}
		check := func(e *ExecutionPayloadEnvelope) error {
			ok, known := built[e.BlockRoot]
			switch {
			case e.Slot < start || uint64(e.Slot-start) >= count:
				return fmt.Errorf("%w: slot %d, asked for %d from %d", ErrOutOfRange, e.Slot, count, start)
			case e.Slot <= last && last > 0:
				return fmt.Errorf("%w: %d after %d", ErrSlotOrder, e.Slot, last)
			case !known:
				return fmt.Errorf("%w: root %v of slot %d", ErrUnexpectedRoot, e.BlockRoot, e.Slot)
			case !ok:
				return fmt.Errorf("%w: of block %v in slot %d", ErrNotBuiltOn, e.BlockRoot, e.Slot)
			}
			last = e.Slot
			return nil
		}
		call := &call[ExecutionPayloadEnvelope, *ExecutionPayloadEnvelope]{c, check}
		call.stream(ctx, to, req, c.family.ExecutionPayloadEnvelopesByRange.Spec())(yield)
	}
}

// payloadsBuiltOn returns of which of some blocks the next builds on the payload. Of the last it is not known:
// true.
func (c *Client) payloadsBuiltOn(blocks []*Block) (map[ssz.Root]bool, error) {
	built := make(map[ssz.Root]bool, len(blocks))
	for i, b := range blocks {
		ok := true
		if i+1 < len(blocks) {
			var err error
			if ok, err = c.BuildsOn(b, blocks[i+1]); err != nil {
				return nil, err
			}
		}
		built[b.Root] = ok
	}
	return built, nil
}

// BuildsOn reports whether a child of a block builds on the block's execution payload. Before Gloas that is a
// part of the block. The error tells that one of them is malformed.
func (c *Client) BuildsOn(parent, child *Block) (bool, error) {
	if parent.Fork < ssz.Gloas {
		return true, nil
	}
	var told [2]ssz.BlobCommitments
	for i, b := range []*Block{parent, child} {
		var err error
		if told[i], err = c.family.network.PeekBlobCommitments(b.Fork, bytes.NewReader(b.SSZ), int64(len(b.SSZ))); err != nil {
			return false, fmt.Errorf("beacon: block %v of slot %d: %w", b.Root, b.Slot, err)
		}
	}
	return told[0].BlockHash == told[1].ParentBlockHash, nil
}

// ExecutionPayloadEnvelopesByRoot asks a peer for the execution payload envelopes of blocks by the
// blocks' roots, and yields those it has, in the order in which it sends them, each checked:
// well-formed, of its fork and digest, and of a block asked for. It is otherwise as
// ExecutionPayloadEnvelopesByRange.
func (c *Client) ExecutionPayloadEnvelopesByRoot(
	ctx context.Context, to peer.ID, roots []ssz.Root,
) iter.Seq2[*ExecutionPayloadEnvelope, error] {
	req, wanted := ssz.ExecutionPayloadEnvelopesByRootRequest(roots), newRootCheck(roots)
	check := func(e *ExecutionPayloadEnvelope) error { return wanted.checkRoot(e.Slot, e.BlockRoot) }
	return (&call[ExecutionPayloadEnvelope, *ExecutionPayloadEnvelope]{c, check}).stream(ctx, to, &req, c.family.ExecutionPayloadEnvelopesByRoot.Spec())
}

// InclusionListsByIndices asks a peer for the inclusion lists of those members of a slot's inclusion
// list committee whose bits are set, the first in the lowest bit. The committee is that of the state
// of the block with root dependent. It yields the lists as they arrive, each checked: well-formed, of
// its fork and digest, of the slot and the root, and the only one of its validator. Signatures and
// membership are not checked. It is otherwise as BlocksByRange.
func (c *Client) InclusionListsByIndices(
	ctx context.Context, to peer.ID, slot ssz.Slot, dependent ssz.Root, members [2]byte,
) iter.Seq2[*InclusionList, error] {
	req := &ssz.InclusionListsByIndicesRequest{Slot: slot, DependentRoot: dependent, Indices: members}
	seen := make(map[uint64]bool)
	check := func(l *InclusionList) error {
		switch {
		case l.Slot != slot:
			return fmt.Errorf("%w: slot %d, asked for %d", ErrOutOfRange, l.Slot, slot)
		case l.DependentRoot != dependent:
			return fmt.Errorf("%w: dependent root %v, asked for %v", ErrUnexpectedRoot, l.DependentRoot, dependent)
		case seen[l.ValidatorIndex]:
			return fmt.Errorf("%w: list of validator %d", ErrRepeated, l.ValidatorIndex)
		}
		seen[l.ValidatorIndex] = true
		return nil
	}
	return (&call[InclusionList, *InclusionList]{c, check}).stream(ctx, to, req, c.family.InclusionListsByIndices.Spec())
}
