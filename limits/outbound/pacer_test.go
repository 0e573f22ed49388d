package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const alice = peer.ID("alice")

// A meter is what a deployed server counts requests with. It reports whether they
// are within its limit.
type meter interface {
	count(now time.Time, method string, items int) bool
}

// A bucket is a token bucket, which leaky buckets and GCRA come to as well, of some
// methods. Without any it is of all, which it counts as one.
type bucket struct {
	methods  []string
	n        float64
	per      time.Duration
	capacity float64
	level    float64 // used
	at       time.Time
}

func (b *bucket) count(now time.Time, method string, items int) bool {
	cost := float64(items)
	if b.methods == nil {
		cost = 1
	} else if !slices.Contains(b.methods, method) {
		return true
	}
	b.level = max(b.level-b.n*float64(now.Sub(b.at))/float64(b.per), 0) + cost
	b.at = now
	return b.level <= b.capacity+1e-9
}

// A window counts what came in a time that slides.
type window struct {
	methods []string
	per     time.Duration
	most    int
	times   []time.Time
	costs   []int
}

func (w *window) count(now time.Time, method string, items int) bool {
	if w.methods == nil {
		items = 1
	} else if !slices.Contains(w.methods, method) {
		return true
	}
	w.times, w.costs = append(w.times, now), append(w.costs, items)
	total := 0
	for i, at := range w.times {
		if now.Sub(at) <= w.per {
			total += w.costs[i]
		}
	}
	return total <= w.most
}

var (
	blocks    = []string{"beacon_blocks_by_range", "beacon_blocks_by_root"}
	blobs     = []string{"blob_sidecars_by_range", "blob_sidecars_by_root"}
	columns   = []string{"data_column_sidecars_by_range", "data_column_sidecars_by_root"}
	envelopes = []string{"execution_payload_envelopes_by_range", "execution_payload_envelopes_by_root"}
	light     = []string{"light_client_bootstrap", "light_client_finality_update", "light_client_optimistic_update"}
)

func leaky(n float64, per time.Duration, capacity float64, methods ...string) meter {
	return &bucket{methods: methods, n: n, per: per, capacity: capacity}
}

// each is a bucket of its own for each method, whose burst is what it refills.
func each(n float64, per time.Duration, methods ...string) []meter {
	var all []meter
	for _, m := range methods {
		all = append(all, leaky(n, per, n, m))
	}
	return all
}

func join(groups ...[]meter) (all []meter) {
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

const sec = time.Second

// deployed are the servers' limits as they are by default.
var deployed = map[string]func() []meter{
	"Prysm": func() []meter {
		return []meter{
			leaky(10, sec, 20),
			leaky(1, sec, 1, "goodbye"), leaky(1, sec, 5, "metadata"), leaky(1, sec, 5, "ping"), leaky(1, sec, 5, "status"),
			leaky(1, sec, 5, "light_client_bootstrap"), leaky(1, sec, 5, "light_client_finality_update"), leaky(1, sec, 5, "light_client_optimistic_update"),
			leaky(64, 30*sec, 128, blocks...), leaky(384, 30*sec, 1152, blobs...),
			leaky(4096, 30*sec, 16384, columns...), leaky(64, 30*sec, 128, envelopes...),
		}
	},
	"Lighthouse": func() []meter {
		return join(
			each(2, 10*sec, "ping"), each(2, 5*sec, "metadata"), each(5, 15*sec, "status"), each(1, 10*sec, "goodbye"),
			each(128, 10*sec, blocks...), each(896, 10*sec, blobs[0]), each(768, 10*sec, blobs[1]), each(16384, 10*sec, columns...),
			each(1, 10*sec, light...),
		)
	},
	"Lodestar": func() []meter {
		return join(
			each(5, 15*sec, "status"), each(1, 10*sec, "goodbye"), each(2, 10*sec, "ping"), each(2, 5*sec, "metadata"),
			each(128, 10*sec, blocks...), each(768, 10*sec, blobs...), each(16384, 10*sec, columns...),
			each(5, 15*sec, "light_client_bootstrap"), each(2, 12*sec, "light_client_finality_update", "light_client_optimistic_update"),
		)
	},
	"Teku": func() []meter {
		return []meter{
			&window{methods: blocks, per: time.Minute, most: 500},
			&window{methods: blobs, per: time.Minute, most: 2000},
			&window{per: time.Minute, most: 100},
		}
	},
}

// TestKnownServersAreNeverAskedTooMuch asks for everything as fast as it goes, and
// replays what was sent to the limits of each server, which it reaches after times
// that vary. The client is told, or found out after a while, or never.
func TestKnownServersAreNeverAskedTooMuch(t *testing.T) {
	t.Parallel()
	for name, meters := range deployed {
		for _, known := range []time.Duration{0, 7 * sec, time.Hour} {
			t.Run(fmt.Sprintf("%s known after %v", name, known), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { neverAskTooMuch(t, name, known, meters()) })
			})
		}
	}
}

