package peers_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// A scoreboard has the scores that a test sets. Below -20 is bad, below -50 is banned.
type scoreboard struct {
	mu      sync.Mutex
	scores  map[peer.ID]float64
	trusted []peer.ID
}

// trust has the scoreboard trust these peers, and no other.
func (s *scoreboard) trust(ids ...peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted = ids
}

func (s *scoreboard) Trusted(id peer.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.trusted, id)
}

func (s *scoreboard) set(id peer.ID, score float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.scores == nil {
		s.scores = make(map[peer.ID]float64)
	}
	s.scores[id] = score
}

func (s *scoreboard) Score(id peer.ID) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scores[id]
}

func (s *scoreboard) Bad(id peer.ID) bool    { return s.Score(id) < -20 }
func (s *scoreboard) Banned(id peer.ID) bool { return s.Score(id) < -50 }

// dialers are nodes that have dialed n one second after the other.
func dialers(t *testing.T, n *node, hosts []host.Host) (all []*node) {
	for _, h := range hosts {
		d := newNode(t, h, peers.Options{})
		connect(t, d, n)
		time.Sleep(time.Second)
		all = append(all, d)
	}
	return all
}

// Of three peers, there is room for two.
func TestTheWorstAreLeftFirst(t *testing.T) {
	for _, tt := range []struct {
		name    string
		scores  [3]float64
		heads   [3]uint64 // ours is 100
		trusted int       // one of them, or -1
		left    int
	}{
		{"the one with the lowest score", [3]float64{-1, 0, 5}, [3]uint64{100, 20, 100}, -1, 0},
		{"of equal scores, the one furthest behind", [3]float64{}, [3]uint64{60, 20, 100}, -1, 1},
		{"of newcomers within an epoch, the one that came first", [3]float64{}, [3]uint64{68, 90, 100}, -1, 0},
		{"not a trusted one", [3]float64{0, 0, -10}, [3]uint64{100, 100, 20}, 2, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, afterFork, 4, func(t *testing.T, hosts []host.Host) {
				scores := new(scoreboard)
				opts := peers.Options{Config: peers.Config{Target: 2}, Scores: scores}
				if tt.trusted >= 0 {
					scores.trust(hosts[tt.trusted].ID())
				}
				n := newNode(t, hosts[3], opts)
				n.chain.head.Store(100)
				for i, h := range hosts[:3] {
					scores.set(h.ID(), tt.scores[i])
					d := newNode(t, h, peers.Options{})
					d.chain.head.Store(tt.heads[i])
					connect(t, d, n)
					time.Sleep(100 * time.Millisecond)
				}
				settle()
				want := byID(slices.Delete(slices.Clone(hosts[:3]), tt.left, tt.left+1)...)
				if got := n.known(); !slices.Equal(got, want) {
					t.Errorf("kept %v, want %v", got, want)
				}
			})
		})
	}
}

// Peers that dial choose themselves: some are always chosen by this node.
func TestSomePeersAreDialedWhateverComesIn(t *testing.T) {
	simulate(t, afterFork, 9, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 4, MinOutbound: 2}})
		dialers(t, n, hosts[1:5])
		for _, h := range hosts[5:] {
			newNode(t, h, peers.Options{})
			n.manager.AddCandidate(infoOf(h))
		}
		time.Sleep(30 * time.Second)
		outbound := 0
		for _, info := range n.manager.Peers() {
			if info.Direction == network.DirOutbound {
				outbound++
			}
		}
		if got := n.known(); len(got) != 4 || outbound != 2 {
			t.Errorf("%d peers, %d of them dialed", len(got), outbound)
		}
	})
}

func TestBadPeersAreLeftAndBannedOnesNotDialed(t *testing.T) {
	simulate(t, afterFork, 5, func(t *testing.T, hosts []host.Host) {
		var scores scoreboard
		scores.set(hosts[4].ID(), -60)
		n := newNode(t, hosts[0], peers.Options{Scores: &scores})
		dialers(t, n, hosts[1:4])
		scores.trust(hosts[3].ID())
		settle()
		told := make([]*goodbyes, 4)
		for i, h := range hosts[1:4] {
			h.RemoveStreamHandler(idGoodbye)
			told[i+1] = notesGoodbyes(h)
		}
		scores.set(hosts[1].ID(), -30)
		scores.set(hosts[2].ID(), -60)
		scores.set(hosts[3].ID(), -30)
		settle()
		if got := told[1].get(); !slices.Equal(got, []beacon.GoodbyeReason{beacon.GoodbyeBadScore}) {
			t.Errorf("a bad peer was told %v", got)
		}
		if got := told[2].get(); !slices.Equal(got, []beacon.GoodbyeReason{beacon.GoodbyeBanned}) {
			t.Errorf("a banned peer was told %v", got)
		}
		if !connected(n, hosts[3]) {
			t.Error("a trusted peer was left for its score")
		}
		n.manager.AddCandidate(infoOf(hosts[4]))
		settle()
		if connected(n, hosts[4]) {
			t.Error("a banned peer was dialed")
		}
		scores.trust()
		settle()
		if connected(n, hosts[3]) {
			t.Error("a peer that is no longer trusted was not left for its score")
		}
	})
}

// Who trusts no scores lists the peers that are trusted.
func TestTrustedPeersWithoutScores(t *testing.T) {
	simulate(t, afterFork, 4, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 1, Trusted: []peer.ID{hosts[1].ID()}}})
		n.chain.head.Store(100) // The trusted one is behind.
		dialers(t, n, hosts[1:])
		time.Sleep(time.Minute)
		if info, ok := n.manager.Peer(hosts[1].ID()); !ok || !info.Trusted {
			t.Errorf("the trusted peer is %+v, %v", info, ok)
		}
		if !n.ConnManager().IsProtected(hosts[1].ID(), "") {
			t.Error("the host may prune a trusted peer")
		}
	})
}

// The scores alone say who is trusted, at any time.
func TestTrustIsAskedOfTheScores(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		var scores scoreboard
		n := newNode(t, hosts[0], peers.Options{Scores: &scores})
		dialers(t, n, hosts[1:])
		for _, trusted := range [][]peer.ID{nil, {hosts[1].ID()}, nil} {
			scores.trust(trusted...)
			settle()
			want := len(trusted) > 0
			if info, ok := n.manager.Peer(hosts[1].ID()); !ok || info.Trusted != want {
				t.Errorf("a peer is %+v, %v, want it trusted: %v", info, ok, want)
			}
			if got := n.ConnManager().IsProtected(hosts[1].ID(), ""); got != want {
				t.Errorf("a peer is protected: %v, want %v", got, want)
			}
		}
	})
}
