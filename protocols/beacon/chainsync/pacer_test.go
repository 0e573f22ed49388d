package chainsync_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
)

var _ chainsync.Pacer = (*outbound.Pacer)(nil)

// A fakePacer grants few slots at a time, and one peer nothing at first.
type fakePacer struct {
	most  int
	alone peer.ID
	until time.Time
}

func (p *fakePacer) Batch(_ peer.ID, _ string, items int) int { return min(items, p.most) }

func (p *fakePacer) Delay(to peer.ID, _ string, _ int) time.Duration {
	if to == p.alone {
		return max(time.Until(p.until), 0)
	}
	return 0
}

func TestPeersAreAskedForWhatTheyGrant(t *testing.T) {
	t.Parallel()
	for _, d := range directions {
		synctest.Test(t, func(t *testing.T) {
			net := netOf(3, nil)
			for _, p := range net {
				p.rtt = time.Second
			}
			first := names(1)[0]
			cfg, sink := config(net), new(fakeSink)
			cfg.Pacer = &fakePacer{most: 3, alone: first, until: time.Now().Add(10 * time.Second)}
			if _, err := d.run(t.Context(), cfg, sink); err != nil {
				t.Fatal(err)
			}
			checkStored(t, sink.blocks, whole)
			for id, p := range net {
				for _, r := range p.requests {
					if r.last-r.first >= 3 {
						t.Errorf("%s was asked for slots %d to %d at once", id, r.first, r.last)
					}
					if id == first && r.at < 10*time.Second {
						t.Errorf("%s was asked after %v", id, r.at)
					}
				}
				if len(p.requests) == 0 {
					t.Errorf("%s was asked for nothing", id)
				}
			}
		})
	}
}

// TestBetterPeersAreAskedFirst ranks the last of three peers the highest.
func TestBetterPeersAreAskedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		net := netOf(3, nil)
		cfg := config(net)
		cfg.Peers = func() (all []chainsync.Peer) {
			for i, id := range names(3) {
				all = append(all, chainsync.Peer{ID: id, Status: net.peers()[i].Status, Score: float64(i)})
			}
			return all
		}
		if _, err := chainsync.Forward(t.Context(), cfg, chainsync.Anchor{}, new(fakeSink)); err != nil {
			t.Fatal(err)
		}
		if r := net[names(3)[2]].requests; len(r) == 0 || r[0].first != 1 {
			t.Errorf("the best peer was asked for %+v, want the first slots", r)
		}
	})
}
