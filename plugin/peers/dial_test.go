package peers_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

func TestOfferedPeersAreDialedUpToTheTarget(t *testing.T) {
	simulate(t, afterFork, 9, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 5}})
		for _, h := range hosts[1:] {
			newNode(t, h, peers.Options{})
			n.manager.AddCandidate(infoOf(h))
		}
		n.manager.AddCandidate(infoOf(n)) // itself, which is no peer
		settle()
		if got := n.known(); len(got) != 5 {
			t.Errorf("%d peers, want the target of 5", len(got))
		}
		// One that goes is replaced.
		if err := n.manager.Disconnect(t.Context(), n.known()[0], beacon.GoodbyeFault); err != nil {
			t.Fatal(err)
		}
		settle()
		if got := n.known(); len(got) != 5 {
			t.Errorf("%d peers after one went", len(got))
		}
	})
}

func TestDialsArePaced(t *testing.T) {
	simulate(t, afterFork, 40, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{})
		for _, h := range hosts[1:] {
			n.manager.AddCandidate(infoOf(h))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := len(n.Network().Peers()); got < 8 || got > 8+4 {
			t.Errorf("%d dials in a second, want a burst of 8 and 4 a second", got)
		}
		time.Sleep(15 * time.Second)
		if got := len(n.Network().Peers()); got != 39 {
			t.Errorf("%d peers in the end", got)
		}
	})
}

func TestCandidatesAreWantedAsLongAsPeersAre(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 1}})
		newNode(t, hosts[1], peers.Options{})
		if err := n.manager.WaitWanted(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.manager.AddCandidate(infoOf(hosts[1]))
		settle()
		// What was wanted before the peer was there may still be told.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = n.manager.WaitWanted(ctx)
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := n.manager.WaitWanted(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with all peers there: %v", err)
		}
	})
}

func TestNoDialLeavesStaticPeers(t *testing.T) {
	simulate(t, afterFork, 3, func(t *testing.T, hosts []host.Host) {
		newNode(t, hosts[1], peers.Options{Config: peers.Config{NoDial: true}})
		newNode(t, hosts[2], peers.Options{Config: peers.Config{NoDial: true}})
		n := newNode(t, hosts[0], peers.Options{Config: peers.Config{NoDial: true, Static: infosOf(hosts[2:])}})
		n.manager.AddCandidate(infoOf(hosts[1]))
		settle()
		if got := n.known(); !slices.Equal(got, byID(hosts[2])) {
			t.Errorf("peers %v, want the static one", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := n.manager.WaitWanted(ctx); err == nil {
			t.Error("candidates are wanted")
		}
	})
}

// dialsTo notes when a host is dialed.
func dialsTo(h host.Host) func() []time.Duration {
	start := time.Now()
	var times []time.Duration
	h.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, conn network.Conn) {
		if conn.Stat().Direction == network.DirInbound {
			times = append(times, time.Since(start))
		}
	}})
	return func() []time.Duration {
		synctest.Wait()
		return times
	}
}

func TestBackoffAsTheReasonAsks(t *testing.T) {
	for _, tt := range []struct {
		reason beacon.GoodbyeReason
		pause  time.Duration
	}{
		{beacon.GoodbyeClientShutdown, 5 * time.Minute},
		{beacon.GoodbyeIrrelevantNetwork, 4 * time.Hour},
		{beacon.GoodbyeFault, 2 * time.Minute},
		{beacon.GoodbyeUnableToVerifyNetwork, 5 * time.Minute},
		{beacon.GoodbyeTooManyPeers, 5 * time.Minute},
		{beacon.GoodbyeBadScore, time.Hour},
		{beacon.GoodbyeBanned, 4 * time.Hour},
		{77, 10 * time.Minute},
	} {
		t.Run(tt.reason.String(), func(t *testing.T) {
			simulate(t, afterFork, 3, func(t *testing.T, hosts []host.Host) {
				a := newNode(t, hosts[0], peers.Options{})
				told, telling := newNode(t, hosts[1], peers.Options{}), newNode(t, hosts[2], peers.Options{})
				a.manager.AddCandidate(infoOf(told))
				a.manager.AddCandidate(infoOf(telling))
				settle()
				told.manager.Stop() // It would dial as well.
				telling.manager.Stop()
				toTold, toTelling := dialsTo(told), dialsTo(telling)
				a.server.Disconnect(t.Context(), told.ID(), tt.reason)
				telling.server.Disconnect(t.Context(), a.ID(), tt.reason)
				time.Sleep(tt.pause + 5*time.Second)
				for _, got := range [][]time.Duration{toTold(), toTelling()} {
					if len(got) != 1 || got[0] < tt.pause {
						t.Errorf("dialed again after %v, want %v", got, tt.pause)
					}
				}
			})
		})
	}
}

func TestAPeerThatSaidGoodbyeIsHungUpOn(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{})
		connect(t, n, hosts[1])
		c := beacon.NewClient(hosts[1], n.server.Family(), nil)
		if err := c.Goodbye(t.Context(), n.ID(), beacon.GoodbyeTooManyPeers); err != nil {
			t.Fatal(err)
		}
		if len(n.Network().Conns()) == 0 {
			t.Error("the answer is all that it got")
		}
		settle()
		if connected(n, hosts[1]) {
			t.Error("still connected")
		}
	})
}

