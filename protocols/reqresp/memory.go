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

// A memory is what the messages of one exchange hold, of its server's or client's budget and in
// the scope of its stream. It does not lock.
type memory struct {
	budget  *memoryBudget
	refused *atomic.Uint64 // counts what was refused, unless nil
	peer    peer.ID
	scope   network.StreamScope
	held    int
	// reserved is the most that was held so far, rounded up: a resource manager has seven scopes
	// to ask for a stream, too many for every chunk.
	reserved int
}

// hold makes it n bytes that are held. It fails with a [memoryRefusal], and changes
// nothing then, if there are not as many.
func (m *memory) hold(n int, priority uint8) error {
	switch more := n - m.held; {
	case more > 0:
		if err := m.take(more, priority); err != nil {
			if m.refused != nil {
				m.refused.Add(1)
			}
			return &memoryRefusal{more, err}
		}
	case more < 0:
		m.budget.give(m.peer, -more)
	}
	m.held = n
	return nil
}

func (m *memory) take(n int, priority uint8) error {
	if err := m.budget.take(m.peer, m.held, n); err != nil {
		return err
	}
	err := m.reserve(m.held+n, priority)
	if err != nil {
		m.budget.give(m.peer, n)
	}
	return err
}

// reserve makes it n bytes or more that are reserved in the scope.
func (m *memory) reserve(n int, priority uint8) error {
	if n <= m.reserved {
		return nil
	}
	to := firstReservation
	if n > to {
		to = (n + reservationStep - 1) / reservationStep * reservationStep
	}
	err := m.scope.ReserveMemory(to-m.reserved, priority)
	if errors.Is(err, network.ErrResourceScopeClosed) {
		return nil // A stream that is gone tells so itself.
	}
	if err == nil {
		m.reserved = to
	}
	return err
}

// free gives back all that is held and reserved.
func (m *memory) free() {
	_ = m.hold(0, 0)
	if m.reserved > 0 {
		m.scope.ReleaseMemory(m.reserved)
		m.reserved = 0
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

// errMaxMemory is the cause if the server's own budget is used up.
var errMaxMemory = fmt.Errorf("reqresp: MaxMemory of ServerOptions: %w", network.ErrResourceLimitExceeded)

// A memoryBudget bounds what the messages of all exchanges hold together.
type memoryBudget struct {
	max int

	mu    sync.Mutex
	total int
	peers map[peer.ID]int
}

func newMemoryBudget(n int) *memoryBudget {
	return &memoryBudget{max: n, peers: make(map[peer.ID]int)}
}

// take takes n bytes more for an exchange that holds some. A peer gets no more than
// its share of what is free, except for one exchange.
func (b *memoryBudget) take(of peer.ID, held, n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	free, theirs := b.max-b.total, b.peers[of]
	if n > free || theirs > held && theirs+n > free/shareOfFree {
		return errMaxMemory
	}
	b.total += n
	b.peers[of] = theirs + n
	return nil
}

func (b *memoryBudget) give(of peer.ID, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total -= n
	b.peers[of] -= n
	if b.peers[of] == 0 {
		delete(b.peers, of)
	}
}

func (b *memoryBudget) used() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
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
