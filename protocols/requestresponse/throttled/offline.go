package throttled

import (
	"container/list"

	"github.com/libp2p/go-libp2p/core/peer"
)

// maxOffline is how many peers that are not connected are remembered.
const maxOffline = 8192

// offline remembers the peers that were seen last.
type offline struct {
	max    int
	recent *list.List // of *budget, the latest first
	peers  map[peer.ID]*list.Element
}

func newOffline(n int) *offline {
	return &offline{max: n, recent: list.New(), peers: make(map[peer.ID]*list.Element)}
}

// put remembers a peer that is not known yet.
func (o *offline) put(b *budget) {
	o.peers[b.peer] = o.recent.PushFront(b)
	if o.recent.Len() > o.max {
		o.take(o.recent.Back().Value.(*budget).peer)
	}
}

// get returns what is known of a peer, or nil.
func (o *offline) get(p peer.ID) *budget {
	e, ok := o.peers[p]
	if !ok {
		return nil
	}
	o.recent.MoveToFront(e)
	return e.Value.(*budget)
}

// take forgets a peer and returns what was known of it, or nil.
func (o *offline) take(p peer.ID) *budget {
	e, ok := o.peers[p]
	if !ok {
		return nil
	}
	delete(o.peers, p)
	return o.recent.Remove(e).(*budget)
}
