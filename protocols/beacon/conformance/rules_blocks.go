package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func blockRules() []Rule {
	const byRange, byRoot, byHead = "beacon_blocks_by_range", "beacon_blocks_by_root", "beacon_blocks_by_head"
	return []Rule{
		{
			ID: "S2-serve", Method: byRange, Version: 2, Severity: Must,
			Asked: "the slots up to its head", Expected: "blocks up to the head, in order and linked, each with the digest of its epoch", try: tryNewest,
		},
		{
			ID: "S2-first", Method: byRange, Version: 2, Severity: Must,
			Asked: "the slots from a block on", Expected: "that block first", try: tryFirst,
		},
		{
			ID: "S2-count", Method: byRange, Version: 2, Severity: Must,
			Asked: "one slot", Expected: "no more than one block", try: tryOneSlot,
		},
		{
			ID: "S10-context", Method: byRange, Version: 2, Severity: Must,
			Asked: "the slots around a change of digest", Expected: "each block with its own fork's type and digest", try: tryBoundary,
		},
		{
			ID: "S2-future", Method: byRange, Version: 2, Severity: Should,
			Asked: "a slot yet to come", Expected: "no chunk and no error", try: tryFuture,
		},
		{
			ID: "S3-known", Method: byRoot, Version: 2, Severity: Must,
			Asked: "a block that it has", Expected: "the block", try: tryRoot,
		},
		{
			ID: "S3-unknown", Method: byRoot, Version: 2, Severity: Must,
			Asked: "a root that is none", Expected: "no chunk and no error", try: tryUnknownRoot,
		},
		{
			ID: "S7-ancestry", Method: byHead, Version: 1, Severity: Must,
			Asked: "its newest block and two before", Expected: "the block first, then its ancestors", try: tryAncestry,
		},
		{
			ID: "S7-unknown", Method: byHead, Version: 1, Severity: Must,
			Asked: "the ancestry of a root that is none", Expected: "no block", try: tryUnknownHead,
		},
		{
			ID: "M15-altair", Method: byRange, Version: 1, Severity: Must,
			Asked: "a block of altair or later by version 1", Expected: "code 1", try: tryOldVersion,
		},
		{
			ID: "S2-overflow", Method: byRange, Version: 2, Severity: Should, Rough: true,
			Asked: "a range beyond the last slot of all", Expected: "an error, or no block", try: tryOverflow,
		},
		{
			ID: "M6-half", Method: byRoot, Version: 2, Severity: Must, Rough: true,
			Asked: "half a root", Expected: "code 1", try: tryMalformed(payload(make([]byte, 16))),
		},
	}
}

// blocksOf collects an answer.
func blocksOf(blocks iter.Seq2[*beacon.Block, error]) (all []*beacon.Block, err error) {
	for b, err := range blocks {
		if err != nil {
			return all, told(err)
		}
		all = append(all, b)
	}
	return all, nil
}

func (s *session) byRange(ctx context.Context, start ssz.Slot, count uint64) ([]*beacon.Block, error) {
	if err := s.pace.wait(ctx, "beacon_blocks_by_range", count); err != nil {
		return nil, err
	}
	return blocksOf(s.client.BlocksByRange(ctx, s.to, start, count))
}

func (s *session) byRoot(ctx context.Context, roots ...ssz.Root) ([]*beacon.Block, error) {
	if err := s.pace.wait(ctx, "beacon_blocks_by_root", uint64(len(roots))); err != nil {
		return nil, err
	}
	return blocksOf(s.client.BlocksByRoot(ctx, s.to, roots))
}

func (s *session) byHead(ctx context.Context, root ssz.Root, count uint64) ([]*beacon.Block, error) {
	if err := s.pace.wait(ctx, "beacon_blocks_by_head", count); err != nil {
		return nil, err
	}
	return blocksOf(s.client.BlocksByHead(ctx, s.to, root, count))
}

func slots(blocks []*beacon.Block) string {
	if len(blocks) == 0 {
		return "no blocks"
	}
	return fmt.Sprintf("%d blocks, slots %d to %d", len(blocks), blocks[0].Slot, blocks[len(blocks)-1].Slot)
}

