package reqresp

import (
	"context"
	"sync"
)

// An eventQueue delivers events to one consumer, in order. Producers wait for room.
type eventQueue struct {
	queue     chan Event
	abandoned chan struct{}
	once      sync.Once
}

func newEventQueue(size int) *eventQueue {
	return &eventQueue{queue: make(chan Event, size), abandoned: make(chan struct{})}
}

// offer does not wait, and reports whether there was room for an event.
func (q *eventQueue) offer(e Event) bool {
	select {
	case q.queue <- e:
		return true
	default:
		return false
	}
}

// put waits for room for an event until ctx ends, whose cause it returns then, or the
// queue is abandoned.
func (q *eventQueue) put(ctx context.Context, e Event) error {
	if q.offer(e) {
		return nil
	}
	select {
	case q.queue <- e:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-q.abandoned:
		return ErrClosed
	}
}

// putLast waits for room for an exchange's last event, for which no time is too long.
func (q *eventQueue) putLast(e Event) { _ = q.put(context.Background(), e) }

// abandon lets nobody wait any longer.
func (q *eventQueue) abandon() { q.once.Do(func() { close(q.abandoned) }) }

// close ends the queue, once there is no producer any more.
func (q *eventQueue) close() { close(q.queue) }
