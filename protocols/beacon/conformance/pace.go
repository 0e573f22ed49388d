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

// allowances are half of what Lodestar and Lighthouse grant by default, whichever is less. A breach of
// the former's is a ban. What has no entry gets the smallest.
var allowances = map[string]allowance{
	"status":                               {5, 30 * time.Second},
	"goodbye":                              {1, 20 * time.Second},
	"ping":                                 {2, 20 * time.Second},
	"metadata":                             {2, 10 * time.Second},
	"beacon_blocks_by_range":               {128, 20 * time.Second},
	"beacon_blocks_by_root":                {128, 20 * time.Second},
	"beacon_blocks_by_head":                {128, 20 * time.Second},
	"blob_sidecars_by_range":               {768, 20 * time.Second},
	"blob_sidecars_by_root":                {768, 20 * time.Second},
	"data_column_sidecars_by_range":        {16384, 20 * time.Second},
	"data_column_sidecars_by_root":         {16384, 20 * time.Second},
	"light_client_bootstrap":               {1, 10 * time.Second},
	"light_client_updates_by_range":        {1, 10 * time.Second},
	"light_client_finality_update":         {1, 12 * time.Second},
	"light_client_optimistic_update":       {1, 12 * time.Second},
	"execution_payload_envelopes_by_range": {128, 60 * time.Second},
	"execution_payload_envelopes_by_root":  {128, 60 * time.Second},
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
