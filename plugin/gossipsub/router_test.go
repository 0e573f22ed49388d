package gossipsub_test

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/gossipsub"
)

// simulate runs f with two connected hosts on a simulated network in virtual time, of which the first runs a router.
func simulate(t *testing.T, f func(t *testing.T, server, other host.Host, router *gossipsub.Router)) {
	t.Helper()
	simtest.Pair(t, simtest.Options{}, func(t *testing.T, server, other host.Host) {
		router := start(t, server)
		connect(t, other, server)
		f(t, server, other, router)
	})
}

func start(t *testing.T, h host.Host) *gossipsub.Router {
	t.Helper()
	router, err := gossipsub.Start(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(router.Stop)
	return router
}

func connect(t *testing.T, from, to host.Host) {
	t.Helper()
	if err := from.Connect(t.Context(), *host.InfoFromHost(to)); err != nil {
		t.Fatal(err)
	}
}

// A peer that runs gossipsub has the router for a peer that has subscribed to nothing.
func TestPeersOfGossipsubSeeNoSubscriptions(t *testing.T) {
	simulate(t, func(t *testing.T, server, other host.Host, _ *gossipsub.Router) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		theirs, err := pubsub.NewGossipSub(ctx, other, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
			pubsub.WithNoAuthor())
		if err != nil {
			t.Fatal(err)
		}
		topic, err := theirs.Join("/eth2/00000000/beacon_block/ssz_snappy")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := topic.Subscribe(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // in virtual time
		if got := theirs.ListPeers(""); !slices.Equal(got, []peer.ID{server.ID()}) {
			t.Errorf("peers %v, want %v", got, server.ID())
		}
		if got := topic.ListPeers(); len(got) > 0 {
			t.Errorf("peers %v have subscribed", got)
		}
		if got := server.Network().Connectedness(other.ID()); got != network.Connected {
			t.Errorf("hosts are %v", got)
		}
		cancel()
		time.Sleep(time.Second) // The router of the test ends.
	})
}

func TestVersionsFrom11On(t *testing.T) {
	simulate(t, func(t *testing.T, server, other host.Host, _ *gossipsub.Router) {
		for id, want := range map[protocol.ID]bool{
			"/meshsub/1.3.0": true, "/meshsub/1.2.0": true, "/meshsub/1.1.0": true, "/meshsub/1.0.0": false,
			"/floodsub/1.0.0": false,
		} {
			s, err := other.NewStream(t.Context(), server.ID(), id)
			if (err == nil) != want {
				t.Errorf("%s: error %v, want a stream: %v", id, err, want)
			}
			if err == nil {
				s.Reset()
			}
		}
	})
}

// pipe opens a stream of gossipsub.
func pipe(t *testing.T, from, to host.Host) network.Stream {
	t.Helper()
	s, err := from.NewStream(t.Context(), to.ID(), gossipsub.Protocols()...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLargeRPCsResetTheStream(t *testing.T) {
	simulate(t, func(t *testing.T, server, other host.Host, _ *gossipsub.Router) {
		for _, tt := range []struct {
			name string
			size int
			ok   bool
		}{
			{"the largest", gossipsub.MaxRPC, true},
			{"one byte more", gossipsub.MaxRPC + 1, false},
			{"no end in sight", 1 << 40, false},
		} {
			s := pipe(t, other, server)
			rpc := payload(tt.size)
			if _, err := s.Write(rpc[:min(len(rpc), 2*gossipsub.MaxRPC)]); err == nil {
				s.CloseWrite()
			}
			if _, err := io.ReadAll(s); (err == nil) != tt.ok {
				t.Errorf("%s: error %v", tt.name, err)
			}
		}
	})
}

// All that peers send together is read at a bounded rate.
func TestReadingIsPaced(t *testing.T) {
	simulate(t, func(t *testing.T, server, other host.Host, _ *gossipsub.Router) {
		const size = 8 << 20
		rpc := payload(gossipsub.MaxRPC)
		s := pipe(t, other, server)
		begin := time.Now()
		for sent := 0; sent < size; sent += len(rpc) {
			if _, err := s.Write(rpc); err != nil {
				t.Fatal(err)
			}
		}
		s.CloseWrite()
		if _, err := io.ReadAll(s); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d < 7*time.Second || d > 9*time.Second { // in virtual time
			t.Errorf("8 MiB were read in %v, want 1 MiB a second", d)
		}
	})
}

// Stop ends the streams, and a host can run another router.
func TestStopAndStartAgain(t *testing.T) {
	simulate(t, func(t *testing.T, server, other host.Host, router *gossipsub.Router) {
		s := pipe(t, other, server)
		if _, err := s.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // in virtual time
		router.Stop()
		if _, err := io.ReadAll(s); err == nil {
			t.Error("the stream has ended in good order")
		}
		for _, id := range server.Mux().Protocols() {
			if slices.Contains(gossipsub.Protocols(), id) {
				t.Errorf("%s is still offered", id)
			}
		}
		router.Stop()
		time.Sleep(time.Second)
		if stacks := routers(); len(stacks) > 0 {
			t.Errorf("%d goroutines are left, like %s", len(stacks), stacks[0])
		}
		start(t, server)
		pipe(t, other, server)
	})
}

// routers returns the stacks of the goroutines that a router has.
func routers() (stacks [][]byte) {
	all := make([]byte, 1<<20)
	for stack := range bytes.SplitSeq(all[:runtime.Stack(all, true)], []byte("\n\n")) {
		if bytes.Contains(stack, []byte("go-libp2p-pubsub")) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
