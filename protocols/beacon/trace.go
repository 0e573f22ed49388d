package beacon

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A PeerTrace is a set of hooks by which a [Server] tells what it learns of peers, for
// whoever manages them. Any of them may be nil. They run on the goroutine of the exchange,
// those of several peers concurrently, and should return soon: a call to the peer belongs on
// another goroutine.
type PeerTrace struct {
	// Connected is called when a peer connects, also again with each further connection, and for those that are
	// connected as the server starts. Limited connections, over a relay, do not count.
	Connected func(id peer.ID, dir network.Direction)
	// Disconnected is called when a connection has ended. The peer may have others, or be back already.
	Disconnected func(id peer.ID)
	// Status is told of every exchange of statuses that shows a peer of this chain, whoever began
	// it: what the peer was told, and what it told.
	Status func(id peer.ID, ours, theirs Status)
	// Ping is told of the metadata sequence number in a ping of the peer's.
	Ping func(id peer.ID, seq uint64)
	// Goodbye is told when the peer says goodbye. It goes on to hang up, or should.
	Goodbye func(id peer.ID, reason GoodbyeReason)
	// Left is told when this node begins to leave the peer, whoever wanted it to.
	Left func(id peer.ID, reason GoodbyeReason)
	// Used is told when an exchange of the chain's data, whoever began it, has ended that carried
	// at least one response. Statuses, pings, metadata and goodbyes are no data.
	Used func(id peer.ID)
}

// isData reports whether a method is for the chain's data, and not for what peers tell of themselves.
func isData(spec *reqresp.Spec) bool {
	switch spec.Name() {
	case "status", "goodbye", "ping", "metadata":
		return false
	}
	return true
}

// usedTrace returns the hooks that call Used.
func (t *PeerTrace) usedTrace() *reqresp.Trace {
	if t.Used == nil {
		return nil
	}
	return &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		if x.Chunks > 0 && isData(x.Spec) {
			t.Used(x.Peer)
		}
	}}
}

func (t *PeerTrace) connected(id peer.ID, dir network.Direction) {
	if t.Connected != nil {
		t.Connected(id, dir)
	}
}

func (t *PeerTrace) disconnected(id peer.ID) {
	if t.Disconnected != nil {
		t.Disconnected(id)
	}
}

func (t *PeerTrace) status(id peer.ID, ours, theirs Status) {
	if t.Status != nil {
		t.Status(id, ours, theirs)
	}
}

func (t *PeerTrace) ping(id peer.ID, seq uint64) {
	if t.Ping != nil {
		t.Ping(id, seq)
	}
}

func (t *PeerTrace) goodbye(id peer.ID, reason GoodbyeReason) {
	if t.Goodbye != nil {
		t.Goodbye(id, reason)
	}
}

func (t *PeerTrace) left(id peer.ID, reason GoodbyeReason) {
	if t.Left != nil {
		t.Left(id, reason)
	}
}
