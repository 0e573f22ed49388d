package reqresp

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// callLimits bounds the calls of a client in flight: with each peer on each protocol, and in all. Further
// ones wait in order of arrival.
type callLimits struct {
	maxCalls, maxPerPeer, maxQueued int

	mu     sync.Mutex
	queued int
	queues map[callKey]*callQueue
}

// A callKey is a peer and the name of a protocol. The zero key is for all calls.
type callKey struct {
	peer peer.ID
	name string
}

type callQueue struct {
	inFlight int
	waiting  []chan struct{}
}

func newCallLimits(o ClientOptions) *callLimits {
	return &callLimits{
		maxCalls:   o.MaxCalls,
		maxPerPeer: o.MaxCallsPerPeer,
		maxQueued:  o.MaxQueued,
		queues:     make(map[callKey]*callQueue),
	}
}

// acquire waits until a call may begin. One that waits for the bound on all calls counts to that of its peer and
// protocol already, so that no other peer waits for those. Every success is followed by one release.
func (l *callLimits) acquire(ctx context.Context, k callKey) error {
	if err := l.wait(ctx, k, l.maxPerPeer); err != nil {
		return err
	}
	err := l.wait(ctx, callKey{}, l.maxCalls)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.releaseLocked(k)
	}
	return err
}

func (l *callLimits) release(k callKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.releaseLocked(callKey{})
	l.releaseLocked(k)
}

func (l *callLimits) wait(ctx context.Context, k callKey, most int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ready, err := l.enqueue(k, most)
	if ready == nil || err != nil {
		return err
	}
	select {
	case <-ready:
		err = nil
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.dequeue(k, ready, err != nil)
	return err
}

// enqueue returns nil if a call may begin at once, and else what is closed once it may.
func (l *callLimits) enqueue(k callKey, most int) (ready chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[k]
	if q == nil {
		q = new(callQueue)
		l.queues[k] = q
	}
	if q.inFlight < most {
		q.inFlight++
		return nil, nil
	}
	if l.queued >= l.maxQueued {
		return nil, fmt.Errorf("%w: MaxQueued of ClientOptions is %d", ErrTooManyPending, l.maxQueued)
	}
	l.queued++
	ready = make(chan struct{})
	q.waiting = append(q.waiting, ready)
	return ready, nil
}

// dequeue ends a wait. A call that gives up leaves the queue, or passes its place on if it got one just then.
func (l *callLimits) dequeue(k callKey, ready chan struct{}, givenUp bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queued--
	if !givenUp {
		return
	}
	q := l.queues[k]
	if i := slices.Index(q.waiting, ready); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		return
	}
	l.releaseLocked(k)
}

func (l *callLimits) releaseLocked(k callKey) {
	q := l.queues[k]
	if len(q.waiting) > 0 {
		close(q.waiting[0])
		q.waiting = q.waiting[1:]
		return
	}
	q.inFlight--
	if q.inFlight == 0 {
		delete(l.queues, k)
	}
}
