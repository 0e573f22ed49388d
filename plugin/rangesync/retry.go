package rangesync

import (
	"context"
	"fmt"
	"time"

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
	now := time.Now()
	wait, again := r.retries.next(now, r.last, err)
	if beacon.IsRateLimited(err) && r.Pacer != nil {
		// The pacer may keep away from the peer for longer than is bearable.
		again = again && now.Add(r.Pacer.Delay(r.Peer, byRange, 1)).Before(r.retries.refused.Add(patience))
	}
	switch {
	case !again && beacon.IsRateLimited(err):
		return &LimitedError{Peer: r.Peer, After: r.last, Refusals: r.retries.refusals, For: now.Sub(r.retries.refused), Err: err}
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
