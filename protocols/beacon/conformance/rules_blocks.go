package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blocks is the demands on blocks.
func blocks() []demand {
	byRange, byRoot, v2 := named(blocksByRange), named(blocksByRoot), second(blocksByRange)
	return []demand{
		{
			id: "S2-serve", severity: Must, of: byRange,
			asked: "the slots up to its head", expected: "blocks up to the head, in order and linked, each with the digest of its epoch", try: tryNewest,
		},
		{
			id: "S2-first", severity: Must, of: byRange,
			asked: "the slots from a block on", expected: "that block first", try: tryFirst,
		},
		{
			id: "S2-gap", severity: Must, of: byRange,
			asked: "the slots from an empty one on", expected: "the next block first", try: tryGap,
		},
		{
			id: "S2-count", severity: Must, of: byRange,
			asked: "one slot", expected: "no more than one block", try: tryOneSlot,
		},
		{
			id: "S2-finalized", severity: Must, of: v2,
			asked: "the slots up to its finalized checkpoint", expected: "the finalized block of its status as the last", try: tryFinalized,
		},
		{
			id: "S2-unavailable", severity: Should, of: v2,
			asked: "slots before the earliest available", expected: "code 3, or blocks", try: tryBeforeEarliest,
		},
		{
			id: "S10-boundary", severity: Must, of: v2,
			asked: "the slots around a change of digest", expected: "each block with its own fork's type and digest", try: tryBoundary,
		},
		{
			id: "S2-future", severity: Should, of: byRange,
			asked: "a slot yet to come", expected: "no chunk and no error", try: tryFuture,
		},
		{
			id: "S3-known", severity: Must, of: byRoot,
			asked: "a block that it has", expected: "the block", try: tryRoot,
		},
		{
			id: "S3-unknown", severity: Should, of: byRoot,
			asked: "a root that is none", expected: "no chunk and no error, or code 3", try: tryUnknownRoot,
		},
		{
			id: "S7-ancestry", severity: Must, of: named(blocksByHead),
			asked: "its newest block and two before", expected: "the block first, then its ancestors", try: tryAncestry,
		},
		{
			id: "S7-count", severity: Must, of: named(blocksByHead),
			asked: "one of its blocks alone", expected: "that block and no other", try: tryOneAncestor,
		},
		{
			id: "S7-unknown", severity: Should, of: named(blocksByHead),
			asked: "the ancestry of a root that is none", expected: "no chunk and no error, or code 3", try: tryUnknownHead,
		},
		{
			id: "M15-altair", severity: Must, of: except(named(blocksByRange, blocksByRoot), withContext),
			asked: "a block of altair or later by version 1", expected: "code 1, or no chunk as of what is deprecated", try: tryOldVersion,
		},
		{
			id: "S2-overflow", severity: Should, of: byRange, rough: all, hostile: all,
			asked: "a range beyond the last slot of all", expected: "an error, or no block", try: tryOverflow,
		},
	}
}

func slots(blocks []*beacon.Block) string {
	if len(blocks) == 0 {
		return "no blocks"
	}
	return fmt.Sprintf("%d blocks, slots %d to %d", len(blocks), blocks[0].Slot, blocks[len(blocks)-1].Slot)
}

func tryNewest(ctx context.Context, s *session, r *Rule) (string, error) {
	start, count := s.newest(sampled)
	if count == 0 {
		return "", skipped(fmt.Sprintf("its head is at slot %d, its earliest slot is %d", s.theirs.HeadSlot, start))
	}
	blocks, err := s.byRange(ctx, r, start, count)
	if err != nil {
		return "", err
	}
	// An answer may be short, but not empty: the head is in the range.
	if len(blocks) == 0 {
		return "", broken("no blocks, the head is at slot %d", s.theirs.HeadSlot)
	}
	return slots(blocks), nil
}

func tryFirst(ctx context.Context, s *session, r *Rule) (string, error) {
	first, err := s.settled()
	if err != nil {
		return "", err
	}
	blocks, err := s.byRange(ctx, r, first.Slot, 4)
	if err != nil {
		return "", err
	}
	if len(blocks) == 0 || blocks[0].Root != first.Root {
		return "", broken("%s", slots(blocks))
	}
	return slots(blocks), nil
}

