package conformance

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blocks is the demands on blocks.
func blocks() []demand {
	byRange, byRoot, v2 := named(blocksByRange), named(blocksByRoot), version(blocksByRange, 2)
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
		must("S7-ancestry", named(blocksByHead), tryAncestry(3),
			"its newest block and two before", "the block first, then its ancestors"),
		must("S7-count", named(blocksByHead), tryAncestry(1), "one of its blocks alone", "that block and no other"),
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

// startsWith reports whether the first of some blocks is the one of a root.
func startsWith(blocks []*beacon.Block, root ssz.Root) bool {
	return len(blocks) > 0 && blocks[0].Root == root
}

func tryNewest(ctx context.Context, t *trial) (string, error) {
	start, count := t.newest(mostShown)
	if count == 0 {
		return "", skipped(fmt.Sprintf("its head is at slot %d, its earliest slot is %d", t.theirs.HeadSlot, start))
	}
	blocks, err := t.byRange(ctx, start, count)
	if err == nil && len(blocks) == 0 {
		// An answer may be short, but not empty: the head is in the range.
		err = broken("no blocks, the head is at slot %d", t.theirs.HeadSlot)
	}
	return slots(blocks), err
}

func tryFirst(ctx context.Context, t *trial) (string, error) {
	first, err := t.settled()
	if err != nil {
		return "", err
	}
	blocks, err := t.byRange(ctx, first.Slot, 4)
	return judge(slots(blocks), err, startsWith(blocks, first.Root))
}

func tryGap(ctx context.Context, t *trial) (string, error) {
	for i := 1; i < len(t.blocks); i++ {
		empty, next := t.blocks[i-1].Slot+1, t.blocks[i]
		if empty == next.Slot {
			continue
		}
		blocks, err := t.byRange(ctx, empty, uint64(next.Slot-empty)+2)
		if err == nil && !startsWith(blocks, next.Root) {
			err = broken("%s, the first is in slot %d", slots(blocks), next.Slot)
		}
		return slots(blocks), err
	}
	return "", skipped("no slot is empty among its newest")
}

func tryOneSlot(ctx context.Context, t *trial) (string, error) {
	settled, err := t.settled()
	if err != nil {
		return "", err
	}
	blocks, err := t.byRange(ctx, settled.Slot, 1)
	return judge(slots(blocks), err, len(blocks) == 1 && startsWith(blocks, settled.Root))
}

// settled returns a block that is less likely to be reorganised away meanwhile than the newest.
func (s *session) settled() (*beacon.Block, error) {
	_, err := s.head()
	if err != nil {
		return nil, err
	}
	return s.blocks[len(s.blocks)/2], nil
}

func tryFinalized(ctx context.Context, t *trial) (string, error) {
	const before = 8
	last := t.network.StartSlot(t.theirs.FinalizedEpoch)
	start := max(t.theirs.EarliestAvailableSlot, last-min(last, before-1))
	if t.theirs.FinalizedEpoch == 0 || start > last {
		return "", skipped("nothing that it has is final")
	}
	var blocks []*beacon.Block
	for start <= last { // answers may be short
		more, err := t.byRange(ctx, start, uint64(last-start)+1)
		if err != nil {
			return "", err
		}
		if len(more) == 0 {
			break
		}
		blocks = append(blocks, more...)
		start = more[len(more)-1].Slot + 1
	}
	if len(blocks) == 0 {
		return "", skipped("the slots before its finalized checkpoint are empty")
	}
	if found := blocks[len(blocks)-1].Root; found != t.theirs.FinalizedRoot {
		return "", broken("%s, the last is %v, its finalized root is %v", slots(blocks), found, t.theirs.FinalizedRoot)
	}
	return slots(blocks), nil
}

func tryBoundary(ctx context.Context, t *trial) (string, error) {
	const around = 8
	var at ssz.Slot
	for _, p := range t.network.Periods() {
		first := t.network.StartSlot(p.First)
		if first > around && first-around > t.theirs.EarliestAvailableSlot && first+around/2 <= t.theirs.HeadSlot {
			at = first
		}
	}
	if at == 0 {
		return "", skipped("no change of digest in the slots that it has")
	}
	blocks, err := t.byRange(ctx, at-around/2, around)
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

func tryFuture(ctx context.Context, t *trial) (string, error) {
	future := max(t.currentSlot(), t.theirs.HeadSlot) + 8
	return t.expect(ctx, rangeOf(t.Method, future, 1), isEmpty)
}

func tryOldVersion(ctx context.Context, t *trial) (string, error) {
	head, err := t.head()
	if err != nil {
		return "", err
	}
	if head.Fork == ssz.Phase0 {
		return "", skipped("its blocks are of phase0")
	}
	var request marshaler = &ssz.BeaconBlocksByRootRequest{head.Root}
	if t.Method == blocksByRange {
		request = rangeOf(t.Method, head.Slot, 1)
	}
	return t.expect(ctx, request, either(isEmpty, code1))
}

func tryOverflow(ctx context.Context, t *trial) (string, error) {
	return t.expect(ctx, rangeOf(t.Method, math.MaxUint64-1, 8), unserved)
}

func tryRoot(ctx context.Context, t *trial) (string, error) {
	head, err := t.head()
	if err != nil {
		return "", err
	}
	blocks, err := t.byRoot(ctx, head.Root)
	return judge(slots(blocks), err, len(blocks) == 1)
}

// nowhere is the root of no block.
var nowhere = ssz.Root{0xde, 0xad, 0xbe, 0xef}

// tryUnknownRoot asks for blocks, or for what has the same request.
func tryUnknownRoot(ctx context.Context, t *trial) (string, error) {
	return t.expect(ctx, &ssz.BeaconBlocksByRootRequest{nowhere}, isNoneOrUnavailable)
}

// tryAncestry asks for some blocks by head, and expects as many as are there: at least one.
func tryAncestry(count uint64) trier {
	return func(ctx context.Context, t *trial) (string, error) {
		head, err := t.head()
		if err != nil {
			return "", err
		}
		if head.Slot < t.row.ServedFrom(t.currentSlot()) {
			return "", skipped(fmt.Sprintf("its head, of slot %d, is before its serve range", head.Slot))
		}
		blocks, err := collect(ctx, t.session, t.Method, count, t.client.BlocksByHead(ctx, t.to, head.Root, count))
		if err == nil && len(blocks) == 0 {
			err = broken("no blocks, slot %d was asked for", head.Slot)
		}
		return slots(blocks), err
	}
}

func tryUnknownHead(ctx context.Context, t *trial) (string, error) {
	return t.expect(ctx, &ssz.BeaconBlocksByHeadRequest{BeaconRoot: nowhere, Count: 3}, isNoneOrUnavailable)
}

// newBlocks asks for blocks by version 2 of blocks by range.
func (s *session) newBlocks(ctx context.Context, start ssz.Slot, count uint64) ([]*beacon.Block, error) {
	return collect(ctx, s, blocksByRange, count, s.client.BlocksByRange(ctx, s.to, start, count))
}

// byRange asks for blocks by the version of the rule.
func (t *trial) byRange(ctx context.Context, start ssz.Slot, count uint64) ([]*beacon.Block, error) {
	if t.Version == 2 {
		return t.newBlocks(ctx, start, count)
	}
	blocks, err := t.oldBlocks(ctx, count, rangeOf(t.Method, start, count))
	for i, b := range blocks {
		switch {
		case b.Slot < start || uint64(b.Slot-start) >= count:
			return nil, broken("slot %d, asked for %d from %d", b.Slot, count, start)
		case i > 0 && (b.Slot <= blocks[i-1].Slot || b.ParentRoot != blocks[i-1].Root):
			return nil, broken("slot %d does not follow slot %d", b.Slot, blocks[i-1].Slot)
		}
	}
	return blocks, err
}

// byRoot asks for a block by the version of the rule.
func (t *trial) byRoot(ctx context.Context, root ssz.Root) ([]*beacon.Block, error) {
	if t.Version == 2 {
		return collect(ctx, t.session, t.Method, 1, t.client.BlocksByRoot(ctx, t.to, []ssz.Root{root}))
	}
	blocks, err := t.oldBlocks(ctx, 1, &ssz.BeaconBlocksByRootRequest{root})
	if err == nil && blocks[0].Root != root {
		err = broken("block %v, asked for %v", blocks[0].Root, root)
	}
	return blocks, err
}

// old skips a rule of version 1 for a peer whose blocks that does not carry.
func (t *trial) old() error {
	fork := t.network.ForkAt(t.network.EpochOf(t.theirs.HeadSlot))
	if t.Version == 1 && named(blocksByRange, blocksByRoot)(t.row) && fork != ssz.Phase0 {
		return skipped("version 1 carries blocks of phase0 alone")
	}
	return nil
}

// oldBlocks asks for some blocks by version 1 alone, which the client does not where there is another, and finds the
// blocks' roots. The answer may be empty, as the version is deprecated: there is nothing to be judged then.
func (t *trial) oldBlocks(ctx context.Context, count uint64, request any) ([]*beacon.Block, error) {
	if err := t.old(); err != nil {
		return nil, err
	}
	if err := t.pace.wait(ctx, t.Method, count); err != nil {
		return nil, err
	}
	out, err := t.engine.Open(ctx, t.to, t.row.Spec())
	if err != nil {
		return nil, told(err)
	}
	defer out.Close()
	if err := out.Send(request); err != nil {
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
		if b.Root, err = t.network.BlockRoot(b.Fork, b.SSZ); err != nil {
			return nil, broken("slot %d: %w", b.Slot, err)
		}
		blocks = append(blocks, b)
	}
}
