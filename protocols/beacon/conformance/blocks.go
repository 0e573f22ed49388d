package conformance

import (
	"context"
	"io"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

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

// byRange asks for blocks by the version of a rule.
func (s *session) byRange(ctx context.Context, r *Rule, start ssz.Slot, count uint64) ([]*beacon.Block, error) {
	if err := s.old(r); err != nil {
		return nil, err
	}
	if err := s.pace.wait(ctx, r.Method, count); err != nil {
		return nil, err
	}
	if r.Version == 2 {
		return blocksOf(s.client.BlocksByRange(ctx, s.to, start, count))
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
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return nil, err
	}
	if r.Version == 2 {
		return blocksOf(s.client.BlocksByRoot(ctx, s.to, []ssz.Root{root}))
	}
	blocks, err := s.oldBlocks(ctx, r, &ssz.BeaconBlocksByRootRequest{root})
	if err == nil && blocks[0].Root != root {
		err = broken("block %v, asked for %v", blocks[0].Root, root)
	}
	return blocks, err
}

func (s *session) byHead(ctx context.Context, r *Rule, root ssz.Root, count uint64) ([]*beacon.Block, error) {
	if err := s.pace.wait(ctx, r.Method, count); err != nil {
		return nil, err
	}
	return blocksOf(s.client.BlocksByHead(ctx, s.to, root, count))
}

// old skips a rule of version 1 for a peer whose blocks that does not carry.
func (s *session) old(r *Rule) error {
	if r.Version == 1 && named(blocksByRange, blocksByRoot)(s.row(r.Method, 1)) && s.network.ForkAt(s.network.EpochOf(s.theirs.HeadSlot)) != ssz.Phase0 {
		return skipped("version 1 carries blocks of phase0 alone")
	}
	return nil
}

// oldBlocks asks by version 1 alone, which the client does not where there is another, and finds the blocks' roots.
// The answer may be empty, as the version is deprecated: there is nothing to be judged then.
func (s *session) oldBlocks(ctx context.Context, r *Rule, req any) ([]*beacon.Block, error) {
	out, err := s.engine.Open(ctx, s.to, s.row(r.Method, 1).Spec())
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if err := out.Send(req); err != nil {
		return nil, err
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
			return nil, err
		}
		if b.Root, err = s.network.BlockRoot(b.Fork, b.SSZ); err != nil {
			return nil, broken("slot %d: %w", b.Slot, err)
		}
		blocks = append(blocks, b)
	}
}
