//go:build peers

package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

// newGossipService starts a service on a host of its own.
func newGossipService(t *testing.T, noGossipsub bool) *plugin.Service {
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
	return service
}

// meet has a service dial a Rust peer, and waits for their connection.
func meet(t *testing.T, service *plugin.Service, rust *rustpeer.Peer) {
	t.Helper()
	info, err := peer.AddrInfoFromString(rusttest.Listen(t, rust, "/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		t.Fatal(err)
	}
	// A peer that leaves at once may do so before statuses are exchanged.
	_, _ = service.Peers().Connect(deadline(t), *info)
	if event, err := rust.Next(deadline(t)); err != nil || event.Kind != rustpeer.KindConnected {
		t.Fatalf("event %v, %v, want %s", event, err, rustpeer.KindConnected)
	}
}

// A peer that disconnects hosts without gossipsub, as Lighthouse does, keeps a service for a minute and sees no
// subscriptions.
func TestRustKeepsAServiceThatSupportsGossipsub(t *testing.T) {
	rust := rusttest.Start(t, rustpeer.Gossip, rustpeer.Options{})
	meet(t, newGossipService(t, false), rust)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if event, err := rust.Next(ctx); err != nil || event.Kind != rustpeer.KindKept {
		t.Errorf("event %v, %v, want %s", event, err, rustpeer.KindKept)
	}
}

func TestRustLeavesAServiceWithoutGossipsub(t *testing.T) {
	rust := rusttest.Start(t, rustpeer.Gossip, rustpeer.Options{})
	meet(t, newGossipService(t, true), rust)
	rusttest.Expect(t, rust, rustpeer.KindNotSupported)
	if event, err := rust.Next(deadline(t)); err != nil || event.Kind != rustpeer.KindDisconnected {
		t.Errorf("event %v, %v, want %s", event, err, rustpeer.KindDisconnected)
	}
}
