package record

import (
	"errors"
	"fmt"
	"net/netip"

	gcrypto "github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Why a node is no candidate.
var (
	// ErrOtherNetwork is returned for a node of another network or fork.
	ErrOtherNetwork = errors.New("discovery: node is of another network or fork")
	// ErrNoAddress is returned for a node that says nowhere to dial it.
	ErrNoAddress = errors.New("discovery: node has no address that can be dialed")
)

// Candidate returns where to dial a node, if it is a peer of a network in an epoch. Records spread slowly: for an
// epoch after a fork, the digest before it will do.
func Candidate(node *enode.Node, n *ssz.Network, e ssz.Epoch) (peer.AddrInfo, error) {
	id, err := forkID(node)
	if err != nil {
		return peer.AddrInfo{}, fmt.Errorf("%w: %w", ErrOtherNetwork, err)
	}
	if id.Digest != n.DigestAt(e) && id.Digest != n.DigestAt(max(e, 1)-1) {
		return peer.AddrInfo{}, fmt.Errorf("%w: digest %v", ErrOtherNetwork, id.Digest)
	}
	return AddrInfo(node)
}

// AddrInfo returns where to dial a node by libp2p: by QUIC and TCP, as far as its record says. By EIP-778 a port
// without a twin for IPv6 is that of both families.
func AddrInfo(node *enode.Node) (peer.AddrInfo, error) {
	id, err := PeerID(node)
	if err != nil {
		return peer.AddrInfo{}, err
	}
	info := peer.AddrInfo{ID: id}
	var ip4 enr.IPv4Addr
	if node.Load(&ip4) == nil {
		info.Addrs = addrs("ip4", netip.Addr(ip4), port(node, "quic"), port(node, "tcp"))
	}
	var ip6 enr.IPv6Addr
	if node.Load(&ip6) == nil {
		all := addrs("ip6", netip.Addr(ip6), port(node, "quic6", "quic"), port(node, "tcp6", "tcp"))
		info.Addrs = append(info.Addrs, all...)
	}
	if len(info.Addrs) == 0 {
		return peer.AddrInfo{}, ErrNoAddress
	}
	return info, nil
}

// port returns the port of the first key that a record has, 0 if it has none or that is no port.
func port(node *enode.Node, keys ...string) uint16 {
	for _, key := range keys {
		var n uint16
		if err := node.Load(enr.WithEntry(key, &n)); err == nil {
			return n
		} else if !enr.IsNotFound(err) {
			return 0
		}
	}
	return 0
}

// addrs returns the multiaddrs of the ports that are not 0.
func addrs(family string, ip netip.Addr, quic, tcp uint16) (all []multiaddr.Multiaddr) {
	if ip.IsUnspecified() || ip.IsMulticast() {
		return nil
	}
	if quic != 0 {
		all = append(all, multiaddr.StringCast(fmt.Sprintf("/%s/%v/udp/%d/quic-v1", family, ip, quic)))
	}
	if tcp != 0 {
		all = append(all, multiaddr.StringCast(fmt.Sprintf("/%s/%v/tcp/%d", family, ip, tcp)))
	}
	return all
}

// PeerID returns the peer ID of a node's key.
func PeerID(node *enode.Node) (peer.ID, error) {
	key := node.Pubkey()
	if key == nil {
		return "", errors.New("discovery: node has no secp256k1 key")
	}
	pub, err := crypto.UnmarshalSecp256k1PublicKey(gcrypto.CompressPubkey(key))
	if err != nil {
		return "", fmt.Errorf("discovery: node's key: %w", err)
	}
	return peer.IDFromPublicKey(pub)
}
