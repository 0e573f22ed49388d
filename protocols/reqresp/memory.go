package reqresp

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// ServiceName is the service that streams served belong to in libp2p's resource
// manager.
const ServiceName = "reqresp"

// What a resource manager may have in use for a reservation to be granted still: 60 % for a
// request, 80 % for a chunk. What was begun is ended before more is taken on.
const (
	requestPriority = network.ReservationPriorityMedium
	chunkPriority   = network.ReservationPriorityHigh
)

// What is reserved in the scope of a stream: at first the buffer that its request is read with
// and as much again, which is all that a small exchange needs, and then so many bytes at a time.
const (
	firstReservation = 2 * readerSize
	reservationStep  = 64 << 10
)

// A reservation is the memory of the messages of one exchange, in its server's or client's pool and in
// the scope of its stream. It belongs to one goroutine.
type reservation struct {
	pool    *memoryPool
	refused *atomic.Uint64 // counts what was refused, unless nil
	peer    peer.ID
	scope   network.StreamScope
	held    int // in the pool
	// scoped is what is reserved in the scope. It is the most that was held so far, rounded up: a resource manager
	// has seven scopes to ask for a stream, too many for every chunk.
	scoped int
}

// resize sets the reservation to n bytes. It fails with a [memoryRefusal], and changes
// nothing then, if there are not as many.
func (m *reservation) resize(n int, priority uint8) error {
	switch more := n - m.held; {
	case more > 0:
		if err := m.grow(more, priority); err != nil {
			if m.refused != nil {
				m.refused.Add(1)
			}
			return &memoryRefusal{more, err}
		}
	case more < 0:
		m.pool.release(m.peer, -more)
	}
	m.held = n
	return nil
}

func (m *reservation) grow(n int, priority uint8) error {
	if err := m.pool.reserve(m.peer, m.held, n); err != nil {
		return err
	}
	err := m.growScope(m.held+n, priority)
	if err != nil {
		m.pool.release(m.peer, n)
	}
	return err
}

// growScope reserves n bytes or more in the scope.
func (m *reservation) growScope(n int, priority uint8) error {
	if n <= m.scoped {
		return nil
	}
	to := firstReservation
	if n > to {
		to = (n + reservationStep - 1) / reservationStep * reservationStep
	}
	err := m.scope.ReserveMemory(to-m.scoped, priority)
	if errors.Is(err, network.ErrResourceScopeClosed) {
		return nil // Using a stream that is gone fails anyway.
	}
	if err == nil {
		m.scoped = to
	}
	return err
}

// free gives back all that is reserved.
func (m *reservation) free() {
	_ = m.resize(0, 0)
	if m.scoped > 0 {
		m.scope.ReleaseMemory(m.scoped)
		m.scoped = 0
	}
}

// A memoryRefusal is an exchange for whose messages there is no memory.
type memoryRefusal struct {
	bytes int
	cause error
}

func (r *memoryRefusal) Error() string {
	return fmt.Sprintf("%v: %d bytes of memory: %v", ErrRefused, r.bytes, r.cause)
}

func (r *memoryRefusal) Unwrap() []error { return []error{ErrRefused, r.cause} }

// errMaxMemory is the cause if the pool is used up.
var errMaxMemory = fmt.Errorf("reqresp: MaxMemory of ServerOptions: %w", network.ErrResourceLimitExceeded)

// A memoryPool bounds the memory of the messages of all exchanges together.
type memoryPool struct {
	max int

	mu    sync.Mutex
	total int
	peers map[peer.ID]int
}

func newMemoryPool(n int) *memoryPool {
	return &memoryPool{max: n, peers: make(map[peer.ID]int)}
}

// reserve reserves n bytes more for an exchange that holds some. A peer gets no more than
// its share of what is free, except for one exchange.
func (p *memoryPool) reserve(of peer.ID, held, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	free, theirs := p.max-p.total, p.peers[of]
	if n > free || theirs > held && theirs+n > free/shareOfFree {
		return errMaxMemory
	}
	p.total += n
	p.peers[of] = theirs + n
	return nil
}

func (p *memoryPool) release(of peer.ID, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total -= n
	p.peers[of] -= n
	if p.peers[of] == 0 {
		delete(p.peers, of)
	}
}

func (p *memoryPool) used() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

// join makes a stream one of the service's. One that is another service's already is
// that one's to bound.
func join(scope network.StreamScope) error {
	err := scope.SetService(ServiceName)
	if errors.Is(err, network.ErrResourceLimitExceeded) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}
