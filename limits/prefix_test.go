package limits_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// oneNetwork has all peers at one prefix, but for those that are named.
func oneNetwork(elsewhere ...peer.ID) func(peer.ID) netip.Addr {
	return func(id peer.ID) netip.Addr {
		for i, other := range elsewhere {
			if id == other {
				return netip.AddrFrom4([4]byte{198, 51, byte(i), 1})
			}
		}
		return netip.AddrFrom4([4]byte{203, 0, 113, 1})
	}
}

// TestPrefixHasThePartOfAFewPeers has many peers of a prefix and some of others use all there is.
func TestPrefixHasThePartOfAFewPeers(t *testing.T) {
	t.Parallel()
	const inPrefix = 20
	others := []peer.ID{"a", "b", "c", "d"}
	for name, tc := range map[string]struct {
		weight float64 // of those in the prefix
		want   float64 // part of the prefix
	}{
		"as four of theirs": {1, .5},
		"of less weight":    {1. / 4, .2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sc := &scores{weights: make(map[peer.ID]float64)}
				for i := range inPrefix {
					sc.weights[peerID(i)] = tc.weight
				}
				c := nodeBytes(limits.Rate{N: 1 << 20, Burst: 64 * kib})
				c.MaxConcurrent, c.Prefix.Peers = 8, len(others)
				l, err := limits.New(&limits.Options{Config: onlyBlocks(limits.Quota{}, c), Scores: sc, Addr: oneNetwork(others...)})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var wg sync.WaitGroup
				var mu sync.Mutex
				var prefix, all uint64
				get := func(id peer.ID, in bool) {
					wg.Go(func() {
						n := download(t, ctx, l, id, 4*kib, 1000)
						mu.Lock()
						defer mu.Unlock()
						all += n
						if in {
							prefix += n
						}
					})
				}
				for i := range inPrefix {
					get(peerID(i), true)
				}
				for _, id := range others {
					get(id, false)
				}
				wg.Wait()
				if part := float64(prefix) / float64(all); part < tc.want-.03 || part > tc.want+.03 {
					t.Errorf("the prefix got %.3f of all, want %.2f", part, tc.want)
				}
			})
		})
	}
}

func TestPrefixHasTheChunksOfAFewPeers(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]limits.Quota{
		"items": {Items: limits.Rate{N: 1, Burst: 5}},
		"bytes": {Bytes: limits.Rate{N: 100, Burst: 500}},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := onlyBlocks(q, limits.Config{Prefix: limits.Prefix{Peers: 2}})
			l, err := limits.New(&limits.Options{Config: c, Addr: oneNetwork(alice)})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for i := range 14 {
				spend(t, l, peerID(i), one)
			}
			wantAt(t, "the fourteenth chunk of a prefix by "+name, start, 2*s)
			start = time.Now()
			spend(t, l, alice, one)
			wantAt(t, "a chunk of another prefix by "+name, start, 0)
		})
	}
}

// TestPrefixKeepsNobodyElseOut has peers of one prefix wait for its budget while others ask.
func TestPrefixKeepsNobodyElseOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{Items: perMinute}, limits.Config{Prefix: limits.Prefix{Peers: 1}})
		l, err := limits.New(&limits.Options{Config: c, Addr: oneNetwork(alice, bob)})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() { spend(t, l, peerID(i), one) })
			synctest.Wait()
		}
		start := time.Now()
		for _, id := range []peer.ID{alice, bob} {
			spend(t, l, id, one)
		}
		wantAt(t, "chunks of other prefixes", start, 0)
		wg.Wait()
		wantAt(t, "the chunk of a prefix without any left", start, 4*s)
	})
}

// TestPrefixIsRememberedUntilItsBudgetIsFull has peers of a prefix owe more together than each of them does.
func TestPrefixIsRememberedUntilItsBudgetIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{Requests: perMinute}, limits.Config{MaxPeers: 2, Prefix: limits.Prefix{Peers: 1}})
		l, err := limits.New(&limits.Options{Config: c, Addr: oneNetwork(alice, bob)})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			admit(t, l, peerID(i), blocks).Release()
		}
		time.Sleep(70 * s) // Both peers could be forgotten now, and the prefix still lacks a request.
		admit(t, l, alice, blocks).Release()
		time.Sleep(2 * s)
		if _, err := l.Admit(t.Context(), bob, blocks); !errors.Is(err, limits.ErrTooManyPeers) {
			t.Errorf("Admit from a third prefix returned %v, want %v", err, limits.ErrTooManyPeers)
		}
		time.Sleep(time.Minute)
		admit(t, l, bob, blocks).Release()
	})
}

// connected is a host that peers are connected to.
type connected struct {
	reqresp.Host
	at map[peer.ID][]string
}

func (c connected) Network() network.Network { return connections{at: c.at} }

type connections struct {
	network.Network
	at map[peer.ID][]string
}

func (c connections) ConnsToPeer(id peer.ID) (conns []network.Conn) {
	for _, addr := range c.at[id] {
		conns = append(conns, connection{addr: multiaddr.StringCast(addr)})
	}
	return conns
}

