// Package record reads and writes what a node's record (ENR) tells of a beacon chain node: where libp2p can dial it,
// and the entries of the consensus specs.
package record

import (
	"net"
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// SetEndpoints puts into the record where discovery listens. Which IP addresses others see is learnt, unless
// some are given.
func SetEndpoints(ln *enode.LocalNode, listen netip.AddrPort, external []netip.Addr) {
	ln.SetFallbackUDP(int(listen.Port()))
	for _, ip := range external {
		ln.SetStaticIP(net.IP(ip.Unmap().AsSlice()))
	}
	ip := listen.Addr().Unmap()
	switch {
	case len(external) > 0:
	case ip.IsUnspecified():
		ln.SetFallbackIP(net.IPv4(127, 0, 0, 1))
	default:
		ln.SetFallbackIP(net.IP(ip.AsSlice()))
	}
}

// SetPorts puts into the record where the host listens, the first port of each kind. By EIP-778 a port without a twin
// for IPv6 is that of both families: where the host does not listen on it by IPv6, the record has no IPv6 address.
func SetPorts(ln *enode.LocalNode, listening []multiaddr.Multiaddr) {
	set := make(map[string]bool)
	for _, addr := range listening {
		if e := portEntry(addr); e != nil && !set[e.ENRKey()] {
			set[e.ENRKey()] = true
			ln.Set(e)
		}
	}
	if set["tcp"] && !set["tcp6"] || set["quic"] && !set["quic6"] {
		ln.SetStaticIP(net.IPv6unspecified) // so that none is learnt either
	}
}

// portEntry returns the entry for an address on which the host listens, or nil.
func portEntry(addr multiaddr.Multiaddr) enr.Entry {
	udp := hasProtocol(addr, multiaddr.P_QUIC_V1)
	tcp := !udp && hasProtocol(addr, multiaddr.P_TCP) && !hasProtocol(addr, multiaddr.P_WS)
	end, err := manet.ToNetAddr(endpoint(addr))
	if err != nil || !udp && !tcp {
		return nil
	}
	ap, err := netip.ParseAddrPort(end.String())
	if err != nil {
		return nil
	}
	six := ap.Addr().Is6() && !ap.Addr().Is4In6()
	switch port := ap.Port(); {
	case udp && six:
		return enr.QUIC6(port)
	case udp:
		return enr.QUIC(port)
	case six:
		return enr.TCP6(port)
	default:
		return enr.TCP(port)
	}
}

func hasProtocol(addr multiaddr.Multiaddr, code int) bool {
	_, err := addr.ValueForProtocol(code)
	return err == nil
}

// endpoint is an address without what follows the port.
func endpoint(addr multiaddr.Multiaddr) multiaddr.Multiaddr {
	return addr[:min(len(addr), 2)]
}

// The keys of the entries that the consensus specs define.
const (
	keyEth2     = "eth2"
	keyAttnets  = "attnets"
	keySyncnets = "syncnets"
	keyCgc      = "cgc"
	keyNfd      = "nfd"
)

// Entries returns what the record says of a node in an epoch, besides where it is.
func Entries(n *ssz.Network, e ssz.Epoch, md *ssz.MetaDataV3) []enr.Entry {
	all := []enr.Entry{
		enr.WithEntry(keyEth2, ForkIDAt(n, e).AppendSSZ(nil)),
		enr.WithEntry(keyAttnets, md.Attnets[:]),
		enr.WithEntry(keySyncnets, md.Syncnets[:]),
	}
	if n.Config().Forks[ssz.Fulu].Epoch == ssz.FarFutureEpoch {
		return all
	}
	next := NextDigestAt(n, e)
	return append(all, enr.WithEntry(keyCgc, md.CustodyGroupCount), enr.WithEntry(keyNfd, next[:]))
}

// forkID returns the eth2 entry of a record.
func forkID(r loader) (ForkID, error) {
	var b []byte
	if err := r.Load(enr.WithEntry(keyEth2, &b)); err != nil {
		return ForkID{}, err
	}
	return DecodeForkID(b)
}

// A loader is a record.
type loader interface{ Load(enr.Entry) error }
