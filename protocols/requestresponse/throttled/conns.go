package throttled

import (
	"container/list"
	"context"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// start begins to count connections, those that there are included.
func (bs *budgets) start() {
	nw := bs.host.Network()
	nw.Notify(bs.notifiee)
	conns := nw.Conns()
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.running = true
	for _, conn := range conns {
		bs.onConnLocked(conn)
	}
}

// silence grants nothing any more.
func (bs *budgets) silence() {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if bs.running {
		bs.running = false
		close(bs.granter.stopping)
	}
}

// stop waits for grants in flight until ctx ends, once silence was called.
func (bs *budgets) stop(ctx context.Context) {
	defer bs.granter.cancel()
	defer context.AfterFunc(ctx, bs.granter.cancel)()
	bs.granter.goroutines.Wait()
	bs.host.Network().StopNotify(bs.notifiee)
}

// onConnLocked returns the budget of the peer on a connection, nil if that is gone.
// What comes on a connection may be faster than the notification of it.
func (bs *budgets) onConnLocked(conn network.Conn) *budget {
	b := bs.online[conn.RemotePeer()]
	if b != nil {
		if _, ok := b.conns[conn]; ok {
			return b
		}
	}
	if conn.IsClosed() {
		return nil
	}
	return bs.connectedLocked(conn)
}

func (bs *budgets) connected(conn network.Conn) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.connectedLocked(conn)
}

func (bs *budgets) connectedLocked(conn network.Conn) *budget {
	p := conn.RemotePeer()
	b := bs.online[p]
	if b == nil {
		if b = bs.offline.take(p); b == nil {
			b = bs.newBudgetLocked(p)
		}
		bs.online[p] = b
		b.recv.connected()
		bs.grantLocked(b)
	}
	b.conns[conn] = struct{}{}
	return b
}

func (bs *budgets) disconnected(conn network.Conn) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.online[conn.RemotePeer()]
	if b == nil {
		return
	}
	delete(b.conns, conn)
	if b.send.remaining == 0 {
		bs.resumeLocked(b.peer)
	}
	if len(b.conns) > 0 {
		b.send.remaining = max(1, b.send.remaining)
		b.recv.suspect()
		bs.replenishLocked(b)
		return
	}
	b.send = newSendBudget()
	b.recv = b.recv.disconnected()
	delete(bs.online, b.peer)
	bs.offline.put(b)
}

// takeResumed returns the peers to which requests can be sent again.
func (bs *budgets) takeResumed() (peers []peer.ID) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for p := range bs.resumed {
		if b := bs.knownLocked(p); b == nil || b.send.remaining > 0 {
			peers = append(peers, p)
		}
	}
	clear(bs.resumed)
	return peers
}

// resumeLocked notes that requests can be sent to a peer again.
func (bs *budgets) resumeLocked(p peer.ID) {
	bs.resumed[p] = struct{}{}
	select {
	case bs.wake <- struct{}{}:
	default:
	}
}

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
