package peers_test

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestWhatIsKnownOfPeers(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		a, b := newNode(t, hosts[0], peers.Options{}), newNode(t, hosts[1], peers.Options{})
		b.chain.head.Store(7)
		b.seq.Store(3)
		start := time.Now()
		connect(t, a, b)
		settle()
		info, ok := a.manager.Peer(b.ID())
		if !ok || info.Direction != network.DirOutbound || info.Since.Sub(start) > time.Second || info.Agent == "" {
			t.Errorf("info %+v, %v", info, ok)
		}
		if info.Status == nil || info.Status.HeadSlot != 7 || info.MetaData == nil || info.MetaData.SeqNumber != 3 {
			t.Errorf("status %+v, metadata %+v", info.Status, info.MetaData)
		}
		if !slices.Contains(info.Protocols, idStatusV2) || len(info.Addrs) != 1 || !info.Addrs[0].Equal(b.Addrs()[0]) {
			t.Errorf("protocols %q, addresses %v", info.Protocols, info.Addrs)
		}
		if got := b.manager.Peers(); len(got) != 1 || got[0].ID != a.ID() || got[0].Direction != network.DirInbound {
			t.Errorf("the peer knows of %+v", got)
		}
		if err := a.manager.Disconnect(t.Context(), b.ID(), beacon.GoodbyeTooManyPeers); err != nil {
			t.Fatal(err)
		}
		settle()
		if got := len(a.manager.Peers()) + len(b.manager.Peers()); got != 0 {
			t.Errorf("%d peers are left after the connection", got)
		}
		if _, ok := a.manager.Peer(b.ID()); ok {
			t.Error("a peer that is gone is known of")
		}
	})
}

// A peer that is being left is no peer any more, whatever it says meanwhile: to the server and to the manager.
func TestPeerThatIsBeingLeftIsNone(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		n, d := newNode(t, hosts[0], peers.Options{}), newNode(t, hosts[1], peers.Options{})
		connect(t, d, n)
		settle()
		known := func() [2]bool {
			_, server := n.server.PeerStatus(d.ID())
			_, manager := n.manager.Peer(d.ID())
			return [2]bool{server, manager}
		}
		if got := known(); got != [2]bool{true, true} {
			t.Errorf("the peer is known to the server and the manager: %v", got)
		}
		d.RemoveStreamHandler(idGoodbye)
		d.SetStreamHandler(idGoodbye, func(network.Stream) {}) // It takes its time.
		left := make(chan struct{})
		go func() {
			defer close(left)
			n.server.Disconnect(t.Context(), d.ID(), beacon.GoodbyeFault)
		}()
		time.Sleep(time.Second)
		if got := known(); got != [2]bool{} {
			t.Errorf("a peer that is being left is known: %v", got)
		}
		if _, err := d.server.Handshake(t.Context(), n.ID()); err != nil {
			t.Error(err)
		}
		if got := known(); got != [2]bool{} {
			t.Errorf("a peer that is being left and tells a status is known: %v", got)
		}
		<-left
		settle()
		if connected(n, d) {
			t.Error("the peer was not left")
		}
	})
}

func TestPeersArePingedAndMetaDataFollows(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		a, b := newNode(t, hosts[0], peers.Options{}), newNode(t, hosts[1], peers.Options{})
		connect(t, a, b)
		settle()
		b.asked.reset()
		time.Sleep(10 * time.Minute)
		// Every 15 to 30 s.
		if n := b.asked.count(idPing); n < 17 || n > 40 {
			t.Errorf("%d pings in ten minutes", n)
		}
		if n := b.asked.count(idMetaData); n != 0 {
			t.Errorf("metadata that did not change was asked for %d times", n)
		}
		b.seq.Store(5)
		time.Sleep(35 * time.Second)
		if info, _ := a.manager.Peer(b.ID()); info.MetaData == nil || info.MetaData.SeqNumber != 5 {
			t.Errorf("metadata %+v after it changed", info.MetaData)
		}
		if n := b.asked.count(idMetaData); n != 1 {
			t.Errorf("new metadata was asked for %d times", n)
		}
	})
}

