package plugin

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// API is the RPC namespace "reqresp" of the node. Its calls only read.
type API struct {
	service *Service
}

// NodeInfo is what reqresp_nodeInfo returns.
type NodeInfo struct {
	PeerID peer.ID       `json:"peerId"`
	Addrs  []string      `json:"addrs"` // multiaddrs with the peer id, ready to dial
	Status beacon.Status `json:"status"`
	// Refused is how many streams were reset unread because too many were being
	// served.
	Refused uint64 `json:"refused"`
}

// PeerInfo is an element of what reqresp_peers returns.
type PeerInfo struct {
	PeerID peer.ID `json:"peerId"`
	Addr   string  `json:"addr"`
	// Status is what the peer last told; nil if it has not.
	Status *beacon.Status `json:"status"`
	// Serving is how many of its requests are being served.
	Serving int `json:"serving"`
}

// NodeInfo returns this node's identity, addresses and status.
func (a *API) NodeInfo(ctx context.Context) (*NodeInfo, error) {
	r := a.service.running.Load()
	if r == nil {
		return nil, ErrNotRunning
	}
	status, err := r.server.Status(ctx)
	if err != nil {
		return nil, err
	}
	addrs, err := a.service.Addrs()
	if err != nil {
		return nil, err
	}
	return &NodeInfo{PeerID: r.host.ID(), Addrs: addrs, Status: status, Refused: r.server.Refused()}, nil
}

// Peers returns the peers that are connected.
func (a *API) Peers() ([]PeerInfo, error) {
	r := a.service.running.Load()
	if r == nil {
		return nil, ErrNotRunning
	}
	net := r.host.Network()
	serving, statuses := r.server.Serving(), r.server.PeerStatuses()
	peers := make([]PeerInfo, 0, len(net.Peers()))
	for _, id := range net.Peers() {
		info := PeerInfo{PeerID: id, Serving: serving[id]}
		if conns := net.ConnsToPeer(id); len(conns) > 0 {
			info.Addr = conns[0].RemoteMultiaddr().String()
		}
		if status, ok := statuses[id]; ok {
			info.Status = &status
		}
		peers = append(peers, info)
	}
	return peers, nil
}
