package beacon

import (
	"context"
	"fmt"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// ExecutionPayloadEnvelopesByRange asks a peer for the execution payload envelopes of the blocks of
// slots start to start+count-1. It yields them as they arrive, each checked: well-formed, of its fork
// and digest, in the range, slots ascending. What it does not check is that they belong to blocks
// known, nor signatures. It is otherwise as BlocksByRange.
func (c *Client) ExecutionPayloadEnvelopesByRange(
	ctx context.Context, to peer.ID, start ssz.Slot, count uint64,
) iter.Seq2[*ExecutionPayloadEnvelope, error] {
	span := newSpan(uint64(start), count)
	var last *ExecutionPayloadEnvelope
	check := func(e *ExecutionPayloadEnvelope) error {
		if err := span.check(uint64(e.Slot)); err != nil {
			return err
		}
		if last != nil && e.Slot <= last.Slot {
			return fmt.Errorf("%w: %d after %d", ErrSlotOrder, e.Slot, last.Slot)
		}
		last = e
		return nil
	}
	return (&call[ExecutionPayloadEnvelope, *ExecutionPayloadEnvelope]{c, check}).stream(ctx, to, &envelopeSpan{&span}, c.family.ExecutionPayloadEnvelopesByRange.Spec())
}

// envelopeSpan asks for envelopes by range.
type envelopeSpan struct{ *span }

func (e *envelopeSpan) next(n int) any {
	if !e.take(n) {
		return nil
	}
	return &ssz.ExecutionPayloadEnvelopesByRangeRequest{StartSlot: ssz.Slot(e.start), Count: e.count}
}

// ExecutionPayloadEnvelopesByRoot asks a peer for the execution payload envelopes of blocks by the
// blocks' roots, and yields those it has, in the order in which it sends them, each checked:
// well-formed, of its fork and digest, and of a block asked for. It is otherwise as
// ExecutionPayloadEnvelopesByRange.
func (c *Client) ExecutionPayloadEnvelopesByRoot(
	ctx context.Context, to peer.ID, roots []ssz.Root,
) iter.Seq2[*ExecutionPayloadEnvelope, error] {
	wanted := newRootCheck(roots, func(roots []ssz.Root) any { return new(ssz.ExecutionPayloadEnvelopesByRootRequest(roots)) })
	check := func(e *ExecutionPayloadEnvelope) error { return wanted.checkRoot(e.Slot, e.BlockRoot) }
	return (&call[ExecutionPayloadEnvelope, *ExecutionPayloadEnvelope]{c, check}).stream(ctx, to, wanted, c.family.ExecutionPayloadEnvelopesByRoot.Spec())
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
	return (&call[InclusionList, *InclusionList]{c, check}).stream(ctx, to, &whole{req}, c.family.InclusionListsByIndices.Spec())
}