func TestStatusesAreExchangedAgain(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		a, b := newNode(t, hosts[0], peers.Options{}), newNode(t, hosts[1], peers.Options{})
		connect(t, a, b)
		settle()
		if n := a.asked.count(idStatusV2) + b.asked.count(idStatusV2); n != 1 {
			t.Errorf("%d statuses at first, want the dialer's", n)
		}
		time.Sleep(time.Hour)
		if n := a.asked.count(idStatusV2) + b.asked.count(idStatusV2); n < 12 || n > 24 {
			t.Errorf("%d statuses after an hour", n)
		}
		// A head that has moved by an epoch is told without delay.
		a.asked.reset()
		b.asked.reset()
		a.chain.head.Store(32)
		time.Sleep(time.Minute + 3*time.Second)
		info, _ := b.manager.Peer(a.ID())
		if info.Status == nil || info.Status.HeadSlot != 32 {
			t.Errorf("the peer knows of %+v", info.Status)
		}
		if n := a.asked.count(idStatusV2) + b.asked.count(idStatusV2); n > 2 {
			t.Errorf("%d statuses for one move", n)
		}
	})
}

func TestPeersThatTellNoStatusAreLeft(t *testing.T) {
	simulate(t, afterFork, 3, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{})
		inbound, dialed := notesGoodbyes(hosts[1]), notesGoodbyes(hosts[2])
		connect(t, hosts[1], n)
		connect(t, n, hosts[2])
		time.Sleep(19 * time.Second)
		if !connected(n, hosts[1]) || !connected(n, hosts[2]) {
			t.Error("left too early")
		}
		time.Sleep(5 * time.Second)
		for i, g := range []*goodbyes{inbound, dialed} {
			if got := g.get(); !slices.Equal(got, []beacon.GoodbyeReason{beacon.GoodbyeUnableToVerifyNetwork}) ||
				connected(n, hosts[i+1]) {
				t.Errorf("peer %d: goodbyes %v, connected %v", i, got, connected(n, hosts[i+1]))
			}
		}
	})
}

func TestPeersThatAreLateAreAsked(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{})
		var times []time.Duration
		start := time.Now()
		hosts[1].SetStreamHandler(idStatusV2, func(stream network.Stream) {
			times = append(times, time.Since(start))
			_ = stream.Reset()
		})
		connect(t, hosts[1], n)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if len(times) != 1 || times[0] < 10*time.Second || times[0] > 13*time.Second {
			t.Errorf("asked after %v", times)
		}
	})
}

func TestPeersThatDoNotAnswerPingsAreLeft(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		a, b := newNode(t, hosts[0], peers.Options{}), newNode(t, hosts[1], peers.Options{})
		connect(t, a, b)
		settle()
		b.manager.Stop() // and pings no more itself
		b.SetStreamHandler(idPing, func(stream network.Stream) {
			_, _ = io.Copy(io.Discard, stream)
			_ = stream.Reset()
		})
		time.Sleep(35 * time.Second)
		if info, _ := a.manager.Peer(b.ID()); info.Fails == 0 || info.Fails > 2 {
			t.Errorf("%d failures after 35 s", info.Fails)
		}
		time.Sleep(time.Minute)
		if connected(a, b) {
			t.Error("still connected")
		}
		if n := b.asked.count(idGoodbye); n != 1 {
			t.Errorf("%d goodbyes", n)
		}
	})
}

// Deployed clients have small limits of their own.
func TestRateLimitedPingsAreNoFailure(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		a, b := newNode(t, hosts[0], peers.Options{}), newNode(t, hosts[1], peers.Options{})
		connect(t, a, b)
		settle()
		b.SetStreamHandler(idPing, func(stream network.Stream) {
			_, _ = io.Copy(io.Discard, stream)
			_ = stream.ResetWithError(network.StreamRateLimited)
		})
		b.manager.Stop()
		time.Sleep(4 * time.Minute)
		if info, ok := a.manager.Peer(b.ID()); !ok || info.Fails != 0 {
			t.Errorf("connected %v, %d failures", ok, info.Fails)
		}
	})
}

