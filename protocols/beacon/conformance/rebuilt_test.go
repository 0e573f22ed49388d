package conformance_test

import (
	"context"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A rebuiltChain has another block at its head.
type rebuiltChain struct {
	*beacontest.Chain
	head ssz.Root
}

func (c rebuiltChain) Status(ctx context.Context) (beacon.Status, error) {
	status, err := c.Chain.Status(ctx)
	status.HeadRoot = c.head
	return status, err
}

// rebuild changes the block at the head of a chain, which has nothing but the block then.
func rebuild(t *testing.T, c *beacontest.Chain, change func(block ssz.Object)) rebuiltChain {
	t.Helper()
	last := c.Blocks[len(c.Blocks)-1]
	block, err := beacontest.Network().DecodeBlock(c.Fork(last.Slot), last.SSZ)
	if err != nil {
		t.Fatal(err)
	}
	change(block)
	root, err := block.BlockRoot()
	if err != nil {
		t.Fatal(err)
	}
	encoded := beacontest.Encode(block)
	before := func(items []*beacontest.Item) []*beacontest.Item {
		return slices.DeleteFunc(slices.Clone(items), func(i *beacontest.Item) bool { return i.Slot == last.Slot })
	}
	changed := *c
	changed.Blobs, changed.Columns, changed.Envelopes = before(c.Blobs), before(c.Columns), before(c.Envelopes)
	changed.Bootstraps = before(c.Bootstraps)
	changed.Blocks = append(before(c.Blocks), &beacontest.Item{
		Slot: last.Slot, Root: root, SSZ: encoded, Frames: snappy.AppendFrames(nil, encoded),
	})
	return rebuiltChain{&changed, root}
}

// withoutBlobs has no blobs at its head.
func withoutBlobs(t *testing.T, c *beacontest.Chain) rebuiltChain {
	return rebuild(t, c, func(block ssz.Object) {
		beacontest.Set(block, "Message.Body.BlobKZGCommitments", [][48]byte{})
	})
}
