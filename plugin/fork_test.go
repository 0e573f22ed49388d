package plugin_test

import (
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A growingChain is the development chain as it is known at the time.
type growingChain struct{ blocks []*beacon.Block }

func (c *growingChain) known() []*beacon.Block {
	now := devchain.Network().SlotAt(time.Now())
	return c.blocks[:min(int(now), len(c.blocks))] // the first is of slot 1
}

func (c *growingChain) Status(context.Context) (beacon.Status, error) {
	known := c.known()
	head := known[len(known)-1]
	return beacon.Status{HeadSlot: head.Slot, HeadRoot: head.Root, EarliestAvailableSlot: devchain.FirstSlot}, nil
}

func (c *growingChain) BlocksByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return refs(c.known(), func(b *beacon.Block) bool { return b.Slot >= start && uint64(b.Slot-start) < count })
}

func (c *growingChain) BlocksByRoot(_ context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return refs(c.known(), func(b *beacon.Block) bool { return slices.Contains(roots, b.Root) })
}

func refs(blocks []*beacon.Block, wanted func(*beacon.Block) bool) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, b := range blocks {
			ref := beacon.Ref{Slot: b.Slot, Root: b.Root, Size: len(b.SSZ), FramesSize: len(b.Frames)}
			if wanted(b) && !yield(ref, nil) {
				return
			}
		}
	}
}

func (*growingChain) Sources() beacon.Sources { return beacon.Sources{} }

func (c *growingChain) AppendFrames(_ context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	return append(dst, c.blocks[ref.Slot-devchain.FirstSlot].Frames...), nil
}

// simulate runs f with two hosts on a simulated network, which do not know of each other. The bubble's clock is at a
// slot of the development chain.
func simulate(t *testing.T, at ssz.Slot, f func(t *testing.T, a, b host.Host)) {
	t.Helper()
	simtest.Run(t, simtest.Options{At: devchain.Network().TimeAt(at)},
		func(t *testing.T, n *simtest.Network) { f(t, n.Hosts[0], n.Hosts[1]) })
}

// offers returns which versions of status a host offers.
func offers(h host.Host) (versions []protocol.ID) {
	for _, id := range h.Mux().Protocols() {
		if id == "/eth2/beacon_chain/req/status/1/ssz_snappy" || id == "/eth2/beacon_chain/req/status/2/ssz_snappy" {
			versions = append(versions, id[len("/eth2/beacon_chain/req/"):len("/eth2/beacon_chain/req/status/1")])
		}
	}
	slices.Sort(versions)
	return versions
}

// Nothing but time passes, and no connection ends.
func TestANodeCrossesAForkWhileItSyncs(t *testing.T) {
	n := devchain.Network()
	const fork = ssz.Slot(64)
	blocks, err := devchain.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	simulate(t, fork-6, func(t *testing.T, server, client host.Host) {
		var slots []ssz.Slot // the slots in which the source was asked for blocks
		slow := func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
			return func(ctx context.Context, in *reqresp.Inbound) error {
				if in.Spec().Name() == "beacon_blocks_by_range" {
					slots = append(slots, n.SlotAt(time.Now()))
					time.Sleep(time.Second)
				}
				return next(ctx, in)
			}
		}
		source, err := plugin.NewStandalone("", &growingChain{blocks}, plugin.Config{
			Network: n, Host: server, Middleware: []reqresp.Middleware{slow},
		})
		if err != nil {
			t.Fatal(err)
		}
		node, err := plugin.NewStandalone("", nil, plugin.Config{Genesis: devGenesis(), Host: client})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*plugin.Service{source, node} {
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
		}
		status, err := node.Peers().Connect(t.Context(), *host.InfoFromHost(server))
		if err != nil {
			t.Fatal(err)
		}
		if got := offers(server); status.ForkDigest != n.DigestAt(1) || !slices.Equal(got, []protocol.ID{"status/1"}) {
			t.Errorf("before the fork: digest %v, offered %v", status.ForkDigest, got)
		}
		since := connectedSince(t, node, server.ID())
		// The first run takes 15 s and crosses the fork; the next go on with what was not there yet.
		for status.HeadSlot < 100 {
			result, err := rangesync.Run(t.Context(),
				rangesync.Source{Client: node.Server().Client(), Peer: server.ID(), Status: status},
				node.Store(), &rangesync.Options{Batch: 4})
			if err != nil {
				t.Fatalf("after %d blocks: %v", result.Blocks, err)
			}
			if first, last := slots[0], slots[len(slots)-1]; first >= fork || last < fork {
				t.Errorf("asked for blocks in the slots %d to %d, not across the fork", first, last)
			}
			time.Sleep(time.Minute)
			if status, err = node.Server().Handshake(t.Context(), server.ID()); err != nil {
				t.Fatal(err)
			}
		}
		if slot, _, ok := node.Store().Head(); !ok || slot <= fork {
			t.Errorf("synced to slot %d", slot)
		}
		info, _ := node.Peers().Peer(server.ID())
		if got := offers(server); info.Status.ForkDigest != n.DigestAt(2) || !slices.Contains(got, "status/2") {
			t.Errorf("after the fork: digest %v, offered %v", info.Status.ForkDigest, got)
		}
		if got := connectedSince(t, node, server.ID()); got != since {
			t.Errorf("the connection of %v is one of %v", since, got)
		}
	})
}

func connectedSince(t *testing.T, s *plugin.Service, id peer.ID) time.Time {
	t.Helper()
	info, ok := s.Peers().Peer(id)
	if !ok {
		t.Fatal("the peer is gone")
	}
	return info.Since
}
