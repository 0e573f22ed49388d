package discovery

import (
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/discovery/internal/record"
)

// recordPrefix is how a node record begins as text.
const recordPrefix = "enr:"

// ErrNoAddress is returned for a record that says nowhere to dial its node.
var ErrNoAddress = record.ErrNoAddress

// ParsePeer returns where to dial a peer that people name: by a multiaddr with the peer's ID, or by a node record
// (ENR). The error names the text and what is allowed; it wraps ErrNoAddress for a record without an address. There is
// at least one address otherwise.
func ParsePeer(text string) (peer.AddrInfo, error) {
	if strings.HasPrefix(text, recordPrefix) {
		node, err := parseRecord(text)
		if err != nil {
			return peer.AddrInfo{}, err
		}
		info, err := record.AddrInfo(node)
		if err != nil {
			return peer.AddrInfo{}, fmt.Errorf("node record %q: %w: want one with ip or ip6, and with tcp or quic", text, err)
		}
		return info, nil
	}
	info, err := peer.AddrInfoFromString(text)
	if err != nil || len(info.Addrs) == 0 {
		return peer.AddrInfo{}, fmt.Errorf("%q: want a multiaddr with the peer's id, like "+
			"/ip4/203.0.113.7/udp/9000/quic-v1/p2p/16Uiu2HA…, or a node record (enr:…)", text)
	}
	return *info, nil
}

// ParsePeerID returns the ID of a peer that people name: by the ID itself, or by a node record (ENR), which need not
// have an address. The error names the text and what is allowed.
func ParsePeerID(text string) (peer.ID, error) {
	if strings.HasPrefix(text, recordPrefix) {
		node, err := parseRecord(text)
		if err != nil {
			return "", err
		}
		return record.PeerID(node)
	}
	id, err := peer.Decode(text)
	if err != nil {
		return "", fmt.Errorf("%q: want a peer id like %s, or a node record (enr:…)", text,
			"16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq")
	}
	return id, nil
}

// parseRecord returns the node of a record, whose signature is right and whose key is of secp256k1.
func parseRecord(text string) (*enode.Node, error) {
	node, err := enode.Parse(enode.ValidSchemes, text)
	if err != nil {
		return nil, fmt.Errorf("node record %q: %w: want one of the identity scheme v4, with its secp256k1 key and signature",
			text, err)
	}
	return node, nil
}
