package rangesync

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Retries of a peer that fails or wants to be left alone for a while. Deployed
// clients replenish within 10 to 30 s.
const (
	maxFailures  = 6
	firstBackoff = 2 * time.Second
	maxBackoff   = 30 * time.Second
	// patience is for how long a peer may want to be left alone. All deployed clients
	// have replenished several times by then, Teku's minute being the longest, and
	// package outbound has asked again after two of its longest pauses, of 2 min.
	patience = 5 * time.Minute
)

// retries counts what went wrong since the sync last got any further.
type retries struct {
	furthest ssz.Slot
	failures int           // without those for which the peer asked to be left alone
	wait     time.Duration // how long the last wait was
	refusals int           // for which it asked to be left alone since it last gave anything
	refused  time.Time     // when it first did
}

// gave notes that the peer has answered a request, in whole or in part. It may have been
// asked for the same before, so this does not make failures good.
func (r *retries) gave() { r.refusals = 0 }

// next returns how long to wait before the peer is asked again after err, with
// slots up to last dealt with. It reports false if that is no use.
func (r *retries) next(now time.Time, last ssz.Slot, err error) (wait time.Duration, again bool) {
	if last > r.furthest {
		*r = retries{furthest: last}
	}
	if beacon.IsRateLimited(err) {
		if r.refusals == 0 {
			r.refused = now
		}
		r.refusals++
		again = now.Sub(r.refused) < patience
	} else {
		again = isTransient(err) && r.failures < maxFailures
		r.failures++
	}
	r.wait = min(max(2*r.wait, firstBackoff), maxBackoff)
	return r.wait, again
}

// retry waits until the peer may be asked again after err, or returns why it is not
// to be asked again.
func (r *run) retry(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if isOfSidecars(err) {
		return err // The peer was asked again already.
	}
	now := time.Now()
	wait, again := r.retries.next(now, r.last, err)
	if beacon.IsRateLimited(err) && r.Pacer != nil {
		// The pacer may keep away from the peer for longer than is bearable.
		again = again && now.Add(r.Pacer.Delay(r.Peer, byRange, 1)).Before(r.retries.refused.Add(patience))
	}
	switch {
	case !again && beacon.IsRateLimited(err):
		return &LimitedError{
			Peer: r.Peer, After: r.last, Refusals: r.retries.refusals, For: now.Sub(r.retries.refused), Err: err,
		}
	case !again:
		return fmt.Errorf("after slot %d: %w", r.last, err)
	}
	r.opts.Logger.Info("asking again later", "peer", r.Peer, "after", r.last, "wait", wait,
		"limited", beacon.IsRateLimited(err), "err", err)
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rateWindow is the time over which Options.MinRate has to be reached.
const rateWindow = time.Minute

// A SlowError is returned when a peer has fallen below Options.MinRate for a minute. What it gave
// is stored, but for blocks whose sidecars it has not given yet.
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
	return fmt.Sprintf("rangesync: peer %s dealt with %d slots in %v, want at least %g a second",
		e.Peer, e.Slots, rateWindow, e.MinRate)
}

// A rate counts what a peer gives.
type rate struct {
	slots  atomic.Uint64 // dealt with: empty, or up to a block that links to the one before
	paused atomic.Bool   // it is not asked
}

// watch returns a context that ends, with a *SlowError as its cause, when the peer falls below
// Options.MinRate. The caller has to call stop.
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
	tick := time.NewTicker(rateWindow)
	defer tick.Stop()
	for before := uint64(0); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := r.rate.slots.Load()
		if !r.rate.paused.Load() && float64(now-before) < r.opts.MinRate*rateWindow.Seconds() {
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
	r.rate.paused.Store(true)
	defer r.rate.paused.Store(false)
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

// How many answers in a row may have no block: with the default batch maxEmpty are nine days of mainnet, and
// manyEmpty three hours. These come from a peer that leaves blocks out, and as one
// that is asked slowly could go on for hours, patience bounds the time.
const (
	maxEmpty  = 1024
	manyEmpty = 16
)

// emptyAnswers counts the answers in a row that had no block.
type emptyAnswers struct {
	n     int
	since time.Time
}

func (e *emptyAnswers) add(now time.Time) {
	if e.n == 0 {
		e.since = now
	}
	e.n++
}

// tooMany tells whether the peer is to be given up.
func (e *emptyAnswers) tooMany(now time.Time) bool {
	return e.n >= maxEmpty || e.n >= manyEmpty && now.Sub(e.since) >= patience
}