func tryGap(ctx context.Context, s *session, r *Rule) (string, error) {
	for i := 1; i < len(s.blocks); i++ {
		empty, next := s.blocks[i-1].Slot+1, s.blocks[i]
		if empty == next.Slot {
			continue
		}
		blocks, err := s.byRange(ctx, r, empty, uint64(next.Slot-empty)+2)
		if err == nil && (len(blocks) == 0 || blocks[0].Root != next.Root) {
			err = broken("%s, the first is in slot %d", slots(blocks), next.Slot)
		}
		return slots(blocks), err
	}
	return "", skipped("no slot is empty among its newest")
}

func tryOneSlot(ctx context.Context, s *session, r *Rule) (string, error) {
	settled, err := s.settled()
	if err != nil {
		return "", err
	}
	blocks, err := s.byRange(ctx, r, settled.Slot, 1)
	if err != nil {
		return "", err
	}
	if len(blocks) != 1 || blocks[0].Root != settled.Root {
		return "", broken("%s", slots(blocks))
	}
	return slots(blocks), nil
}

func tryFinalized(ctx context.Context, s *session, r *Rule) (string, error) {
	const before = 8
	last := s.network.StartSlot(s.theirs.FinalizedEpoch)
	start := max(s.theirs.EarliestAvailableSlot, last-min(last, before-1))
	if s.theirs.FinalizedEpoch == 0 || start > last {
		return "", skipped("nothing that it has is final")
	}
	blocks, err := s.wholeRange(ctx, r, start, last)
	switch {
	case err != nil:
		return "", err
	case len(blocks) == 0:
		return "", skipped("the slots before its finalized checkpoint are empty")
	case blocks[len(blocks)-1].Root != s.theirs.FinalizedRoot:
		return "", broken("%s, the last is %v, its finalized root is %v", slots(blocks), blocks[len(blocks)-1].Root, s.theirs.FinalizedRoot)
	}
	return slots(blocks), nil
}

// wholeRange asks for the blocks of some slots, and for the rest again as long as answers are short, as they
// may be.
func (s *session) wholeRange(ctx context.Context, r *Rule, start, last ssz.Slot) (all []*beacon.Block, err error) {
	for start <= last {
		blocks, err := s.byRange(ctx, r, start, uint64(last-start)+1)
		if err != nil || len(blocks) == 0 {
			return all, err
		}
		all = append(all, blocks...)
		start = blocks[len(blocks)-1].Slot + 1
	}
	return all, nil
}

func tryBoundary(ctx context.Context, s *session, r *Rule) (string, error) {
	const around = 8
	var at ssz.Slot
	for _, p := range s.network.Periods() {
		first := s.network.StartSlot(p.First)
		if first > around && first-around > s.theirs.EarliestAvailableSlot && first+around/2 <= s.theirs.HeadSlot {
			at = first
		}
	}
	if at == 0 {
		return "", skipped("no change of digest in the slots that it has")
	}
	blocks, err := s.byRange(ctx, r, at-around/2, around)
	if err != nil {
		return "", err
	}
	digests := make(map[ssz.ForkDigest]bool)
	for _, b := range blocks {
		digests[b.Digest] = true
	}
	if len(digests) < 2 {
		return "", skipped(fmt.Sprintf("blocks on one side only: %s", slots(blocks)))
	}
	return fmt.Sprintf("%s, of %d digests", slots(blocks), len(digests)), nil
}

func tryFuture(ctx context.Context, s *session, r *Rule) (string, error) {
	a, err := s.paced(ctx, r, payload(rangeRequest(uint64(max(s.currentSlot(), s.theirs.HeadSlot)+8), 1)))
	if err != nil {
		return "", err
	}
	if len(a.wire) > 0 || a.end != nil {
		return "", broken("%v", a)
	}
	return "no chunk", nil
}

func tryOldVersion(ctx context.Context, s *session, r *Rule) (string, error) {
	head, err := s.head()
	if err != nil {
		return "", err
	}
	if head.Fork == ssz.Phase0 {
		return "", skipped("its blocks are of phase0")
	}
	message := head.Root[:]
	if r.Method == blocksByRange {
		message = rangeRequest(uint64(head.Slot), 1)
	}
	a, err := s.paced(ctx, r, payload(message))
	if err != nil {
		return "", err
	}
	if empty := len(a.wire) == 0 && a.end == nil; !empty && !code1(a) {
		return "", broken("%v", a)
	}
	return a.String(), nil
}

func tryOverflow(ctx context.Context, s *session, r *Rule) (string, error) {
	return s.notServed(ctx, r, payload(rangeRequest(math.MaxUint64-1, 8)))
}

// rangeRequest is a BeaconBlocksByRangeRequest.
func rangeRequest(start, count uint64) (b []byte) {
	for _, n := range []uint64{start, count, 1} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}
