package rangesync

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

// floorWindow is the time over which Options.MinRate has to be reached.
const floorWindow = time.Minute

// A SlowError is returned when a peer has fallen below Options.MinRate for a minute. What it gave is stored.
type SlowError struct {
	// Peer is who was asked.
	Peer peer.ID
	// Slots is how many slots it has dealt with in the last minute.
	Slots uint64
	// MinRate is that of the options.
	MinRate float64
}

// Error implements error.
func (e *SlowError) Error() string {
	return fmt.Sprintf("rangesync: peer %s dealt with %d slots in %v, want at least %g a second", e.Peer, e.Slots, floorWindow, e.MinRate)
}

// A floor counts what a peer gives.
type floor struct {
	slots  atomic.Uint64 // dealt with: empty, or up to a block that links to the one before
	paused atomic.Bool   // it is not asked
}

// watch returns a context that ends, with a *SlowError as its cause, when the peer falls below the
// floor. The caller has to call stop.
func (r *run) watch(ctx context.Context) (_ context.Context, stop func()) {
	if r.opts.MinRate == 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.enforce(ctx, cancel)
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

func (r *run) enforce(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(floorWindow)
	defer tick.Stop()
	for before := uint64(0); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := r.floor.slots.Load()
		if !r.floor.paused.Load() && float64(now-before) < r.opts.MinRate*floorWindow.Seconds() {
			cancel(&SlowError{Peer: r.Peer, Slots: now - before, MinRate: r.opts.MinRate})
			return
		}
		before = now
	}
}

// spaceInterval is how often the disk is looked at while it is full.
const spaceInterval = 10 * time.Second

// waitForSpace waits until there is room on the disk.
func (r *run) waitForSpace(ctx context.Context, why *store.SpaceError) error {
	r.floor.paused.Store(true)
	defer r.floor.paused.Store(false)
	r.opts.Logger.Warn("paused until there is room on the disk", "after", r.last, "err", why)
	tick := time.NewTicker(spaceInterval)
	defer tick.Stop()
	for r.store.CheckSpace(why.Want) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), why)
		}
	}
	r.opts.Logger.Info("going on, there is room on the disk", "after", r.last)
	return nil
}
