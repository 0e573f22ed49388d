package conformance

import (
	"context"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
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
	blocks, err := s.oldBlocks(callOld(ctx, s, s.family.BlocksByRangeV1, &ssz.BeaconBlocksByRangeRequest{StartSlot: start, Count: count, Step: 1}))
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
	blocks, err := s.oldBlocks(callOld(ctx, s, s.family.BlocksByRootV1, &ssz.BeaconBlocksByRootRequest{root}))
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

// callOld asks by version 1 alone, which the client does not where there is another.
func callOld[Req any](ctx context.Context, s *session, p reqresp.Stream[Req, beacon.Block], req *Req) iter.Seq2[*beacon.Block, error] {
	return p.Call(ctx, s.engine, s.to, req)
}

// oldBlocks collects an answer by version 1, and finds the blocks' roots. It may be empty, as the
// version is deprecated: there is nothing to be judged then.
func (s *session) oldBlocks(answer iter.Seq2[*beacon.Block, error]) ([]*beacon.Block, error) {
	blocks, err := blocksOf(answer)
	if err != nil {
		return nil, err
	}
	if len(blocks) == 0 {
		return nil, skipped("no block, as of what is deprecated")
	}
	for _, b := range blocks {
		if b.Root, err = s.network.BlockRoot(b.Fork, b.SSZ); err != nil {
			return nil, broken("slot %d: %w", b.Slot, err)
		}
	}
	return blocks, nil
}
