package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blocks is the demands on blocks.
func blocks() []demand {
	byRange, byRoot, v2 := named(blocksByRange), named(blocksByRoot), second(blocksByRange)
	return []demand{
		must("S2-serve", byRange, tryNewest, "the slots up to its head",
			"blocks up to the head, in order and linked, each with the digest of its epoch"),
		must("S2-first", byRange, tryFirst, "the slots from a block on", "that block first"),
		must("S2-gap", byRange, tryGap, "the slots from an empty one on", "the next block first"),
		must("S2-count", byRange, tryOneSlot, "one slot", "no more than one block"),
		must("S2-finalized", v2, tryFinalized,
			"the slots up to its finalized checkpoint", "the finalized block of its status as the last"),
		should("S2-unavailable", v2, tryBeforeEarliest, "slots before the earliest available", "code 3, or blocks"),
		must("S10-boundary", v2, tryBoundary,
			"the slots around a change of digest", "each block with its own fork's type and digest"),
		should("S2-future", byRange, tryFuture, "a slot yet to come", "no chunk and no error"),
		must("S3-known", byRoot, tryRoot, "a block that it has", "the block"),
		should("S3-unknown", byRoot, tryUnknownRoot, "a root that is none", "no chunk and no error, or code 3"),
		must("S7-ancestry", named(blocksByHead), tryAncestry,
			"its newest block and two before", "the block first, then its ancestors"),
		must("S7-count", named(blocksByHead), tryOneAncestor, "one of its blocks alone", "that block and no other"),
		should("S7-unknown", named(blocksByHead), tryUnknownHead,
			"the ancestry of a root that is none", "no chunk and no error, or code 3"),
		must("M15-altair", except(named(blocksByRange, blocksByRoot), withContext), tryOldVersion,
			"a block of altair or later by version 1", "code 1, or no chunk as of what is deprecated"),
		should("S2-overflow", byRange, tryOverflow,
			"a range beyond the last slot of all", "an error, or no block").withRough(all, all),
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
		return "", broken("%s, the last is %v, its finalized root is %v",
			slots(blocks), blocks[len(blocks)-1].Root, s.theirs.FinalizedRoot)
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
	return s.expect(ctx, r, payload(rangeRequest(uint64(max(s.currentSlot(), s.theirs.HeadSlot)+8), 1)), isEmpty)
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
	return s.expect(ctx, r, payload(message), either(isEmpty, code1))
}

func tryOverflow(ctx context.Context, s *session, r *Rule) (string, error) {
	return s.expect(ctx, r, payload(rangeRequest(math.MaxUint64-1, 8)), unserved)
}

// rangeRequest is a BeaconBlocksByRangeRequest.
func rangeRequest(start, count uint64) (b []byte) {
	for _, n := range []uint64{start, count, 1} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

func tryRoot(ctx context.Context, s *session, r *Rule) (string, error) {
	head, err := s.head()
	if err != nil {
		return "", err
	}
	blocks, err := s.byRoot(ctx, r, head.Root)
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

func tryUnknownRoot(ctx context.Context, s *session, r *Rule) (string, error) {
	return s.noneOrUnavailable(ctx, r, &ssz.BeaconBlocksByRootRequest{nowhere})
}

// servedHead returns the peer's head, whose ancestry it has to serve unless it is older than blocks are kept.
func (s *session) servedHead(r *Rule) (*beacon.Block, error) {
	head, err := s.head()
	if err == nil && head.Slot < s.row(r.Method, r.Version).ServedFrom(s.currentSlot()) {
		return nil, skipped(fmt.Sprintf("its head, of slot %d, is before its serve range", head.Slot))
	}
	return head, err
}

func tryAncestry(ctx context.Context, s *session, r *Rule) (string, error) {
	head, err := s.servedHead(r)
	if err != nil {
		return "", err
	}
	blocks, err := s.byHead(ctx, r, head.Root, 3)
	if err != nil {
		return "", err
	}
	if len(blocks) == 0 {
		return "", broken("no blocks, slot %d was asked for", head.Slot)
	}
	return slots(blocks), nil
}

func tryOneAncestor(ctx context.Context, s *session, r *Rule) (string, error) {
	head, err := s.servedHead(r)
	if err != nil {
		return "", err
	}
	blocks, err := s.byHead(ctx, r, head.Root, 1)
	if err == nil && len(blocks) != 1 {
		err = broken("%s", slots(blocks))
	}
	return slots(blocks), err
}

func tryUnknownHead(ctx context.Context, s *session, r *Rule) (string, error) {
	return s.noneOrUnavailable(ctx, r, &ssz.BeaconBlocksByHeadRequest{BeaconRoot: nowhere, Count: 3})
}

// noneOrUnavailable asks for what there is not, which is answered with nothing or with code 3.
func (s *session) noneOrUnavailable(ctx context.Context, r *Rule, request marshaler) (string, error) {
	return s.expect(ctx, r, payload(encode(request)), either(isEmpty, code3))
}

// byRange asks for blocks by the version of a rule.
func (s *session) byRange(ctx context.Context, r *Rule, start ssz.Slot, count uint64) ([]*beacon.Block, error) {
	if err := s.old(r); err != nil {
		return nil, err
	}
	if r.Version == 2 {
		return collect(ctx, s, r.Method, count, s.client.BlocksByRange(ctx, s.to, start, count))
	}
	if err := s.pace.wait(ctx, r.Method, count); err != nil {
		return nil, err
	}
	blocks, err := s.oldBlocks(ctx, r, &ssz.BeaconBlocksByRangeRequest{StartSlot: start, Count: count, Step: 1})
	if err != nil {
		return nil, err
	}
	for i, b := range blocks {
		switch {
		case b.Slot < start || uint64(b.Slot-start) >= count:
			return nil, broken("slot %d, asked for %d from %d", b.Slot, count, start)
		case i > 0 && (b.Slot <= blocks[i-1].Slot || b.ParentRoot != blocks[i-1].Root):
			return nil, broken("slot %d does not follow slot %d", b.Slot, blocks[i-1].Slot)
		}
	}
	return blocks, nil
}

func (s *session) byRoot(ctx context.Context, r *Rule, root ssz.Root) ([]*beacon.Block, error) {
	if err := s.old(r); err != nil {
		return nil, err
	}
	if r.Version == 2 {
		return collect(ctx, s, r.Method, 1, s.client.BlocksByRoot(ctx, s.to, []ssz.Root{root}))
	}
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return nil, err
	}
	blocks, err := s.oldBlocks(ctx, r, &ssz.BeaconBlocksByRootRequest{root})
	if err == nil && blocks[0].Root != root {
		err = broken("block %v, asked for %v", blocks[0].Root, root)
	}
	return blocks, err
}

func (s *session) byHead(ctx context.Context, r *Rule, root ssz.Root, count uint64) ([]*beacon.Block, error) {
	return collect(ctx, s, r.Method, count, s.client.BlocksByHead(ctx, s.to, root, count))
}

// old skips a rule of version 1 for a peer whose blocks that does not carry.
func (s *session) old(r *Rule) error {
	fork := s.network.ForkAt(s.network.EpochOf(s.theirs.HeadSlot))
	if r.Version == 1 && named(blocksByRange, blocksByRoot)(s.row(r.Method, 1)) && fork != ssz.Phase0 {
		return skipped("version 1 carries blocks of phase0 alone")
	}
	return nil
}

// oldBlocks asks by version 1 alone, which the client does not where there is another, and finds the blocks' roots.
// The answer may be empty, as the version is deprecated: there is nothing to be judged then.
func (s *session) oldBlocks(ctx context.Context, r *Rule, req any) ([]*beacon.Block, error) {
	out, err := s.engine.Open(ctx, s.to, s.row(r.Method, 1).Spec())
	if err != nil {
		return nil, told(err)
	}
	defer out.Close()
	if err := out.Send(req); err != nil {
		return nil, told(err)
	}
	var blocks []*beacon.Block
	for {
		b := new(beacon.Block)
		err := out.Receive(b)
		switch {
		case err == io.EOF && len(blocks) == 0:
			return nil, skipped("no block, as of what is deprecated")
		case err == io.EOF:
			return blocks, nil
		case err != nil:
			return nil, told(err)
		}
		if b.Root, err = s.network.BlockRoot(b.Fork, b.SSZ); err != nil {
			return nil, broken("slot %d: %w", b.Slot, err)
		}
		blocks = append(blocks, b)
	}
}
