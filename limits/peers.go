package limits

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// forgetPerPeer is how many tracked peers are looked at for each that is
	// added. If more than a quarter of them may be forgotten, their number
	// shrinks.
	forgetPerPeer = 4
	// searchInterval is how often all may be looked at, which takes about a
	// millisecond for DefaultMaxPeers.
	searchInterval = time.Second
)

// account returns the account of a peer with a method. It is nil if no more
// peers can be tracked.
func (l *Limiter) account(now time.Duration, id peer.ID, m *method) *account {
	accounts, known := l.peers[id]
	if m.index < len(accounts) && accounts[m.index] != nil {
		return accounts[m.index]
	}
	if !known && !l.makeRoom(now) {
		return nil
	}
	for m.index >= len(accounts) {
		accounts = append(accounts, nil)
	}
	accounts[m.index] = newAccount(l, m)
	l.peers[id] = accounts
	return accounts[m.index]
}

// makeRoom forgets some peers, and reports whether one more can be tracked.
func (l *Limiter) makeRoom(now time.Duration) bool {
	l.forget(now, forgetPerPeer)
	if len(l.peers) >= l.maxPeers && now-l.searched >= searchInterval {
		l.searched = now
		l.forget(now, len(l.peers))
	}
	return len(l.peers) < l.maxPeers
}

// forget looks at n peers, others each time as Go ranges over maps at random,
// and forgets those whom a new budget would give nothing.
func (l *Limiter) forget(now time.Duration, n int) {
	for id, accounts := range l.peers {
		if n--; n < 0 {
			return
		}
		if allIdle(accounts, now) {
			delete(l.peers, id)
		}
	}
}

func allIdle(accounts []*account, now time.Duration) bool {
	for _, a := range accounts {
		if a != nil && !a.idle(now) {
			return false
		}
	}
	return true
}

// Peers returns how many peers are tracked.
func (l *Limiter) Peers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.peers)
}
