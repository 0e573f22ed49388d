package plugin_test

import (
	"io"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A service serves as many streams as its memory is for, and its own host has room for no more.
func TestMemoryBoundsTheStreamsOfAPeer(t *testing.T) {
	cfg := devConfig()
	cfg.Memory = resources.MinMemory
	_, service := start(t, t.TempDir(), cfg)
	plan, err := resources.New(beacon.NewFamily(ssz.Mainnet()).Specs(), &resources.Options{
		Memory:    cfg.Memory,
		Gossipsub: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	manager := service.Host().Network().ResourceManager().(*resources.Manager).ResourceManager
	err = manager.ViewSystem(func(scope network.ResourceScope) error {
		limit := scope.(rcmgr.ResourceScopeLimiter).Limit()
		if limit.GetMemoryLimit() != resources.MinMemory {
			t.Errorf("host may reserve %d bytes", limit.GetMemoryLimit())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Connect(t.Context(), addrOf(t, service.Host(), "udp")); err != nil {
		t.Fatal(err)
	}
	// Half of a request, as often as there may be streams.
	ping := specNamed(t, "ping").Protocols()[0]
	for range plan.PeerStreams {
		stream, err := h.NewStream(t.Context(), service.Host().ID(), ping)
		if err == nil {
			_, _ = io.WriteString(stream, "\x08")
		}
	}
	stat := func() network.ScopeStat { return manager.(rcmgr.ResourceManagerState).Stat().Peers[h.ID()] }
	simtest.WaitFor(t, "surplus streams to be refused", func() bool {
		return service.Server().Refused() > 0 && service.Server().Streams()[h.ID()] == plan.MaxStreamsPerPeer
	})
	if got := stat(); got.NumStreamsInbound > plan.PeerStreams || got.Memory > plan.PeerMemory {
		t.Errorf("a peer has %v, want %d streams and %d bytes at most", got, plan.PeerStreams, plan.PeerMemory)
	}
	_ = h.Close()
	simtest.WaitFor(t, "the peer to be gone", func() bool { return stat() == network.ScopeStat{} })
}

func specNamed(t *testing.T, name string) *reqresp.Spec {
	t.Helper()
	for _, spec := range beacon.NewFamily(ssz.Mainnet()).Specs() {
		if spec.Name() == name {
			return spec
		}
	}
	t.Fatalf("there is no method %s", name)
	return nil
}

// A peer that leaves its streams without a protocol is banned, and seen in the metrics.
func TestPeerThatNeverNegotiatesIsBanned(t *testing.T) {
	_, service := start(t, t.TempDir(), devConfig())
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Connect(t.Context(), addrOf(t, service.Host(), "tcp")); err != nil {
		t.Fatal(err)
	}
	simtest.WaitFor(t, "the peer to be banned and disconnected", func() bool {
		for _, conn := range h.Network().ConnsToPeer(service.Host().ID()) {
			if stream, err := conn.NewStream(t.Context()); err == nil {
				_, _ = io.WriteString(stream, "\x13")
			}
		}
		return service.Scores().Action(h.ID()) == score.Ban && len(service.Host().Network().ConnsToPeer(h.ID())) == 0
	})
	if n := testutil.CollectAndCount(service.Metrics(), "reqresp_streams_unnegotiated_total"); n != 2 {
		t.Errorf("%d series of streams without a protocol, want refused and evicted", n)
	}
}