type connection struct {
	network.Conn
	addr multiaddr.Multiaddr
}

func (c connection) RemoteMultiaddr() multiaddr.Multiaddr { return c.addr }

func TestAddressThatAPeerIsConnectedAt(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"/ip4/203.0.113.9/tcp/9000":         "203.0.113.9",
		"/ip6/2001:db8::1/udp/9000/quic-v1": "2001:db8::1",
		"/ip6/::ffff:203.0.113.9/tcp/9000":  "203.0.113.9",
		"/ip4/127.0.0.1/tcp/9000":           "",
		"/ip4/10.1.2.3/tcp/9000":            "",
		"/ip4/172.16.9.9/tcp/9000":          "",
		"/ip4/192.168.1.1/tcp/9000":         "",
		"/ip4/100.64.0.1/tcp/9000":          "",
		"/ip4/169.254.1.1/tcp/9000":         "",
		"/ip6/::1/tcp/9000":                 "",
		"/ip6/fd00::1/tcp/9000":             "",
		"/ip6/fe80::1/tcp/9000":             "",
		"/dns4/example.org/tcp/9000":        "",
		"/p2p-circuit":                      "",
	} {
		got := limits.HostAddr(connected{at: map[peer.ID][]string{alice: {addr}}})(alice)
		if got.IsValid() != (want != "") || want != "" && got.String() != want {
			t.Errorf("a peer at %s has address %v, want %q", addr, got, want)
		}
	}
	addr := limits.HostAddr(connected{at: map[peer.ID][]string{alice: {"/ip4/10.0.0.1/tcp/1", "/ip4/203.0.113.1/tcp/1"}}})
	if got := addr(alice).String(); got != "203.0.113.1" {
		t.Errorf("a peer with a private connection as well has address %s", got)
	}
	if addr(bob).IsValid() {
		t.Error("a peer that is not connected has an address")
	}
}

func TestPrefixSharesTheBudgetsOfAFewPeers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{Requests: limits.Rate{N: 1, Burst: 5}}, limits.Config{Prefix: limits.Prefix{Peers: 2}})
		l, err := limits.New(&limits.Options{Config: c, Addr: func(id peer.ID) netip.Addr {
			return netip.MustParseAddr(string(id[:len(id)-1]))
		}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i := range 14 {
			admit(t, l, peer.ID("10.0.0.1"+string(rune('a'+i))), blocks).Release()
		}
		wantAt(t, "admission of the fourteenth of one prefix", start, 2*s)
		for _, other := range []peer.ID{"10.0.1.1x", "2001:db8::1x", "::ffff:10.0.2.1x"} {
			start = time.Now()
			admit(t, l, other, blocks).Release()
			wantAt(t, "admission from another prefix", start, 0)
		}
		start = time.Now()
		admit(t, l, "::ffff:10.0.0.7x", blocks).Release()
		wantAt(t, "admission from the prefix, written otherwise", start, s/2)

		c = l.Config()
		c.Prefix.Peers = -1
		if err := l.Apply(c); err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		admit(t, l, "10.0.0.8x", blocks).Release()
		wantAt(t, "admission with prefixes turned off", start, 0)
	})
}

// TestPrefixesAreBounded has peers come from ever new prefixes.
func TestPrefixesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{Requests: limits.Rate{N: 1, Per: time.Minute, Burst: 1}}, limits.Config{
			MaxPeers: 50, Prefix: limits.Prefix{Peers: 1},
		})
		l, err := limits.New(&limits.Options{Config: c, Addr: func(id peer.ID) netip.Addr {
			return netip.MustParseAddr(string(id))
		}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			admit(t, l, peer.ID(fmt.Sprintf("10.0.%d.1", i)), blocks).Release()
		}
		if _, err := l.Admit(t.Context(), "10.1.0.1", blocks); !errors.Is(err, limits.ErrTooManyPeers) {
			t.Errorf("Admit returned %v, want %v", err, limits.ErrTooManyPeers)
		}
		time.Sleep(time.Minute)
		for i := range 50 {
			admit(t, l, peer.ID(fmt.Sprintf("10.1.%d.1", i)), blocks).Release()
		}
		if n := l.Peers(); n != 50 {
			t.Errorf("%d peers are tracked, want 50", n)
		}
	})
}

// Without addresses there are no prefixes to count by, which nobody would notice.
func TestPrefixesNeedAddresses(t *testing.T) {
	t.Parallel()
	c := limits.Config{Prefix: limits.Prefix{Peers: 4}}
	const want = "limits: Prefix.Peers is 4, which needs Options.Addr: see HostAddr, or want 0"
	if _, err := limits.New(&limits.Options{Config: c}); err == nil || err.Error() != want {
		t.Errorf("New returned %v, want %q", err, want)
	}
	l, err := limits.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Apply(c); err == nil || l.Config().Prefix.Peers >= 0 {
		t.Errorf("Apply returned %v, with %+v in effect", err, l.Config().Prefix)
	}
}
