package reqresp

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Host is what the engine needs of the network. Every libp2p host.Host is one.
type Host interface {
	// Connect makes sure that there is a connection to a peer, dialing the
	// addresses given and those the host knows.
	Connect(ctx context.Context, to peer.AddrInfo) error
	// NewStream opens a stream for the first of the protocols that the peer
	// supports. The engine forbids it to dial with network.WithNoDial, so that
	// failures can be told apart.
	NewStream(ctx context.Context, to peer.ID, ids ...protocol.ID) (network.Stream, error)
	// SetStreamHandler has handler called, on a goroutine of its own, for each
	// stream that a peer opens for the protocol.
	SetStreamHandler(id protocol.ID, handler network.StreamHandler)
	// RemoveStreamHandler undoes SetStreamHandler.
	RemoveStreamHandler(id protocol.ID)
	// Network tells when connections end. Its peerstore is where NewStream looks up what a
	// peer supports; what a peer was found not to support is removed from there.
	Network() network.Network
	// ConnManager is asked to keep connections on which exchanges are pending.
	ConnManager() connmgr.ConnManager
}

var protectorSeq atomic.Uint64

// A protector keeps the connection manager from pruning the connections of peers
// with pending exchanges. It counts, as the connection manager does not.
type protector struct {
	conns connmgr.ConnManager
	tag   string

	mu      sync.Mutex
	pending map[peer.ID]int
}

func newProtector(conns connmgr.ConnManager) *protector {
	return &protector{
		conns:   conns,
		tag:     "reqresp/" + strconv.FormatUint(protectorSeq.Add(1), 10),
		pending: make(map[peer.ID]int),
	}
}

// The connection manager is called under the lock so that its state follows the
// count's order; it only sets a flag in memory.
func (p *protector) begin(id peer.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending[id]++
	if p.pending[id] == 1 {
		p.conns.Protect(id, p.tag)
	}
}

func (p *protector) end(id peer.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending[id]--
	if p.pending[id] == 0 {
		delete(p.pending, id)
		p.conns.Unprotect(id, p.tag)
	}
}

// counts returns how many exchanges are pending with each peer.
func (p *protector) counts() map[peer.ID]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.pending)
}
