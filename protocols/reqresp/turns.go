package reqresp

import (
	"context"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/peer"
)

// turns bounds a client's exchanges: with each peer on each protocol, and in all.
type turns struct {
	perPeer *slots
	overall *slots
}

func newTurns(o ClientOptions) *turns {
	waiting := &waitBound{max: int64(o.MaxQueue)}
	return &turns{
		perPeer: newSlots(o.MaxConcurrentPerPeer, waiting),
		overall: newSlots(o.MaxConcurrent, waiting),
	}
}

// A turn is an exchange's place among those under way. The zero turn is none.
type turn struct {
	of  *turns
	key slotKey
}

// wait waits for a turn. An exchange that waits for one in all holds its peer's and
// protocol's already, so that no other peer waits for those.
func (t *turns) wait(ctx context.Context, to peer.ID, name string) (turn, error) {
	key := slotKey{to, name}
	if err := t.perPeer.acquire(ctx, key); err != nil {
		return turn{}, err
	}
	if err := t.overall.acquire(ctx, slotKey{}); err != nil {
		t.perPeer.release(key)
		return turn{}, err
	}
	return turn{t, key}, nil
}

func (t turn) end() {
	if t.of != nil {
		t.of.overall.release(slotKey{})
		t.of.perPeer.release(t.key)
	}
}

// A waitBound bounds how many may wait.
type waitBound struct {
	max int64
	n   atomic.Int64
}

func (b *waitBound) enter() error {
	if b.n.Add(1) > b.max {
		b.n.Add(-1)
		return ErrTooManyPending
	}
	return nil
}

func (b *waitBound) leave() { b.n.Add(-1) }
