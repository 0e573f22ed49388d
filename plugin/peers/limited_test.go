package peers_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// behindRelay has a host be reached over a relay alone, and returns where.
func behindRelay(t *testing.T, via, h host.Host) peer.AddrInfo {
	t.Helper()
	service, err := relay.New(via)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	connect(t, h, via)
	if _, err := circuit.Reserve(t.Context(), h, infoOf(via)); err != nil {
		t.Fatal(err)
	}
	// But for the address of relays, it listens nowhere.
	h.Network().(interface {
		ListenClose(addrs ...multiaddr.Multiaddr)
	}).ListenClose(slices.DeleteFunc(h.Network().ListenAddresses(), func(addr multiaddr.Multiaddr) bool {
		_, err := addr.ValueForProtocol(multiaddr.P_CIRCUIT)
		return err == nil
	})...)
	info := infoOf(via)
	addrs, err := peer.AddrInfoToP2pAddrs(&info)
	if err != nil {
		t.Fatal(err)
	}
	return peer.AddrInfo{
		ID:    h.ID(),
		Addrs: []multiaddr.Multiaddr{addrs[0].Encapsulate(multiaddr.StringCast("/p2p-circuit"))},
	}
}

// A journal is what was logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// A peer that is reached over a relay alone is dialed like others that cannot be reached, said to be so at once, and
// neither left nor blamed.
func TestPeersBehindARelayAreNotBlamed(t *testing.T) {
	simulate(t, afterFork, 3, func(t *testing.T, hosts []host.Host) {
		at := behindRelay(t, hosts[0], hosts[1])
		notes := notesGoodbyes(hosts[1])
		log := new(journal)
		// The relay is no peer of the domain.
		n := newNode(t, hosts[2], peers.Options{
			Config: peers.Config{Static: []peer.AddrInfo{at}}, Shared: true,
			Logger: slog.New(slog.NewTextHandler(log, nil)),
		})
		settle()
		limited := func() {
			t.Helper()
			if got := n.Network().Connectedness(at.ID); got != network.Limited {
				t.Fatalf("the peer is %v, want a limited connection", got)
			}
			if all := n.manager.Peers(); len(all) > 1 { // the relay
				t.Errorf("peers %v", all)
			}
		}
		limited()
		begin := time.Now()
		if _, err := n.manager.Connect(t.Context(), at); !errors.Is(err, network.ErrLimitedConn) ||
			time.Since(begin) > time.Second {
			t.Errorf("after %v: error %v, want %v at once", time.Since(begin), err, network.ErrLimitedConn)
		}
		time.Sleep(time.Minute)
		limited()
		if got := notes.get(); len(got) > 0 {
			t.Errorf("the peer was told goodbye: %v", got)
		}
		for line := range strings.Lines(log.String()) {
			// What comes before is of the relay, which is no peer of the domain.
			if strings.Contains(line, at.ID.String()) && !strings.Contains(line, "peer is reached over a relay alone") {
				t.Errorf("logged of the peer: %s", line)
			}
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings, want one that the peer is behind a relay:\n%s", n, log.String())
		}
	})
}

// With a direct connection beside the limited one it is a peer as any other.
func TestPeersBehindARelayJoinOnceTheyAreReachedDirectly(t *testing.T) {
	simulate(t, afterFork, 3, func(t *testing.T, hosts []host.Host) {
		at := behindRelay(t, hosts[0], hosts[1])
		other := newNode(t, hosts[1], peers.Options{Config: peers.Config{NoDial: true}, Shared: true})
		n := newNode(t, hosts[2], peers.Options{Config: peers.Config{Static: []peer.AddrInfo{at}}, Shared: true})
		settle()
		if got := n.Network().Connectedness(at.ID); got != network.Limited {
			t.Fatalf("the peer is %v, want a limited connection", got)
		}
		if err := other.Connect(network.WithForceDirectDial(t.Context(), "test"), infoOf(n)); err != nil {
			t.Fatal(err)
		}
		settle()
		if got := n.known(); len(got) != 1 || got[0] != at.ID {
			t.Errorf("peers %v, want %v", got, at.ID)
		}
		if err := other.manager.Disconnect(t.Context(), n.ID(), beacon.GoodbyeClientShutdown); err != nil {
			t.Error(err)
		}
	})
}
