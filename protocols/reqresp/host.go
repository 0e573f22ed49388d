package reqresp

import (
	"context"

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
