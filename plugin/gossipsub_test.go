package plugin_test

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/gossipsub"
)

// offered are the protocol IDs that peers of today offer for gossipsub.
var offered = []protocol.ID{"/meshsub/1.2.0", "/meshsub/1.1.0", "/meshsub/1.0.0", "/floodsub/1.0.0"}

// newStranger makes a host without a service that is connected to one.
func newStranger(t *testing.T, to host.Host) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	if err := h.Connect(t.Context(), addrOf(t, to, "udp")); err != nil {
		t.Fatal(err)
	}
	return h
}

// gossips reports whether a host can open a stream of gossipsub to another, which agrees with what that one says of
// itself.
func gossips(t *testing.T, from, to host.Host) bool {
	t.Helper()
	told, err := from.Peerstore().SupportsProtocols(to.ID(), gossipsub.Protocols()...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := from.NewStream(t.Context(), to.ID(), offered...)
	if err == nil {
		defer s.Reset()
	}
	if (err == nil) != (len(told) == len(gossipsub.Protocols())) {
		t.Errorf("peer tells %q, but opening a stream: %v", told, err)
	}
	return err == nil
}

func TestTheServicesOwnHostSupportsGossipsub(t *testing.T) {
	service := standalone(t, "", devConfig())
	for range 2 { // started anew as well
		if err := service.Start(); err != nil {
			t.Fatal(err)
		}
		stranger := newStranger(t, service.Host())
		if !gossips(t, stranger, service.Host()) {
			t.Error("gossipsub is not supported")
		}
		if err := service.Stop(); err != nil {
			t.Fatal(err)
		}
		simtest.WaitFor(t, "the router to end", func() bool {
			all := make([]byte, 1<<20)
			return !bytes.Contains(all[:runtime.Stack(all, true)], []byte("go-libp2p-pubsub"))
		})
	}
}

func TestGossipsubCanBeLeftOut(t *testing.T) {
	cfg := devConfig()
	cfg.NoGossipsub = true
	service := startStandalone(t, "", cfg)
	if stranger := newStranger(t, service.Host()); gossips(t, stranger, service.Host()) {
		t.Error("gossipsub is supported")
	}
}

// Whether a host that is given supports gossipsub is its owner's matter.
func TestAHostThatIsGivenHasNoGossipsubOfTheService(t *testing.T) {
	service := onOwnHost(t, "", nil, nil)
	for _, id := range service.Host().Mux().Protocols() {
		if slices.Contains(gossipsub.Protocols(), id) {
			t.Errorf("%s is served", id)
		}
	}
	cfg := devConfig()
	cfg.Host, cfg.Listen, cfg.NoGossipsub = service.Host(), nil, true
	if _, err := plugin.NewStandalone("", nil, cfg); err == nil || !strings.Contains(err.Error(), "Config.NoGossipsub") {
		t.Errorf("error %v, want one that names Config.NoGossipsub", err)
	}
}
