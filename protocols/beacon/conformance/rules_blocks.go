package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blocks is the demands on blocks.
func blocks() []demand {
	byRange, byRoot, v2 := named(blocksByRange), named(blocksByRoot), second(blocksByRange)
	return []demand{
		{id: "S2-serve", of: byRange, try: tryNewest,
			asked:    "the slots up to its head",
			expected: "blocks up to the head, in order and linked, each with the digest of its epoch"},
		{id: "S2-first", of: byRange, try: tryFirst,
			asked: "the slots from a block on", expected: "that block first"},
		{id: "S2-gap", of: byRange, try: tryGap,
			asked: "the slots from an empty one on", expected: "the next block first"},
		{id: "S2-count", of: byRange, try: tryOneSlot,
			asked: "one slot", expected: "no more than one block"},
		{id: "S2-finalized", of: v2, try: tryFinalized,
			asked:    "the slots up to its finalized checkpoint",
			expected: "the finalized block of its status as the last"},
		{id: "S2-unavailable", severity: Should, of: v2, try: tryBeforeEarliest,
			asked: "slots before the earliest available", expected: "code 3, or blocks"},
		{id: "S10-boundary", of: v2, try: tryBoundary,
			asked: "the slots around a change of digest", expected: "each block with its own fork's type and digest"},
		{id: "S2-future", severity: Should, of: byRange, try: tryFuture,
			asked: "a slot yet to come", expected: "no chunk and no error"},
		{id: "S3-known", of: byRoot, try: tryRoot,
			asked: "a block that it has", expected: "the block"},
		{id: "S3-unknown", severity: Should, of: byRoot, try: tryUnknownRoot,
			asked: "a root that is none", expected: "no chunk and no error, or code 3"},
		{id: "S7-ancestry", of: named(blocksByHead), try: tryAncestry,
			asked: "its newest block and two before", expected: "the block first, then its ancestors"},
		{id: "S7-count", of: named(blocksByHead), try: tryOneAncestor,
			asked: "one of its blocks alone", expected: "that block and no other"},
		{id: "S7-unknown", severity: Should, of: named(blocksByHead), try: tryUnknownHead,
			asked: "the ancestry of a root that is none", expected: "no chunk and no error, or code 3"},
		{id: "M15-altair", of: except(named(blocksByRange, blocksByRoot), withContext), try: tryOldVersion,
			asked:    "a block of altair or later by version 1",
			expected: "code 1, or no chunk as of what is deprecated"},
		{id: "S2-overflow", severity: Should, of: byRange, rough: all, hostile: all, try: tryOverflow,
			asked: "a range beyond the last slot of all", expected: "an error, or no block"},
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
	return s.noneOrUnavailable(ctx, r, payload(nowhere[:]))
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