func TestStaticPeersAreDialedAgainAndAgain(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		b := newNode(t, hosts[1], peers.Options{})
		a := newNode(t, hosts[0], peers.Options{Config: peers.Config{Static: infosOf(hosts[1:])}})
		settle()
		if len(a.known()) != 1 {
			t.Fatal("a static peer was not dialed")
		}
		b.manager.Stop()
		// Even a peer that wants to be left alone for long is asked every five minutes.
		for range 3 {
			dials := dialsTo(b)
			b.server.Disconnect(t.Context(), a.ID(), beacon.GoodbyeBanned)
			time.Sleep(5*time.Minute + 5*time.Second)
			if got := dials(); len(got) != 1 || got[0] < 5*time.Minute || len(a.known()) != 1 {
				t.Errorf("dialed after %v, known %v", got, a.known())
			}
		}
		a.manager.RemoveStatic(b.ID())
		dials := dialsTo(b)
		b.server.Disconnect(t.Context(), a.ID(), beacon.GoodbyeBanned)
		time.Sleep(time.Hour)
		if got := dials(); len(got) != 0 {
			t.Errorf("one that is no longer static was dialed after %v", got)
		}
	})
}

func TestUnreachablePeersAreDialedLessAndLess(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		// A peer that accepts connections, but tells nothing.
		dials := dialsTo(hosts[1])
		n := newNode(t, hosts[0], peers.Options{})
		n.manager.AddCandidate(infoOf(hosts[1]))
		time.Sleep(5 * time.Hour)
		got := dials()
		if len(got) != 8 {
			t.Fatalf("dialed %d times in five hours: %v", len(got), got)
		}
		for i := 2; i < len(got); i++ {
			if before, after := got[i-1]-got[i-2], got[i]-got[i-1]; after < before*6/5 && i > 4 {
				t.Errorf("dial %d came %v after the last, that %v after its own", i, after, before)
			}
		}
	})
}

func TestConnect(t *testing.T) {
	simulate(t, afterFork, 3, func(t *testing.T, hosts []host.Host) {
		n, b := newNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 1}}), newNode(t, hosts[1], peers.Options{})
		newNode(t, hosts[2], peers.Options{})
		b.chain.head.Store(9)
		status, err := n.manager.Connect(t.Context(), infoOf(b))
		if err != nil || status.HeadSlot != 9 {
			t.Errorf("got %+v, %v", status, err)
		}
		if _, err := n.manager.Connect(t.Context(), peer.AddrInfo{ID: hosts[2].ID()}); err == nil {
			t.Error("connected without an address")
		}
		if err := n.manager.Disconnect(t.Context(), hosts[2].ID(),
			beacon.GoodbyeFault); !errors.Is(err, peers.ErrNotConnected) {
			t.Errorf("got %v", err)
		}
		// Connecting does not wait for a back-off to end.
		if err := n.manager.Disconnect(t.Context(), b.ID(), beacon.GoodbyeBanned); err != nil {
			t.Fatal(err)
		}
		settle()
		if _, err := n.manager.Connect(t.Context(), infoOf(b)); err != nil {
			t.Error(err)
		}
		n.stop()
		if _, err := n.manager.Connect(t.Context(), infoOf(b)); !errors.Is(err, peers.ErrNotRunning) {
			t.Errorf("after Stop: %v", err)
		}
		if err := n.manager.Disconnect(t.Context(), b.ID(), beacon.GoodbyeFault); !errors.Is(err, peers.ErrNotRunning) {
			t.Errorf("after Stop: %v", err)
		}
	})
}

func TestSharedHostsKeepTheirOtherPeers(t *testing.T) {
	simulate(t, afterFork, 4, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 1}, Shared: true})
		connect(t, hosts[1], n)
		connect(t, n, hosts[2])
		b := newNode(t, hosts[3], peers.Options{})
		n.manager.AddCandidate(infoOf(b))
		time.Sleep(time.Minute)
		if !connected(n, hosts[1]) || !connected(n, hosts[2]) {
			t.Error("a peer of the host's other uses was left")
		}
		if got := n.known(); !slices.Equal(got, byID(hosts[3])) {
			t.Errorf("peers %v, want the one that was offered", got)
		}
	})
}

// An operator learns that a static peer is not there, and is not told again until it was.
func TestStaticPeerThatIsNotThereIsToldOnce(t *testing.T) {
	simulate(t, afterFork, 3, func(t *testing.T, hosts []host.Host) {
		var log strings.Builder
		static := newNode(t, hosts[1], peers.Options{})
		gone := infoOf(hosts[2])
		hosts[2].Close()
		n := newNode(t, hosts[0], peers.Options{
			Config: peers.Config{Static: []peer.AddrInfo{infoOf(static), gone}},
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
		n.manager.AddCandidate(peer.AddrInfo{ID: "another that is gone", Addrs: gone.Addrs})
		time.Sleep(10 * time.Minute)
		n.stop()
		if got := strings.Count(log.String(), "dialing failed"); got != 1 ||
			!strings.Contains(log.String(), gone.ID.String()) {
			t.Errorf("told\n%s\nwant once of %v", log.String(), gone.ID)
		}
	})
}
