package beacon_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// clockFrom returns a clock that runs with the bubble's, from a time on.
func clockFrom(at time.Time) func() time.Time {
	began := time.Now()
	return func() time.Time { return at.Add(time.Since(began)) }
}

// A setClock stands still where it was set.
type setClock struct{ nanos atomic.Int64 }

func (c *setClock) set(t time.Time) { c.nanos.Store(t.UnixNano()) }

func (c *setClock) now() time.Time { return time.Unix(0, c.nanos.Load()) }

// versions returns which of the protocols that a fork replaces or brings a host offers.
func versions(h host.Host) (ids []protocol.ID) {
	for _, id := range []protocol.ID{idStatusV1, idStatusV2, idMetaDataV2, idMetaDataV3, idByRange} {
		if slices.Contains(h.Mux().Protocols(), id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func TestOfferedMethodsFollowTheForks(t *testing.T) {
	n := devNetwork()
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{Now: clockFrom(n.TimeAt(boundarySlot).Add(-time.Minute))})
		connect(t, client, server)
		epoch := n.TimeAt(32).Sub(n.TimeAt(0))
		for _, tt := range []struct {
			sleep time.Duration
			want  []protocol.ID
		}{
			{time.Minute - time.Second, []protocol.ID{idStatusV1, idMetaDataV2, idByRange}},
			{2 * time.Second, []protocol.ID{idStatusV1, idStatusV2, idMetaDataV2, idMetaDataV3, idByRange}},
			{epoch - 2*time.Second, []protocol.ID{idStatusV1, idStatusV2, idMetaDataV2, idMetaDataV3, idByRange}},
			{2 * time.Second, []protocol.ID{idStatusV2, idMetaDataV3, idByRange}},
			{100 * epoch, []protocol.ID{idStatusV2, idMetaDataV3, idByRange}},
		} {
			time.Sleep(tt.sleep)
			if got := versions(server); !slices.Equal(got, tt.want) {
				t.Errorf("after %v it offers %q, want %q", tt.sleep, got, tt.want)
			}
		}
		// Peers learn of it.
		known, err := client.Peerstore().SupportsProtocols(server.ID(), idStatusV1, idStatusV2)
		if err != nil || !slices.Equal(known, []protocol.ID{idStatusV2}) {
			t.Errorf("the peer knows of %q, %v", known, err)
		}
	})
}

func TestClocksMayDifferAtAFork(t *testing.T) {
	n := devNetwork()
	boundary := n.TimeAt(boundarySlot)
	before, after := devBlock(boundarySlot-1).Digest, devBlock(boundarySlot).Digest
	simulate(t, func(t *testing.T, client, server host.Host) {
		var clock setClock
		srv := serve(t, server, devChain(), beacon.ServerOptions{Now: clock.now})
		for _, tt := range []struct {
			now      time.Time
			theirs   ssz.ForkDigest
			relevant bool
		}{
			{boundary.Add(-400 * time.Millisecond), after, true},
			{boundary.Add(-600 * time.Millisecond), after, false},
			{boundary.Add(400 * time.Millisecond), before, true},
			{boundary.Add(600 * time.Millisecond), before, false},
			{boundary.Add(400 * time.Millisecond), ssz.ForkDigest{1}, false},
		} {
			clock.set(tt.now)
			connect(t, client, server)
			theirs := ssz.StatusV1{ForkDigest: tt.theirs}
			must(ask(t, client, server, idStatusV1, payload(must(theirs.MarshalSSZ()))))
			settle()
			if _, ok := srv.PeerStatus(client.ID()); ok != tt.relevant {
				t.Errorf("digest %v at %v: relevant is %v", tt.theirs, tt.now.Sub(boundary), ok)
			}
			_ = client.Network().ClosePeer(server.ID())
			settle()
		}
	})
}

func TestPeerTraceTellsWhatPeersSay(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		var statuses []beacon.Status
		var pings []uint64
		var goodbyes, left []beacon.GoodbyeReason
		var conns []network.Direction
		ended := 0
		srv := serve(t, server, devChain(), beacon.ServerOptions{PeerTrace: &beacon.PeerTrace{
			Connected: func(id peer.ID, dir network.Direction) {
				if id == client.ID() {
					conns = append(conns, dir)
				}
			},
			Disconnected: func(peer.ID) { ended++ },
			Status: func(id peer.ID, ours, theirs beacon.Status) {
				if id != client.ID() || ours.HeadSlot != headSlot {
					t.Errorf("status of %v, who was told %+v", id, ours)
				}
				statuses = append(statuses, theirs)
			},
			Ping:          func(_ peer.ID, seq uint64) { pings = append(pings, seq) },
			Goodbye:       func(_ peer.ID, reason beacon.GoodbyeReason) { goodbyes = append(goodbyes, reason) },
			Disconnecting: func(_ peer.ID, reason beacon.GoodbyeReason) { left = append(left, reason) },
		}})
		c := newClient(client)
		status := must(srv.Status(t.Context()))
		status.HeadSlot = 70
		must(c.Status(t.Context(), server.ID(), status))
		must(c.Ping(t.Context(), server.ID(), 7))
		must(0, c.Goodbye(t.Context(), server.ID(), beacon.GoodbyeTooManyPeers))
		if len(statuses) != 1 || statuses[0] != status || !slices.Equal(pings, []uint64{7}) {
			t.Errorf("told of statuses %+v, pings %d", statuses, pings)
		}
		if !slices.Equal(goodbyes, []beacon.GoodbyeReason{beacon.GoodbyeTooManyPeers}) || len(left) != 0 {
			t.Errorf("told of goodbyes %v, left %v", goodbyes, left)
		}
		srv.Disconnect(t.Context(), client.ID(), beacon.GoodbyeBadScore)
		settle()
		status.ForkDigest = ssz.ForkDigest{1}
		must(c.Status(t.Context(), server.ID(), status))
		settle()
		want := []beacon.GoodbyeReason{beacon.GoodbyeBadScore, beacon.GoodbyeIrrelevantNetwork}
		if !slices.Equal(left, want) || connected(client, server) || len(statuses) != 1 {
			t.Errorf("left with %v, want %v; connected %v; statuses %d", left, want, connected(client, server), len(statuses))
		}
		if want := []network.Direction{network.DirInbound, network.DirInbound}; !slices.Equal(conns, want) || ended != 2 {
			t.Errorf("told of connections %v, want %v, and of the end of %d", conns, want, ended)
		}
	})
}

func TestLeavingDoesNotDial(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		srv := serve(t, server, devChain(), beacon.ServerOptions{})
		srv.Disconnect(t.Context(), client.ID(), beacon.GoodbyeFault)
		settle()
		if connected(server, client) {
			t.Error("a peer was dialed to be left")
		}
	})
}
