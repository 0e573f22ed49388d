package reqresp

import (
	"errors"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
)

// mostBehind is how often a connection's timeouts double the wait for a first byte.
const mostBehind = 3

// behind counts, of connections on which a response timed out halfway, the timeouts since. What the peer
// has queued of that response arrives before what answers the next request: nothing of it can be
// called back, neither on yamux, where the reset ends what is not queued yet, nor on mplex, where all of the
// rest follows. The zero value is ready.
type behind struct {
	mu    sync.Mutex
	conns map[network.Conn]int
}

// times returns how often the wait for a first byte is to be doubled on a connection.
func (b *behind) times(c network.Conn) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conns[c]
}

// add counts an exchange that timed out in a phase.
func (b *behind) add(c network.Conn, in Phase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns[c] == 0 && in != PhaseResponse {
		return // Nothing shows that the peer sends anything.
	}
	for other := range b.conns {
		if other.IsClosed() {
			delete(b.conns, other)
		}
	}
	if b.conns == nil {
		b.conns = make(map[network.Conn]int)
	}
	b.conns[c] = min(b.conns[c]+1, mostBehind)
}

// caughtUp tells that the first byte of a response has come.
func (b *behind) caughtUp(c network.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

// timedOutIn returns the phase in which an exchange timed out, if it ended in that.
func timedOutIn(err error) (Phase, bool) {
	f, ok := errors.AsType[*Failure](err)
	if !ok || !errors.Is(err, ErrTimeout) {
		return 0, false
	}
	return f.Phase, true
}
