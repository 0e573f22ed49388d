package limits

import (
	"net/netip"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// PrivateNetworks returns the networks whose addresses do not tell peers apart: loopback, private and
// link-local ones, and those of carriers' NAT. A host that sees a peer at such an address is behind the
// same NAT, proxy or container network, and may see all of its peers there. The slice is the caller's.
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

// HostAddr returns a function for [Options].Addr that looks up the address which a
// host is connected to a peer at. It is not valid for a peer that is not
// connected, or by other means than IP, or at an address of [PrivateNetworks]: such a peer
// belongs to no prefix.
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
