package reqresp

import (
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

type slotKey struct {
	peer peer.ID
	name string
}

// slots bounds the exchanges under way for each key; further ones wait in order of
// arrival.
type slots struct {
	max     int
	waiting *waitBound

	mu    sync.Mutex
	queue map[slotKey]*slotQueue
}

type slotQueue struct {
	taken   int
	waiting []chan struct{}
}

func newSlots(n int, waiting *waitBound) *slots {
	return &slots{max: n, waiting: waiting, queue: make(map[slotKey]*slotQueue)}
}

// acquire waits for a slot. Every success is followed by one release.
func (s *slots) acquire(ctx context.Context, k slotKey) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	q := s.queue[k]
	if q == nil {
		q = new(slotQueue)
		s.queue[k] = q
	}
	if q.taken < s.max {
		q.taken++
		s.mu.Unlock()
		return nil
	}
	if err := s.waiting.enter(); err != nil {
		s.mu.Unlock()
		return err
	}
	defer s.waiting.leave()
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	s.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		s.abandon(k, turn)
		return ctx.Err()
	}
}

// abandon leaves the queue, or passes the slot on if it was handed over just
// then.
func (s *slots) abandon(k slotKey, turn chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue[k]
	for i, w := range q.waiting {
		if w == turn {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			return
		}
	}
	s.releaseLocked(k)
}

func (s *slots) release(k slotKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(k)
}

func (s *slots) releaseLocked(k slotKey) {
	q := s.queue[k]
	if len(q.waiting) > 0 {
		close(q.waiting[0])
		q.waiting = q.waiting[1:]
		return
	}
	q.taken--
	if q.taken == 0 {
		delete(s.queue, k)
	}
}
