package limits

import (
	"net/netip"

	"github.com/libp2p/go-libp2p/core/peer"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// HostAddr returns a function for [Options].Addr that looks up the address which a
// host is connected to a peer at. It is not valid for a peer that is not
// connected, or by other means than IP.
func HostAddr(h reqresp.Host) func(peer.ID) netip.Addr {
	return func(id peer.ID) netip.Addr {
		for _, conn := range h.Network().ConnsToPeer(id) {
			ip, err := manet.ToIP(conn.RemoteMultiaddr())
			if err != nil {
				continue
			}
			if addr, ok := netip.AddrFromSlice(ip); ok {
				return addr.Unmap()
			}
		}
		return netip.Addr{}
	}
}
