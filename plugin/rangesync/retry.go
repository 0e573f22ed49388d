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
)

// retries counts what went wrong since the sync last got any further.
type retries struct {
	furthest ssz.Slot
	failures int           // without those for which the peer asked to be left alone
	wait     time.Duration // how long the last wait was
}

// next returns how long to wait before the peer is asked again after err, with
// slots up to last dealt with. It reports false if that is no use.
func (r *retries) next(last ssz.Slot, err error) (wait time.Duration, again bool) {
	if last > r.furthest {
		*r = retries{furthest: last}
	}
	if !beacon.IsRateLimited(err) {
		if !isTransient(err) || r.failures == maxFailures {
			return 0, false
		}
		r.failures++
	}
	r.wait = min(max(2*r.wait, firstBackoff), maxBackoff)
	return r.wait, true
}

// retry waits until the peer may be asked again after err, or returns why it is not
// to be asked again.
func (r *run) retry(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	wait, again := r.retries.next(r.last, err)
	if !again {
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
