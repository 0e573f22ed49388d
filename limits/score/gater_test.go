package score_test

import (
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/score"
)

// refusing refuses one peer.
type refusing struct {
	connmgr.ConnectionGater
	id peer.ID
}

func (r refusing) InterceptPeerDial(id peer.ID) bool { return id != r.id }
func (r refusing) InterceptSecured(_ network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	return id != r.id
}

func TestGaterKeepsBannedPeersOut(t *testing.T) {
	t.Parallel()
	b := newBook(t, nil)
	b.Penalize(alice, score.Fatal, "")
	b.Penalize(bob, score.LowTolerance, "")
	const carol = peer.ID("carol")
	for name, tc := range map[string]struct {
		gater connmgr.ConnectionGater
		want  map[peer.ID]bool
	}{
		"alone":     {b.Gater(nil), map[peer.ID]bool{alice: false, bob: true, carol: true}},
		"with next": {b.Gater(refusing{nil, carol}), map[peer.ID]bool{alice: false, bob: true, carol: false}},
	} {
		for id, want := range tc.want {
			if got := tc.gater.InterceptPeerDial(id); got != want {
				t.Errorf("%s: dialling %s is allowed: %v", name, string(id), got)
			}
			if got := tc.gater.InterceptSecured(network.DirInbound, id, nil); got != want {
				t.Errorf("%s: a connection of %s is allowed: %v", name, string(id), got)
			}
		}
	}
}

func TestBannedPeerCannotConnectToAHost(t *testing.T) {
	t.Parallel()
	b := newBook(t, nil)
	server, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.ConnectionGater(b.Gater(nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := libp2p.New(libp2p.NoListenAddrs)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	info := peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}
	b.Penalize(client.ID(), score.Fatal, "")
	if err := client.Connect(t.Context(), info); err == nil {
		// It may learn of it only as the connection closes.
		if _, err := client.NewStream(t.Context(), server.ID(), "/none"); err == nil {
			t.Error("a banned peer opened a stream")
		}
	}
	if n := len(server.Network().ConnsToPeer(client.ID())); n > 0 {
		t.Errorf("a banned peer has %d connections", n)
	}
	b.Forgive(client.ID())
	_ = client.Network().ClosePeer(server.ID())
	if err := client.Connect(t.Context(), info); err != nil {
		t.Errorf("a forgiven peer cannot connect: %v", err)
	}
}
