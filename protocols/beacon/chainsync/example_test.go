package chainsync_test

import (
	"context"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A memorySink keeps blocks in memory.
type memorySink struct{ blocks []*beacon.Block }

func (s *memorySink) Store(_ context.Context, blocks []*beacon.Block) error {
	s.blocks = append(s.blocks, blocks...)
	return nil
}

func ExampleForward() {
	sync := func(ctx context.Context, client *beacon.Client, network *ssz.Network, peers []chainsync.Peer) error {
		sink := new(memorySink)
		progress, err := chainsync.Forward(ctx, &chainsync.Config{
			Client:  client,
			Network: network,
			Peers:   func() []chainsync.Peer { return peers },
			Blame:   func(b chainsync.Blame) { fmt.Println(b.Peer, b.Err) },
		}, chainsync.Anchor{}, sink)
		fmt.Println(progress.Blocks, "blocks, the last of slot", progress.Slot)
		return err
	}
	_ = sync
}
