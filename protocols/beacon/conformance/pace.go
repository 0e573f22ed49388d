package conformance

import (
	"context"
	"time"
)

// An allowance is how many items a peer may ask for in a time.
type allowance struct {
	items uint64
	per   time.Duration
}

// allowances are what is asked of each method in a time. They are within the defaults of deployed clients: half of
// what Lodestar and Lighthouse grant, where one request beyond is a ban, and no more than what Prysm's leaky buckets
// drain. What has no entry gets the smallest.
var allowances = map[string]allowance{
	"status":         {5, 30 * time.Second},
	"goodbye":        {1, 20 * time.Second},
	"ping":           {2, 20 * time.Second},
	"metadata":       {2, 10 * time.Second},
	blocksByRange:    {64, 30 * time.Second},
	blobsByRange:     {384, 30 * time.Second},
	columnsByRange:   {4096, 30 * time.Second},
	bootstrap:        {1, 10 * time.Second},
	updatesByRange:   {1, 10 * time.Second},
	finalityUpdate:   {1, 12 * time.Second},
	optimisticUpdate: {1, 12 * time.Second},
	envelopesByRange: {64, 30 * time.Second},
	dialing:          {1, 5 * time.Second},
}

// dialing is what a new identity does. Prysm refuses an address from which more than about eight are dialed in 30 s.
const dialing = "dialing"

// shared are methods that Prysm counts together with others.
var shared = map[string]string{
	blocksByRoot:    blocksByRange,
	blocksByHead:    blocksByRange,
	blobsByRoot:     blobsByRange,
	columnsByRoot:   columnsByRange,
	envelopesByRoot: envelopesByRange,
}

var smallestAllowance = allowance{1, 10 * time.Second}

// minGap keeps peers with a limit on all requests together at ease.
const minGap = 500 * time.Millisecond

// A pace spaces the requests of one run. It belongs to one goroutine.
type pace struct {
	next map[string]time.Time // when a method may be asked again
	last time.Time
}

// breathe waits until anything may be asked again.
func (p *pace) breathe(ctx context.Context) error {
	if err := sleepUntil(ctx, p.last.Add(minGap)); err != nil {
		return err
	}
	p.last = time.Now()
	return nil
}

// wait waits until a method may be asked for some items. It fails with the context's error.
func (p *pace) wait(ctx context.Context, method string, items uint64) error {
	if with, ok := shared[method]; ok {
		method = with
	}
	a, ok := allowances[method]
	if !ok {
		a = smallestAllowance
	}
	at := p.last.Add(minGap)
	if next := p.next[method]; next.After(at) {
		at = next
	}
	if err := sleepUntil(ctx, at); err != nil {
		return err
	}
	p.last = time.Now()
	p.next[method] = p.last.Add(a.per * time.Duration(max(items, 1)) / time.Duration(a.items))
	return nil
}

func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
