package beacon

import "github.com/libp2p/go-libp2p/core/peer"

// A PeerTrace is a set of hooks by which a [Server] tells what it learns of peers, for
// whoever manages them. Any of them may be nil. They run on the goroutine of the exchange,
// those of several peers concurrently, and should return soon: a call to the peer belongs on
// another goroutine.
type PeerTrace struct {
	// Status is told of every exchange of statuses that shows a peer of this chain, whoever began
	// it: what the peer was told, and what it told.
	Status func(id peer.ID, ours, theirs Status)
	// Ping is told of the metadata sequence number in a ping of the peer's.
	Ping func(id peer.ID, seq uint64)
	// Goodbye is told when the peer says goodbye. It goes on to hang up, or should.
	Goodbye func(id peer.ID, reason GoodbyeReason)
	// Left is told when this node begins to leave the peer, whoever wanted it to.
	Left func(id peer.ID, reason GoodbyeReason)
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