// At a fork, peers that follow it stay, though their clocks differ, and those that do not are found and left.
func TestForksAreCrossedTogether(t *testing.T) {
	const fork = ssz.Slot(64)
	simulate(t, fork-40, 3, func(t *testing.T, hosts []host.Host) {
		a := newNode(t, hosts[0], peers.Options{})
		b := newNodeAt(t, hosts[1], peers.Options{}, func() time.Time { return time.Now().Add(400 * time.Millisecond) })
		stuck := beacon.NewServer(hosts[2], devchain.Network(), new(headChain), &beacon.ServerOptions{
			Now: func() time.Time { return devchain.Network().TimeAt(fork - 1) },
		})
		if err := stuck.Start(); err != nil {
			t.Fatal(err)
		}
		defer stuck.Stop(t.Context())
		connect(t, a, b)
		connect(t, a, hosts[2])
		settle()
		if got, want := a.known(), byID(hosts[1:]...); !slices.Equal(got, want) {
			t.Fatalf("peers %v before the fork, want %v", got, want)
		}
		before, _ := a.manager.Peer(b.ID())
		// Just now b is on the other side of the fork.
		time.Sleep(time.Until(devchain.Network().TimeAt(fork)) - 200*time.Millisecond)
		for _, from := range []*node{a, b} {
			for _, to := range []*node{a, b} {
				if from == to {
					continue
				}
				if _, err := from.server.Handshake(t.Context(), to.ID()); err != nil {
					t.Errorf("on both sides of the fork: %v", err)
				}
			}
		}
		time.Sleep(time.Until(devchain.Network().TimeAt(fork)) + 20*time.Second)
		info, ok := a.manager.Peer(b.ID())
		if !ok || info.Since != before.Since || info.Status == nil ||
			info.Status.ForkDigest != devchain.Network().DigestAt(2) {
			t.Errorf("the peer that follows: connected %v, %+v", ok, info.Status)
		}
		if !slices.Contains(info.Protocols, idStatusV2) {
			t.Errorf("it offers %q", info.Protocols)
		}
		if connected(a, hosts[2]) {
			t.Error("the peer that does not follow is still connected")
		}
	})
}

// A program that only asks, as the README has it, is kept for as long as it runs: it answers the statuses, pings and
// metadata requests by which peers are looked after. A client alone, who answers nothing, is left.
func TestProgramWithoutAChainIsKept(t *testing.T) {
	simulate(t, afterFork, 3, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{})
		n.chain.head.Store(uint64(afterFork))
		program := beacon.NewServer(hosts[1], devchain.Network(), beacon.NoChain, nil)
		if err := program.Start(); err != nil {
			t.Fatal(err)
		}
		defer program.Stop(t.Context())
		alone := beacon.NewClient(hosts[2], beacon.NewFamily(devchain.Network()), nil)
		for i, asker := range []*beacon.Client{program.Client(), alone} {
			connect(t, hosts[i+1], n)
			for _, err := range asker.BlocksByRange(t.Context(), n.ID(), 1, 1) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		before, _ := n.manager.Peer(hosts[1].ID())
		time.Sleep(40 * time.Second)
		if connected(n, hosts[2]) {
			t.Error("a client alone is still connected")
		}
		time.Sleep(5 * time.Minute)
		info, ok := n.manager.Peer(hosts[1].ID())
		if !ok || info.Since != before.Since || info.Fails != 0 || info.Status == nil || info.MetaData == nil {
			t.Errorf("connected %v, %+v", ok, info)
		}
		if ok && info.Status != nil && (info.Status.HeadSlot != afterFork ||
			info.Status.EarliestAvailableSlot != afterFork+1) {
			t.Errorf("it tells %+v", info.Status)
		}
	})
}
