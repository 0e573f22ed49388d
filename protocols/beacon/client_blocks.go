package beacon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// BlocksByRange asks a peer for the blocks of slots start to start+count-1. It
// yields them as they arrive, each checked: well-formed, of its fork and digest,
// in the range, slots ascending, each one the parent of the next. Empty slots
// yield nothing, and a peer may answer with less than it holds: a short response
// is partial, not wrong.
//
// An error is the last pair. Breaking out of the loop resets the stream. The
// sequence can be used once. Count should not exceed what the network allows,
// see ssz.Network.MaxRequestBlocks.
func (c *Client) BlocksByRange(ctx context.Context, to peer.ID, start ssz.Slot, count uint64) iter.Seq2[*Block, error] {
	req := &BlocksByRangeRequest{ssz.BeaconBlocksByRangeRequest{StartSlot: start, Count: count, Step: 1}}
	return c.blocks(ctx, to, c.family.BlocksByRange.Spec(), req, (&rangeCheck{start: start, count: count}).check)
}

// BlocksByRoot asks a peer for blocks by their roots and yields those it has, in the order
// in which it sends them, each checked: well-formed, of its fork and digest, and one
// of those asked for. It is otherwise as BlocksByRange.
func (c *Client) BlocksByRoot(ctx context.Context, to peer.ID, roots []ssz.Root) iter.Seq2[*Block, error] {
	check := rootCheck{wanted: make(map[ssz.Root]int, len(roots))}
	for _, root := range roots {
		check.wanted[root]++
	}
	return c.blocks(ctx, to, c.family.BlocksByRoot.Spec(), &BlocksByRootRequest{Roots: roots}, check.check)
}

func (c *Client) blocks(ctx context.Context, to peer.ID, spec *reqresp.Spec, req any, check func(*Block) error) iter.Seq2[*Block, error] {
	return func(yield func(*Block, error) bool) {
		out, err := c.engine.Open(ctx, to, spec)
		if err != nil {
			yield(nil, err)
			return
		}
		defer out.Close()
		if err := out.Send(req); err != nil {
			yield(nil, err)
			return
		}
		for {
			block, err := c.receiveBlock(out, to, check)
			if err == io.EOF {
				return
			}
			if !yield(block, err) || err != nil {
				return
			}
		}
	}
}

func (c *Client) receiveBlock(out *reqresp.Outbound, from peer.ID, check func(*Block) error) (*Block, error) {
	block := new(Block)
	if err := out.Receive(block); err != nil {
		return nil, err
	}
	signed, err := c.family.network.DecodeBlock(block.Fork, block.SSZ)
	if errors.Is(err, ssz.ErrFork) {
		// The lack is ours: the peer did nothing wrong.
		return nil, &reqresp.Failure{Peer: from, Protocol: out.Protocol(), Phase: reqresp.PhaseResponse, Err: err}
	}
	if err != nil {
		return nil, out.Reject(fmt.Errorf("%w: %w", ErrMalformedBlock, err))
	}
	if block.Root, err = signed.BlockRoot(); err != nil {
		return nil, out.Reject(fmt.Errorf("%w: %w", ErrMalformedBlock, err))
	}
	if err := check(block); err != nil {
		return nil, out.Reject(err)
	}
	return block, nil
}

// rangeCheck checks the blocks of one response by range.
type rangeCheck struct {
	start ssz.Slot
	count uint64
	last  *Block
}

func (r *rangeCheck) check(b *Block) error {
	if b.Slot < r.start || uint64(b.Slot-r.start) >= r.count {
		return fmt.Errorf("%w: slot %d, asked for %d from %d", ErrOutOfRange, b.Slot, r.count, r.start)
	}
	if r.last != nil && b.Slot <= r.last.Slot {
		return fmt.Errorf("%w: %d after %d", ErrSlotOrder, b.Slot, r.last.Slot)
	}
	if r.last != nil && b.ParentRoot != r.last.Root {
		return fmt.Errorf("%w: parent %v of slot %d, slot %d is %v", ErrNotLinked, b.ParentRoot, b.Slot, r.last.Slot, r.last.Root)
	}
	r.last = b
	return nil
}

// rootCheck checks the blocks of one response by root. A root asked for more
// than once may be answered as often.
type rootCheck struct {
	wanted map[ssz.Root]int
}

func (r *rootCheck) check(b *Block) error {
	if r.wanted[b.Root] == 0 {
		return fmt.Errorf("%w: root %v of slot %d", ErrUnexpectedRoot, b.Root, b.Slot)
	}
	r.wanted[b.Root]--
	return nil
}
