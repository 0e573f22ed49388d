//go:build peers

package integration_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/integration/lodestar"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

// Lodestar leaves a peer that does not answer its pings after 50 s, and bans one that asks for too
// much.
const lodestarsPatience = 65 * time.Second

// TestLodestarKeepsUs keeps a connection with Lodestar across the forks of its chain, for longer than
// it bears a peer that is silent or rude.
func TestLodestarKeepsUs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute) // the first installation takes minutes
	defer cancel()
	source, err := lodestar.Start(ctx, t.TempDir(), lodestar.Options{SecondsPerSlot: 2})
	if errors.Is(err, lodestar.ErrNoNode) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer source.Stop()
	to, err := peer.AddrInfoFromString(source.Multiaddr())
	if err != nil {
		t.Fatal(err)
	}
	s, err := plugin.NewStandalone("", nil, plugin.Config{
		Genesis: networkOf(ctx, t, source),
		Listen:  []string{"/ip4/127.0.0.1/tcp/0"},
		Peers:   peers.Config{Static: []peer.AddrInfo{*to}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	var info peers.Info
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for info.Status == nil || time.Since(info.Since) < lodestarsPatience {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not kept: last seen %+v", info)
		}
		now, ok := s.Peers().Peer(to.ID)
		if info.Status != nil && (!ok || now.Since != info.Since) {
			t.Fatalf("left after %v: %+v", time.Since(info.Since), info)
		}
		info = now
	}
	if info.MetaData == nil || info.Fails != 0 ||
		info.Status.ForkDigest != s.Server().Family().Network().DigestAt(s.Server().CurrentEpoch()) {
		t.Errorf("known of it: status %+v, metadata %+v, %d failures", info.Status, info.MetaData, info.Fails)
	}
	t.Logf("it kept us for %v, its status is %v old", time.Since(info.Since), time.Since(info.StatusAt))
}

// networkOf returns what Lodestar's chain is.
func networkOf(ctx context.Context, t *testing.T, n *lodestar.Node) *store.Network {
	t.Helper()
	flags := networkFlags(ctx, t, n)
	config, err := os.ReadFile(flags[1])
	if err != nil {
		t.Fatal(err)
	}
	genesis, err := n.Genesis(ctx)
	if err != nil {
		t.Fatal(err)
	}
	network := &store.Network{Config: string(config), GenesisTime: uint64(genesis.Time.Unix())}
	if err := network.GenesisValidatorsRoot.UnmarshalText([]byte(genesis.ValidatorsRoot.String())); err != nil {
		t.Fatal(err)
	}
	return network
}
