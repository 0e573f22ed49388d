//go:build peers

package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

// newGossipService starts a service on a host of its own. It returns the address at which peers dial it.
func newGossipService(t *testing.T, noGossipsub bool) string {
	t.Helper()
	now := devchain.Network().TimeAt(devchain.HeadSlot + 1)
	service, err := plugin.NewStandalone("", nil, plugin.Config{
		Genesis: &store.Network{
			Config:                devchain.Config(),
			GenesisTime:           devchain.GenesisTime,
			GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
		},
		Listen:      []string{"/ip4/127.0.0.1/tcp/0"},
		Now:         func() time.Time { return now },
		NoGossipsub: noGossipsub,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Stop(); err != nil {
			t.Error(err)
		}
	})
	addrs, err := peer.AddrInfoToP2pAddrs(host.InfoFromHost(service.Host()))
	if err != nil {
		t.Fatal(err)
	}
	return addrs[0].String()
}

// A peer that leaves whoever does not support gossipsub, as Lighthouse does, keeps a service for a minute, whoever has
// dialed, and sees no subscriptions of it.
func TestRustKeepsAServiceThatSupportsGossipsub(t *testing.T) {
	rust := rusttest.Start(t, rustpeer.Gossip, rustpeer.Options{})
	addr := newGossipService(t, false)
	rusttest.Do(t, func(ctx context.Context) error { return rust.Dial(ctx, addr) })
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for _, want := range []rustpeer.Kind{rustpeer.KindConnected, rustpeer.KindKept} {
		if event, err := rust.Next(ctx); err != nil || event.Kind != want {
			t.Fatalf("event %v, %v, want %s", event, err, want)
		}
	}
}

func TestRustLeavesAServiceWithoutGossipsub(t *testing.T) {
	rust := rusttest.Start(t, rustpeer.Gossip, rustpeer.Options{})
	addr := newGossipService(t, true)
	rusttest.Do(t, func(ctx context.Context) error { return rust.Dial(ctx, addr) })
	rusttest.Expect(t, rust, rustpeer.KindNotSupported)
	if event, err := rust.Next(t.Context()); err != nil || event.Kind != rustpeer.KindDisconnected {
		t.Errorf("event %v, %v, want %s", event, err, rustpeer.KindDisconnected)
	}
}
