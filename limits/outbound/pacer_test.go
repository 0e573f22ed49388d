package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/outbound"
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
			leaky(1, sec, 5, "light_client_bootstrap"), leaky(1, sec, 5, "light_client_finality_update"),
			leaky(64, 30*sec, 128, blocks...), leaky(384, 30*sec, 1152, blobs...),
			leaky(4096, 30*sec, 16384, columns...), leaky(64, 30*sec, 128, envelopes...),
		}
	},
	"Lighthouse": func() []meter {
		return join(
			each(2, 10*sec, "ping"), each(2, 5*sec, "metadata"), each(5, 15*sec, "status"), each(1, 10*sec, "goodbye"),
			each(128, 10*sec, blocks...), each(896, 10*sec, blobs[0]), each(768, 10*sec, blobs[1]), each(16384, 10*sec, columns...),
			each(1, 10*sec, "light_client_bootstrap", "light_client_finality_update"),
		)
	},
	"Lodestar": func() []meter {
		return join(
			each(5, 15*sec, "status"), each(1, 10*sec, "goodbye"), each(2, 10*sec, "ping"), each(2, 5*sec, "metadata"),
			each(128, 10*sec, blocks...), each(768, 10*sec, blobs...), each(16384, 10*sec, columns...),
			each(5, 15*sec, "light_client_bootstrap"), each(2, 12*sec, "light_client_finality_update"),
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
// that vary.
func TestKnownServersAreNeverAskedTooMuch(t *testing.T) {
	t.Parallel()
	for name, meters := range deployed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := outbound.New(nil)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
				defer cancel()
				server := meters()
				var mu sync.Mutex
				sent := make(map[string]int)
				ask := func(method string, items int) {
					rnd := rand.New(rand.NewPCG(1, uint64(items)))
					for p.Wait(ctx, alice, method, items) == nil {
						time.Sleep(time.Duration(rnd.Int64N(int64(300 * time.Millisecond))))
						mu.Lock()
						for i, m := range server {
							if !m.count(time.Now(), method, items) {
								t.Errorf("%d of %s were too much for limit %d", items, method, i)
							}
						}
						sent[method] += items
						mu.Unlock()
					}
				}
				var wg sync.WaitGroup
				for _, method := range []string{"status", "goodbye", "ping", "metadata", "light_client_bootstrap", "light_client_finality_update"} {
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
				if n := sent[blocks[0]] + sent[blocks[1]]; n < 20*60 {
					t.Errorf("%d blocks were asked for in 20 minutes", n)
				}
			})
		})
	}
}

func TestWaitFailsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := outbound.New(nil)
		if err := p.Wait(t.Context(), alice, blocks[0], 121); !errors.Is(err, outbound.ErrTooMuch) {
			t.Errorf("Wait returned %v, want %v", err, outbound.ErrTooMuch)
		}
		if n := p.Most(blocks[0]); n != 120 {
			t.Errorf("the most is %d, want 120", n)
		}
		if err := p.Wait(t.Context(), alice, blocks[0], 120); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := p.Wait(ctx, alice, blocks[1], 60); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait returned %v, want %v", err, context.DeadlineExceeded)
		}
		if d := time.Since(start); d > 0 {
			t.Errorf("Wait took %v to find that its deadline does not suffice", d)
		}
		if err := p.Wait(t.Context(), "bob", blocks[1], 60); err != nil || time.Since(start) > 0 {
			t.Errorf("Wait for another peer took %v and returned %v", time.Since(start), err)
		}
	})
}

func TestPeerAtItsLimitIsLeftAlone(t *testing.T) {
	t.Parallel()
	limited := errors.New("rate limited")
	synctest.Test(t, func(t *testing.T) {
		p := outbound.New(&outbound.Options{IsLimited: func(err error) bool { return errors.Is(err, limited) }})
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
		for _, want := range []time.Duration{5 * sec, 10 * sec, 20 * sec, 40 * sec, 80 * sec, 120 * sec, 120 * sec} {
			if !p.Done(alice, blocks[0], fmt.Errorf("call: %w", limited)) {
				t.Error("Done did not recognise a limit")
			}
			p.Done(alice, blocks[0], limited) // another that was under way
			again(want)
		}
		if p.Done(alice, blocks[0], errors.New("reset")) {
			t.Error("Done took another failure for a limit")
		}
		p.Done(alice, blocks[0], nil)
		again(0)
		p.Done(alice, blocks[0], limited)
		again(5 * sec)
		// Methods of another budget are not held up.
		p.Done(alice, blocks[0], limited)
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

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := outbound.New(&outbound.Options{MaxPeers: 2})
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
