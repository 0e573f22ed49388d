package main

import (
	"context"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/client"
)

// waitForPeer waits until a node has exchanged statuses with a peer.
func waitForPeer(t *testing.T, at serveResult, id peer.ID) {
	t.Helper()
	c, err := client.Dial(t.Context(), at.IPC)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	waitUntil(t, "the peer", func(ctx context.Context) (bool, error) {
		peers, err := c.Peers(ctx)
		for _, p := range peers {
			if p.PeerID == id && p.Status != nil {
				return true, err
			}
		}
		return false, err
	})
}

func TestNodesFindEachOtherByDiscovery(t *testing.T) {
	t.Parallel()
	discovering := []string{"--discovery.v5", "--discovery.addr", "127.0.0.1:0"}
	boot := serveOpen(t, discovering...)
	if !strings.HasPrefix(boot.ENR, "enr:") {
		t.Fatalf("record %q", boot.ENR)
	}
	node := serveOpen(t, append(discovering, "--bootnodes", boot.ENR)...)
	waitForPeer(t, node, boot.PeerID)
}

func TestStaticAndTrustedNodes(t *testing.T) {
	t.Parallel()
	other := serveOpen(t)
	if other.ENR != "" {
		t.Errorf("record %q without discovery", other.ENR)
	}
	// The static peer is dialed although no others are.
	node := serveOpen(t, "--nodial", "--staticnodes", other.Addrs[0], "--trustednodes", other.PeerID.String())
	waitForPeer(t, node, other.PeerID)
	if rows := columns(t, succeed(t, "trusted", "--attach", node.IPC)); len(rows) != 1 || rows[0][0] != other.PeerID.String() || rows[0][1] != "-" {
		t.Errorf("trusted %q", rows)
	}
	text := succeed(t, "peer", other.PeerID.String(), "--attach", node.IPC)
	for _, want := range []string{"static       true", "trusted      true"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	fail(t, exitFailed, "peer is trusted", "ban", other.PeerID.String(), "--attach", node.IPC)
}

// A node record names a peer in every argument and setting.
func TestPeersAreNamedByRecords(t *testing.T) {
	t.Parallel()
	other := serveOpen(t, "--discovery.v5", "--discovery.addr", "127.0.0.1:0")
	network := devNetwork(t)
	for _, call := range []string{"status", "metadata"} {
		succeed(t, append([]string{"call", other.ENR, call}, network...)...)
	}
	succeed(t, append([]string{"sync", "--datadir", t.TempDir(), other.ENR}, network...)...)
	node := serveOpen(t, "--nodial", "--staticnodes", other.ENR, "--trustednodes", other.ENR)
	waitForPeer(t, node, other.PeerID)
	at := []string{"--attach", node.IPC}
	succeed(t, append([]string{"connect", other.ENR}, at...)...)
	text := succeed(t, append([]string{"peer", other.ENR}, at...)...)
	for _, want := range []string{"static       true", "trusted      true"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, command := range []string{"disconnect", "untrust", "ban", "unban", "trust"} {
		got := succeed(t, append([]string{command, other.ENR}, at...)...)
		if !strings.HasPrefix(got, other.PeerID.String()+": ") {
			t.Errorf("%s: %q, want it of %v", command, got, other.PeerID)
		}
	}
}

func TestNoGossipsub(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flags []string
		want  bool
	}{{nil, true}, {[]string{"--nogossipsub"}, false}} {
		server, asker := serveOpen(t, tt.flags...), serveOpen(t)
		at := []string{"--attach", asker.IPC}
		succeed(t, append([]string{"connect", server.Addrs[0]}, at...)...)
		text := succeed(t, append([]string{"peer", server.PeerID.String()}, at...)...)
		if got := strings.Contains(text, "/meshsub/1.2.0"); got != tt.want {
			t.Errorf("%v: gossipsub %v, want %v, in\n%s", tt.flags, got, tt.want, text)
		}
	}
}