func neverAskTooMuch(t *testing.T, name string, known time.Duration, server []meter) {
	start := time.Now()
	p := newPacer(t, &outbound.Options{Client: func(peer.ID) string {
		if time.Since(start) < known {
			return ""
		}
		return strings.ToLower(name)
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	var mu sync.Mutex
	sent := make(map[string]int)
	ask := func(method string, items int) {
		rnd := rand.New(rand.NewPCG(1, uint64(items)))
		for p.Wait(ctx, alice, method, items) == nil {
			time.Sleep(time.Duration(rnd.Int64N(int64(300 * time.Millisecond))))
			mu.Lock()
			for i, m := range server {
				if !m.count(time.Now(), method, items) {
					t.Errorf("%v: %d of %s were too much for limit %d", time.Since(start), items, method, i)
				}
			}
			sent[method] += items
			mu.Unlock()
		}
	}
	var wg sync.WaitGroup
	for _, method := range slices.Concat([]string{"status", "goodbye", "ping", "metadata"}, light) {
		wg.Go(func() { ask(method, 1) })
	}
	for _, group := range [][]string{blocks, blobs, columns, envelopes} {
		for _, method := range group {
			wg.Go(func() { ask(method, 64) })
			wg.Go(func() { ask(method, 7) })
		}
	}
	wg.Wait()
	// It is of no use to be so careful that nothing is sent.
	least := map[bool]int{true: wantBlocks[name], false: 20 * 60}[known < time.Hour]
	if n := sent[blocks[0]] + sent[blocks[1]]; n < least {
		t.Errorf("%d blocks were asked for in 20 minutes, want at least %d", n, least)
	}
}

// wantBlocks is how many are asked for in 20 minutes at least, once the server's client is
// known: nine tenths of what it grants, but for Teku, which counts all requests for a minute.
var wantBlocks = map[string]int{
	"Prysm":      20 * 60 * 64 / 30 * 9 / 10,
	"Lighthouse": 20 * 60 * 2 * 128 / 10 * 9 / 10,
	"Lodestar":   20 * 60 * 2 * 128 / 10 * 9 / 10,
	"Teku":       20 * 500 / 2,
}

// every has quotas hold for every client.
func every(quotas ...outbound.Quota) map[string][]outbound.Quota {
	return map[string][]outbound.Quota{"": quotas}
}

// newPacer returns a pacer which keeps to what deployed clients grant, if nothing else is asked for.
func newPacer(t *testing.T, opts *outbound.Options) *outbound.Pacer {
	t.Helper()
	o := outbound.Options{}
	if opts != nil {
		o = *opts
	}
	if o.Quotas == nil {
		o.Quotas = quota.Granted()
	}
	p, err := outbound.New(&o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// at waits for a request, and expects it to take so long.
func at(t *testing.T, p *outbound.Pacer, to peer.ID, method string, items int, want time.Duration) {
	t.Helper()
	start := time.Now()
	if err := p.Wait(t.Context(), to, method, items); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); (d - want).Abs() > time.Millisecond {
		t.Errorf("%d of %s waited %v, want %v", items, method, d, want)
	}
}

func TestWaitFailsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, nil)
		at(t, p, alice, blocks[0], 120, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := p.Wait(ctx, alice, blocks[1], 60); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait returned %v, want %v", err, context.DeadlineExceeded)
		}
		if d := time.Since(start); d > 0 {
			t.Errorf("Wait took %v to find that its deadline does not suffice", d)
		}
		at(t, p, "bob", blocks[1], 60, 0)
	})
}

func TestRequestForMoreThanABurstWaitsForAFullBucket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, nil)
		at(t, p, alice, blocks[0], 60, 0)
		at(t, p, alice, blocks[0], 180, 30*sec)
		at(t, p, alice, blocks[0], 1, 30*sec+sec/2) // the debt of 60 first
		at(t, p, alice, blocks[0], 1<<30, 60*sec-sec/2+sec/2)
		at(t, p, alice, blocks[0], 60, 90*sec) // the debt is bounded
	})
}

func TestClientsThatWithholdAreNotPaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, &outbound.Options{Client: func(id peer.ID) string { return string(id) }})
		for range 100 {
			at(t, p, "reqresp", blocks[0], 64, 0)
			at(t, p, "nimbus", "ping", 1, 0)
		}
		at(t, p, "lighthouse", blocks[0], 120, 0)
		at(t, p, "lighthouse", blocks[1], 120, 0)
		at(t, p, "lighthouse", blocks[0], 12, sec)
	})
}

func TestQuotasOfTheCallersOwnHoldForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		none := newPacer(t, &outbound.Options{Quotas: every()})
		p := newPacer(t, &outbound.Options{
			Quotas: every(outbound.Quota{Methods: blocks, Items: limits.Rate{N: 1, Burst: 2}}),
			Client: func(peer.ID) string { return "reqresp" },
		})
		for range 100 {
			at(t, none, alice, blocks[0], 64, 0)
			at(t, p, alice, "ping", 1, 0)
		}
		at(t, p, alice, blocks[0], 2, 0)
		at(t, p, alice, blocks[1], 1, sec)
	})
	for name, b := range map[string][]outbound.Quota{
		"N":       {{Items: limits.Rate{Per: sec, Burst: 1}}},
		"Per":     {{Items: limits.Rate{N: 1, Per: -1}}},
		"Burst":   {{Items: limits.Rate{N: 1, Per: sec, Burst: 1 << 50}}},
		"Methods": {{Methods: blocks, Items: limits.Rate{N: 1, Per: sec, Burst: 1}}, {Methods: blocks, Items: limits.Rate{N: 1, Per: sec, Burst: 1}}},
	} {
		if _, err := outbound.New(&outbound.Options{Quotas: every(b...)}); err == nil {
			t.Errorf("a bad %s was accepted", name)
		}
	}
}

func TestPeerAtItsLimitIsLeftAlone(t *testing.T) {
	t.Parallel()
	limited := errors.New("rate limited")
	synctest.Test(t, func(t *testing.T) {
		opts := &outbound.Options{
			IsLimited: func(err error) bool { return errors.Is(err, limited) },
			Quotas:    every(outbound.Quota{Methods: blocks, Items: limits.Rate{N: 1000, Per: sec, Burst: 1000}}),
		}
		p := newPacer(t, opts)
		again := func(want time.Duration) {
			t.Helper()
			start := time.Now()
			if err := p.Wait(t.Context(), alice, blocks[0], 1); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(start); d != want {
				t.Errorf("the peer was asked again after %v, want %v", d, want)
			}
		}
		again(0)
		for _, want := range []time.Duration{5 * sec, 10 * sec} {
			p.Done(alice, blocks[0], reqresp.Result{Err: fmt.Errorf("call: %w", limited)})
			again(want)
		}
		p.Done(alice, blocks[0], reqresp.Result{Err: errors.New("reset")}) // is no limit, and no success
		p.Done(alice, blocks[0], reqresp.Result{Err: limited})
		again(20 * sec)
		// The fourth in an hour: the fifth would ban.
		p.Done(alice, blocks[0], reqresp.Result{Err: limited})
		again(time.Hour - 35*sec)

		p = newPacer(t, opts)
		again(0)
		p.Done(alice, blocks[0], reqresp.Result{Err: limited})
		again(5 * sec)
		p.Done(alice, blocks[0], reqresp.Result{})
		again(0)
		p.Done(alice, blocks[0], reqresp.Result{Err: limited})
		again(5 * sec) // a success ended the row
		// Methods of another quota are not held up.
		p.Done(alice, blocks[0], reqresp.Result{Err: limited})
		start := time.Now()
		if err := p.Wait(t.Context(), alice, "status", 1); err != nil || time.Since(start) > 0 {
			t.Errorf("another method waited %v: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Wait(ctx, alice, blocks[0], 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait returned %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestSettingsOutsideTheirRangeAreRefused(t *testing.T) {
	t.Parallel()
	fine := limits.Rate{N: 1, Per: time.Second, Burst: 1}
	for want, opts := range map[string]outbound.Options{
		"MaxPeers is -1: want at least 1, or 0 for 4096": {MaxPeers: -1},
		"quota of [ping]: N 0 is not between 1 and":      {Quotas: every(outbound.Quota{Methods: []string{"ping"}, Items: limits.Rate{Per: time.Second, Burst: 1}})},
		"quota of []: N 0 is not between 1 and":          {Defaults: make([]outbound.Quota, 1)},
		`method "ping" has two quotas: want one at most`: {Quotas: every(outbound.Quota{Methods: []string{"ping"}, Items: fine}, outbound.Quota{Methods: []string{"ping"}, Items: fine})},
	} {
		if p, err := outbound.New(&opts); p != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v, want an error that says %q", p, err, want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, &outbound.Options{MaxPeers: 2})
		for _, id := range []peer.ID{alice, "bob", "carol"} {
			if err := p.Wait(t.Context(), id, blocks[0], 120); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		start := time.Now()
		if err := p.Wait(t.Context(), "carol", blocks[0], 60); err != nil || time.Since(start) < 29*sec {
			t.Errorf("the peer asked last was asked again after %v: %v", time.Since(start), err)
		}
	})
}
