package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
)

// P2P is how the node takes part, with the names of go-ethereum's. Peers are told by multiaddrs and peer ids,
// as libp2p does, or by node records (enr:…).
type P2P struct {
	// Listen are the multiaddrs that serve listens on.
	Listen []string
	// Memory is how many MiB the node may take for streams and messages of peers. 0 takes an eighth
	// of the machine's, from 256 to 2048.
	Memory int
	// MaxPeers is how many peers the node dials to have, and beyond which it leaves some.
	MaxPeers int
	// MinOutbound is how many of them it wants to have dialed itself; 0 is a quarter.
	MinOutbound int
	// NoDial leaves dialing to others, but for static peers.
	NoDial bool
	// StaticNodes are multiaddrs, with their ids, or records of peers that are always dialed again.
	StaticNodes []string
	// TrustedNodes are the ids or records of peers that are never penalised, banned or left for lack of room.
	TrustedNodes []string
	// DiscoveryV5 has the node find peers by discv5, and be found.
	DiscoveryV5 bool
	// DiscAddr is the UDP address of that; port 0 takes one that is free.
	DiscAddr string
	// BootstrapNodesV5 are the records (enr:…) of nodes that discovery begins with. None stands for those
	// that are built in for the network.
	BootstrapNodesV5 []string
	// BootstrapNodesFile is a file with more such records, one a line or as a YAML list.
	BootstrapNodesFile string `toml:",omitempty"`
	// ExternalIP are the addresses at which others reach the node, at most one of IPv4 and one of IPv6. None has
	// discovery learn them.
	ExternalIP []string
	// NoGossipsub leaves out gossipsub, which clients like Lighthouse expect of every peer.
	NoGossipsub bool
}

func defaultP2P() P2P {
	return P2P{
		Listen:           plugin.DefaultListen(),
		MaxPeers:         peers.DefaultTarget,
		StaticNodes:      []string{},
		TrustedNodes:     []string{},
		DiscAddr:         discovery.DefaultListen,
		BootstrapNodesV5: []string{},
		ExternalIP:       []string{},
	}
}

// Peers returns the options of the peers. Those that are trusted are among them. The error names the key.
func (p *P2P) Peers() (peers.Options, error) {
	static, err := p.staticNodes()
	if err != nil {
		return peers.Options{}, err
	}
	trusted, err := p.trustedNodes()
	if err != nil {
		return peers.Options{}, err
	}
	return peers.Options{
		Target: p.MaxPeers, MinOutbound: p.MinOutbound, NoDial: p.NoDial, Static: static, Trusted: trusted,
	}, nil
}

func (p *P2P) staticNodes() ([]peer.AddrInfo, error) {
	var addrs []multiaddr.Multiaddr
	for _, text := range p.StaticNodes {
		info, err := discovery.ParsePeer(text)
		if err != nil {
			return nil, fmt.Errorf("P2P.StaticNodes: %w", err)
		}
		of, err := peer.AddrInfoToP2pAddrs(&info)
		if err != nil {
			return nil, fmt.Errorf("P2P.StaticNodes: %q: %w", text, err)
		}
		addrs = append(addrs, of...)
	}
	return peer.AddrInfosFromP2pAddrs(addrs...) // several of one peer are one
}

func (p *P2P) trustedNodes() ([]peer.ID, error) {
	ids := make([]peer.ID, len(p.TrustedNodes))
	for i, text := range p.TrustedNodes {
		var err error
		if ids[i], err = discovery.ParsePeerID(text); err != nil {
			return nil, fmt.Errorf("P2P.TrustedNodes: %w", err)
		}
	}
	return ids, nil
}

// bootNodes returns the records of boot nodes that are given.
func (p *P2P) bootNodes() ([]string, error) {
	if p.BootstrapNodesFile == "" {
		return p.BootstrapNodesV5, nil
	}
	file, err := os.ReadFile(p.BootstrapNodesFile)
	if err != nil {
		return nil, fmt.Errorf("P2P.BootstrapNodesFile: %w", err)
	}
	nodes, err := discovery.ParseBootNodes(file)
	if err != nil {
		return nil, fmt.Errorf("P2P.BootstrapNodesFile: %s: %w", p.BootstrapNodesFile, err)
	}
	return slices.Concat(p.BootstrapNodesV5, nodes), nil
}

