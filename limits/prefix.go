package limits

import (
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A prefix is what all peers share whose addresses begin alike. It is guarded by node.mu.
type prefix struct {
	peers  int     // that belong to it
	pools  []*pool // by method.index, nil if unused
	share  float64 // of how many peers; guarded as a pool's rates
	finish float64 // as a peer's
}

// idle reports whether the prefix could be forgotten. The node is locked.
func (x *prefix) idle(now time.Duration, virtual float64) bool {
	return x.peers == 0 && x.finish <= virtual &&
		!slices.ContainsFunc(x.pools, func(s *pool) bool { return s != nil && s.budget.fullAt() > now })
}

// prefixes are those of the peers. They are guarded by node.mu.
type prefixes struct {
	max        int
	concurrent int // how many exchanges with a method a prefix has at a time
	config     Prefix
	known      map[netip.Prefix]*prefix
}

// locate has a peer belong to the prefix of an address, if that is known and there are prefixes. It reports whether
// there can be one more: else the peer stays where it is.
func (l *Limiter) locate(ps *peerState, addr netip.Addr, now time.Duration) bool {
	if l.addr == nil {
		return true
	}
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	x, ok := l.prefixes.find(addr, now, l.node.clock.now(now))
	if !ok || x == ps.prefix {
		return ok
	}
	if x != nil {
		x.peers++
	}
	if ps.prefix != nil {
		ps.prefix.peers--
	}
	ps.prefix = x
	for _, u := range ps.usages {
		if u != nil {
			u.prefix = l.prefixes.pool(x, u.method)
		}
	}
	return true
}

// find returns the prefix of an address, nil if there is none, and false if there cannot be one more. The node is
// locked.
func (t *prefixes) find(addr netip.Addr, now time.Duration, virtual float64) (*prefix, bool) {
	bits, ok := t.config.Of(addr)
	if !ok || t.config.Peers < 0 {
		return nil, true
	}
	x := t.known[bits]
	if x == nil {
		if t.forgetSome(now, virtual, forgetPerPeer); len(t.known) >= t.max {
			return nil, false
		}
		x = &prefix{share: float64(t.config.Peers)}
		t.known[bits] = x
	}
	return x, true
}

// pool returns what a prefix has of a method. The node is locked.
func (t *prefixes) pool(x *prefix, m *method) *pool {
	if x == nil {
		return nil
	}
	for m.index >= len(x.pools) {
		x.pools = append(x.pools, nil)
	}
	if x.pools[m.index] == nil {
		x.pools[m.index] = new(pool)
		x.pools[m.index].set(0, m.rates.times(uint64(t.config.Peers)), t.concurrent)
	}
	return x.pools[m.index]
}

// forgetSome looks at n prefixes for some to forget. The node is locked.
func (t *prefixes) forgetSome(now time.Duration, virtual float64, n int) {
	for bits, x := range t.known {
		if n--; n < 0 {
			return
		}
		if x.idle(now, virtual) {
			delete(t.known, bits)
		}
	}
}

// apply gives the prefixes what the configuration says. Peers come to belong to them, or not, as they are next
// refreshed. Everything is locked.
func (t *prefixes) apply(c *Config, now time.Duration, methods map[string]*method) {
	peers := max(c.Prefix.Peers, 0)
	t.max, t.config, t.concurrent = c.MaxPeers, c.Prefix, c.MaxConcurrent*peers
	for _, x := range t.known {
		x.share = float64(max(peers, 1))
		for _, m := range methods {
			if m.index < len(x.pools) && x.pools[m.index] != nil {
				x.pools[m.index].set(now, m.rates.times(uint64(peers)), t.concurrent)
			}
		}
	}
}

// PrivateNetworks returns the networks whose addresses do not tell peers apart: loopback, private and link-local ones,
// and those of carriers' NAT. A host that sees a peer at such an address is behind the same NAT, proxy or container
// network, and may see all of its peers there. The slice is the caller's.
func PrivateNetworks() []netip.Prefix { return slices.Clone(private) }

var private = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("fe80::/10"),
}

func isPrivate(addr netip.Addr) bool {
	addr = addr.WithZone("")
	return slices.ContainsFunc(private, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// HostAddr returns a function for [Options].Addr that looks up the address which a host is connected to a peer at. It
// is not valid for a peer that is not connected, or by other means than IP, or at an address of [PrivateNetworks]: such
// a peer belongs to no prefix.
func HostAddr(h reqresp.Host) func(peer.ID) netip.Addr {
	return func(id peer.ID) netip.Addr {
		for _, conn := range h.Network().ConnsToPeer(id) {
			ip, err := manet.ToIP(conn.RemoteMultiaddr())
			if err != nil {
				continue
			}
			addr, ok := netip.AddrFromSlice(ip)
			if addr = addr.Unmap(); ok && !isPrivate(addr) {
				return addr
			}
		}
		return netip.Addr{}
	}
}
