package beacon_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A forgettingChain gives up all of its blocks, as for those of another branch, once it was asked for the frames of
// one.
type forgettingChain struct {
	*memoryChain
	forgot atomic.Bool
}

func (c *forgettingChain) BlocksByRange(
	ctx context.Context, start ssz.Slot, count uint64,
) iter.Seq2[beacon.Ref, error] {
	if c.forgot.Load() {
		return nothing
	}
	return c.memoryChain.BlocksByRange(ctx, start, count)
}

func (c *forgettingChain) BlocksByRoot(ctx context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	if c.forgot.Load() {
		return nothing
	}
	return c.memoryChain.BlocksByRoot(ctx, roots)
}

func (c *forgettingChain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	if c.forgot.Swap(true) {
		return dst, errors.New("not held any more")
	}
	return c.memoryChain.AppendFrames(ctx, ref, dst)
}

// An ancestry ends, and in good order, where the chain is reorganised meanwhile.
func TestAncestryEndsWithAReorganisation(t *testing.T) {
	chain := &forgettingChain{memoryChain: newMemoryChain(beacon.Status{}, devBlocks())}
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, chain, beacon.ServerOptions{})
		request := encode(&ssz.BeaconBlocksByHeadRequest{BeaconRoot: devBlock(60).Root, Count: 4})
		got, err := ask(t, client, server, id("beacon_blocks_by_head", 1), request)
		if want := chunks(60); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v, want the %d of slot 60 alone", len(got), err, len(want))
		}
	})
}
