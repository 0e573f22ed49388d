package integration_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// simulateFulu runs f with three hosts, whose keys are as Lodestar wants them, on a simulated network, in a bubble
// of virtual time whose clock is at a slot of the Fulu chain.
func simulateFulu(t *testing.T, at ssz.Slot, f func(t *testing.T, source, node, follower host.Host)) {
	t.Helper()
	simtest.Run(t, simtest.Options{
		Hosts: 3,
		At:    beacontest.FuluNetwork().TimeAt(at),
		Host: func() []libp2p.Option {
			key, _, err := crypto.GenerateSecp256k1Key(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			return []libp2p.Option{libp2p.Identity(key)}
		},
	}, func(t *testing.T, n *simtest.Network) { f(t, n.Hosts[0], n.Hosts[1], n.Hosts[2]) })
}

// fuluSlots returns the blocks of some slots of the Fulu chain, both ends included.
func fuluSlots(first, last ssz.Slot) (blocks []*beacon.Block) {
	for _, b := range beacontest.FuluBlocks() {
		if b.Slot >= first && b.Slot <= last {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// A client of Fulu is synced from, and another one then syncs from us and keeps us.
func TestAClientOfFuluKeepsUs(t *testing.T) {
	genesis, root := beacontest.FuluGenesis()
	for _, test := range []struct {
		name        string
		first, last ssz.Slot
		synced      int // blocks that the follower gets
		without     protocol.ID
		left        beacon.GoodbyeReason
	}{
		{name: "of blocks without blobs", first: 88, last: 98, synced: 11},
		{name: "of blocks of which some have blobs", first: 1, last: 215, synced: 1},
		{
			name: "that offers no columns", first: 88, last: 98,
			without: "/eth2/beacon_chain/req/data_column_sidecars_by_range/1/ssz_snappy", left: beacon.GoodbyeBanned,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			simulateFulu(t, test.last+2, func(t *testing.T, sourceHost, nodeHost, followerHost host.Host) {
				blocks := fuluSlots(test.first, test.last)
				source, err := newFuluClient(sourceHost, beacontest.FuluNetwork(), blocks)
				if err != nil {
					t.Fatal(err)
				}
				node, err := plugin.NewStandalone("", nil, plugin.Config{
					Genesis: &store.Network{
						Config: beacontest.FuluConfig(), GenesisTime: uint64(genesis.Unix()), GenesisValidatorsRoot: root,
					},
					Host: nodeHost,
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := node.Start(); err != nil {
					t.Fatal(err)
				}
				defer node.Stop()
				status, err := node.Peers().Connect(t.Context(), *host.InfoFromHost(sourceHost))
				if err != nil {
					t.Fatal(err)
				}
				synced, err := node.Sync(t.Context(), sourceHost.ID(), status, &rangesync.Options{From: test.first})
				if err != nil || synced.Blocks != uint64(len(blocks)) {
					t.Fatalf("synced %d blocks of %d: %v", synced.Blocks, len(blocks), err)
				}
				if test.without != "" {
					nodeHost.RemoveStreamHandler(test.without)
				}
				follower, err := newFuluClient(followerHost, beacontest.FuluNetwork(), nil)
				if err != nil {
					t.Fatal(err)
				}
				// Longer than Lodestar bears a peer that is silent or rude, and until it asks for the status again.
				ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
				defer cancel()
				if err := follower.follow(ctx, *host.InfoFromHost(nodeHost)); err != nil {
					t.Fatal(err)
				}
				if follower.left != test.left || follower.connected() == (test.left != 0) {
					t.Errorf("it has left with %v: %q", follower.left, follower.strikes)
				}
				if got := follower.chain.known(); len(got) != test.synced || test.left == 0 &&
					got[len(got)-1].Root != blocks[len(blocks)-1].Root {
					t.Errorf("it has %d blocks, want %d", len(got), test.synced)
				}
				if test.left == 0 && (len(follower.strikes) > 0 || len(source.strikes) > 0 || follower.columns == 0) {
					t.Errorf("strikes %q and %q, %d answers for columns", follower.strikes, source.strikes, follower.columns)
				}
				for _, c := range []*fuluClient{source, follower} {
					if err := c.server.Stop(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}
