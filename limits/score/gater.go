package score

import (
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Gater returns a libp2p connection gater that keeps banned peers out, and asks next about all else. Next may be nil. A
// host takes it as it is made:
//
//	h, err := libp2p.New(libp2p.ConnectionGater(book.Gater(nil)), …)
//
// Connections that there are when a peer is banned stay: whoever owns them ends them.
func (b *Book) Gater(next connmgr.ConnectionGater) connmgr.ConnectionGater {
	return &gater{book: b, next: next}
}

type gater struct {
	book *Book
	next connmgr.ConnectionGater
}

func (g *gater) InterceptPeerDial(id peer.ID) bool {
	return g.book.Verdict(id) != Ban && (g.next == nil || g.next.InterceptPeerDial(id))
}

func (g *gater) InterceptAddrDial(id peer.ID, addr multiaddr.Multiaddr) bool {
	return g.next == nil || g.next.InterceptAddrDial(id, addr)
}

// InterceptAccept does not know yet who comes.
func (g *gater) InterceptAccept(addrs network.ConnMultiaddrs) bool {
	return g.next == nil || g.next.InterceptAccept(addrs)
}

func (g *gater) InterceptSecured(dir network.Direction, id peer.ID, addrs network.ConnMultiaddrs) bool {
	return g.book.Verdict(id) != Ban && (g.next == nil || g.next.InterceptSecured(dir, id, addrs))
}

func (g *gater) InterceptUpgraded(conn network.Conn) (bool, control.DisconnectReason) {
	if g.next == nil {
		return true, 0
	}
	return g.next.InterceptUpgraded(conn)
}