// Discovery returns the options of discovery, nil if it is off. They have no boot nodes that are built in. The
// error names the key.
func (p *P2P) Discovery() (*discovery.Options, error) {
	nodes, err := p.bootNodes()
	if err != nil {
		return nil, err
	}
	o := &discovery.Options{Listen: p.DiscAddr, BootNodes: nodes}
	for _, text := range p.ExternalIP {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("P2P.ExternalIP has %q: want IP addresses, or none to learn them", text)
		}
		o.ExternalIP = append(o.ExternalIP, ip)
	}
	for _, field := range []struct {
		key string
		discovery.Options
	}{
		{"P2P.DiscAddr", discovery.Options{Listen: o.Listen}},
		{"P2P.BootstrapNodesV5", discovery.Options{BootNodes: o.BootNodes}},
		{"P2P.ExternalIP", discovery.Options{ExternalIP: o.ExternalIP}},
	} {
		if err := field.Validate(); err != nil {
			return nil, fmt.Errorf("%s: %w", field.key, err)
		}
	}
	if !p.DiscoveryV5 {
		return nil, nil
	}
	return o, nil
}

// validate looks at each key by itself.
func (p *P2P) validate() error {
	if p.MaxPeers < 1 || p.MaxPeers > peers.MaxTarget {
		return fmt.Errorf("P2P.MaxPeers is %d: want 1 to %d", p.MaxPeers, peers.MaxTarget)
	}
	if p.MinOutbound < 0 {
		return fmt.Errorf("P2P.MinOutbound is %d: want 0, which is a quarter of P2P.MaxPeers, to P2P.MaxPeers", p.MinOutbound)
	}
	if err := p.validateListen(); err != nil {
		return err
	}
	if err := p.validateMemory(); err != nil {
		return err
	}
	if _, err := p.Peers(); err != nil {
		return err
	}
	_, err := p.Discovery()
	return err
}

func (p *P2P) validateListen() error {
	for _, addr := range p.Listen {
		if err := plugin.ValidateListen(addr); err != nil {
			return fmt.Errorf("P2P.Listen: %w", err)
		}
	}
	if len(p.Listen) == 0 {
		return errors.New("P2P.Listen is empty: want one multiaddr or more, like /ip4/0.0.0.0/udp/9000/quic-v1")
	}
	return nil
}

func (p *P2P) validateMemory() error {
	const least, most = resources.MinMemory >> 20, resources.MaxMemory >> 20
	if p.Memory != 0 && (p.Memory < least || p.Memory > most) {
		return fmt.Errorf("P2P.Memory is %d: want %d to %d MiB, or 0 for an eighth of the machine's memory", p.Memory, least, most)
	}
	return nil
}

// validateTogether looks at what keys, each of which is valid, have to do with each other.
func (p *P2P) validateTogether() error {
	if p.MinOutbound > p.MaxPeers {
		return fmt.Errorf("P2P.MinOutbound is %d: want at most P2P.MaxPeers, which is %d", p.MinOutbound, p.MaxPeers)
	}
	o, err := p.Discovery()
	switch {
	case err != nil:
		return err
	case o == nil && len(p.BootstrapNodesV5) > 0:
		return errors.New("P2P.BootstrapNodesV5 has nodes, but discovery is off: want P2P.DiscoveryV5 on, or no such nodes")
	case o == nil && p.BootstrapNodesFile != "":
		return errors.New("P2P.BootstrapNodesFile has nodes, but discovery is off: want P2P.DiscoveryV5 on, or no such file")
	case o == nil:
		return nil
	}
	for _, text := range p.Listen {
		port, err := multiaddr.StringCast(text).ValueForProtocol(multiaddr.P_UDP)
		if err == nil && port != "0" && port == strconv.Itoa(int(o.Port())) {
			return fmt.Errorf("P2P.DiscAddr %s and %s of P2P.Listen have the same UDP port: want different ones", p.DiscAddr, text)
		}
	}
	return nil
}