func tryNewest(ctx context.Context, s *session, _ *Rule) (string, error) {
	start, count := s.newest(sampled)
	if count == 0 {
		return "", skipped(fmt.Sprintf("its head is at slot %d, its earliest slot is %d", s.theirs.HeadSlot, start))
	}
	blocks, err := s.byRange(ctx, start, count)
	if err != nil {
		return "", err
	}
	// An answer may be short, but not empty: the head is in the range.
	if len(blocks) == 0 {
		return "", broken("no blocks, the head is at slot %d", s.theirs.HeadSlot)
	}
	return slots(blocks), nil
}

func tryFirst(ctx context.Context, s *session, _ *Rule) (string, error) {
	if len(s.blocks) == 0 {
		return "", skipped("the peer has shown no block")
	}
	first := s.blocks[len(s.blocks)/2]
	blocks, err := s.byRange(ctx, first.Slot, 4)
	if err != nil {
		return "", err
	}
	if len(blocks) == 0 || blocks[0].Root != first.Root {
		return "", broken("%s", slots(blocks))
	}
	return slots(blocks), nil
}

func tryOneSlot(ctx context.Context, s *session, _ *Rule) (string, error) {
	head, err := s.head()
	if err != nil {
		return "", err
	}
	blocks, err := s.byRange(ctx, head.Slot, 1)
	if err != nil {
		return "", err
	}
	if len(blocks) != 1 || blocks[0].Root != head.Root {
		return "", broken("%s", slots(blocks))
	}
	return slots(blocks), nil
}

func tryBoundary(ctx context.Context, s *session, _ *Rule) (string, error) {
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
	blocks, err := s.byRange(ctx, at-around/2, around)
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

func tryFuture(ctx context.Context, s *session, _ *Rule) (string, error) {
	blocks, err := s.byRange(ctx, max(s.currentSlot(), s.theirs.HeadSlot)+8, 1)
	if err != nil {
		return "", err
	}
	if len(blocks) > 0 {
		return "", broken("%s", slots(blocks))
	}
	return slots(blocks), nil
}

func tryRoot(ctx context.Context, s *session, _ *Rule) (string, error) {
	head, err := s.head()
	if err != nil {
		return "", err
	}
	blocks, err := s.byRoot(ctx, head.Root)
	if err != nil {
		return "", err
	}
	if len(blocks) != 1 {
		return "", broken("%s", slots(blocks))
	}
	return slots(blocks), nil
}

// nowhere is the root of no block.
var nowhere = ssz.Root{0xde, 0xad, 0xbe, 0xef}

func tryUnknownRoot(ctx context.Context, s *session, _ *Rule) (string, error) {
	blocks, err := s.byRoot(ctx, nowhere)
	return slots(blocks), err
}

func tryAncestry(ctx context.Context, s *session, _ *Rule) (string, error) {
	head, err := s.head()
	if err != nil {
		return "", err
	}
	blocks, err := s.byHead(ctx, head.Root, 3)
	if err != nil {
		return "", err
	}
	if len(blocks) == 0 {
		return "", broken("no blocks, slot %d was asked for", head.Slot)
	}
	return slots(blocks), nil
}

func tryUnknownHead(ctx context.Context, s *session, r *Rule) (string, error) {
	request := ssz.BeaconBlocksByHeadRequest{BeaconRoot: nowhere, Count: 3}
	b, err := request.MarshalSSZ()
	if err != nil {
		return "", err
	}
	return s.noneOrUnavailable(ctx, r, payload(b))
}

// noneOrUnavailable asks for what there is not, which is answered with nothing or with code 3.
func (s *session) noneOrUnavailable(ctx context.Context, r *Rule, wire []byte) (string, error) {
	a, err := s.paced(ctx, r, wire)
	if err != nil {
		return "", err
	}
	if len(a.wire) == 0 && a.end == nil {
		return "no chunk", nil
	}
	if code, _, ok := a.verdict(); !ok || code != byte(reqresp.CodeResourceUnavailable) {
		return "", broken("%v", a)
	}
	return a.String(), nil
}

func tryOldVersion(ctx context.Context, s *session, r *Rule) (string, error) {
	head, err := s.head()
	if err != nil {
		return "", err
	}
	if head.Fork == ssz.Phase0 {
		return "", skipped("its blocks are of phase0")
	}
	return tryMalformed(payload(rangeRequest(uint64(head.Slot), 1)))(ctx, s, r)
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
