package reqresp_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestScenario28EveryExchangeEndsOnce(t *testing.T) {
	for seed := range uint64(4) {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				s.server.Peerstore().AddAddrs(s.client.ID(), s.client.Addrs(), peerstore.PermanentAddrTTL)
				g := newRig(t, seed, time.Second, s.client, s.server)
				g.down = s.down.Store
				g.run(5, 40, 40)
				g.wantVariety()
				time.Sleep(time.Minute) // identify's own streams end
				if n := streams(s.client) + streams(s.server); n != 0 {
					t.Errorf("%d streams are left", n)
				}
			})
		})
	}
}

func TestScenario28EveryExchangeEndsOnceOnEveryTransport(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		server.Peerstore().AddAddrs(client.ID(), client.Addrs(), peerstore.PermanentAddrTTL)
		g := newRig(t, rand.Uint64(), 25*time.Millisecond, client, server)
		g.run(5, 30, 20)
		for _, h := range []host.Host{client, server} {
			for _, conn := range h.Network().Conns() {
				_ = conn.Close()
			}
		}
		for _, pair := range [][2]host.Host{{client, server}, {server, client}} {
			simtest.WaitFor(t, "the resource manager to be at zero", func() bool { return held(pair[0], pair[1].ID()) == network.ScopeStat{} })
			if pair[0].ConnManager().IsProtected(pair[1].ID(), "") {
				t.Error("a connection is protected after all is over")
			}
		}
	})
}

// wantVariety checks that enough went wrong, and well.
func (g *rig) wantVariety() {
	all := make(map[reqresp.Reason]int)
	for _, p := range g.parties {
		for _, own := range p.tallies {
			for reason, n := range own.reasons {
				all[reason] += n
			}
		}
	}
	for _, reason := range []reqresp.Reason{
		reqresp.ReasonSuccess, reqresp.ReasonErrorResponse, reqresp.ReasonViolation, reqresp.ReasonTimeout, reqresp.ReasonCancelled, reqresp.ReasonReset,
	} {
		if all[reason] == 0 {
			g.t.Errorf("no exchange ended for reason %v: %v", reason, all)
		}
	}
	g.t.Logf("ends: %v", all)
}
