package conformance_test

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
)

// A busyHost is one of a machine with little time: its streams are half-closed late.
type busyHost struct{ host.Host }

func (h busyHost) NewStream(ctx context.Context, to peer.ID, ids ...protocol.ID) (network.Stream, error) {
	s, err := h.Host.NewStream(ctx, to, ids...)
	if err != nil {
		return nil, err
	}
	return lateStream{s}, nil
}

type lateStream struct{ network.Stream }

func (s lateStream) CloseWrite() error {
	time.Sleep(100 * time.Millisecond)
	return s.Stream.CloseWrite()
}

// A peer that answers before the request is half-closed has answered, though its end of the stream is closed then.
func TestAnswersAreReadThatComeBeforeTheHalfClose(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		n := beacontest.Network()
		now := func() time.Time { return n.TimeAt(beacontest.Head) }
		srv := beacon.NewServer(server, n, beacontest.New(), &beacon.ServerOptions{Now: now})
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = srv.Stop(t.Context()) }()
		tried := 0
		for r := range conformance.Run(t.Context(), busyHost{client}, n, server.ID(), &conformance.Options{Now: now}) {
			if name := ruleName(*r.Rule); name == "M11-trailing ping/1" || name == "M6-short ping/1" {
				if tried++; r.Outcome != conformance.Pass {
					t.Errorf("%s: %v: %s", name, r.Outcome, r.Saw)
				}
			}
		}
		if tried != 2 {
			t.Errorf("%d rules were tried", tried)
		}
	})
}
