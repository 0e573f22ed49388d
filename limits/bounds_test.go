package limits_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// TestNoWindowExceedsTheNodesQuota has many peers use a shared capacity, at their
// floor and without, and looks at all windows of time, as TestNoWindowExceedsTheQuota does.
func TestNoWindowExceedsTheNodesQuota(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				r := &recorder{start: time.Now(), rate: limits.Rate{
					N:     1 + rnd.Uint64N(1<<20),
					Per:   100*time.Millisecond + time.Duration(rnd.Int64N(int64(10*time.Second))),
					Burst: 1 + rnd.Uint64N(1<<20),
				}}
				r.limiter = newLimiter(t, limits.Quota{}, nodeBytes(r.rate))
				var wg sync.WaitGroup
				for worker := range uint64(20) {
					wg.Go(func() {
						rnd := rand.New(rand.NewPCG(seed, 2+worker))
						for range 6 {
							r.shared(t, rnd, int(worker/2))
						}
					})
				}
				wg.Wait()
				if len(r.grants) == 0 {
					t.Fatal("nothing was granted")
				}
				r.check(t, sharedChunk)
			})
		})
	}
}

// sharedChunk is the most that a chunk of shared takes.
const sharedChunk = 128 << 10

// shared is an exchange of one of several peers, which pays in bytes.
func (r *recorder) shared(t *testing.T, rnd *rand.Rand, who int) {
	// The 4 s until the first chunk begin no sooner than this.
	due := time.Now().Add(4 * time.Second)
	pace, err := r.limiter.Admit(t.Context(), peerID(who), blocks)
	if err != nil {
		return // for want of capacity
	}
	defer pace.Release()
	for i := range rnd.IntN(8) {
		c := reqresp.Cost{Items: 1, Bytes: 1 + rnd.Uint64N(sharedChunk)}
		if err := pace.Reserve(t.Context(), c); err != nil {
			if !errors.Is(err, limits.ErrOverCapacity) || time.Now().Before(due) {
				t.Errorf("Reserve returned %v %v before the chunk was due", err, time.Until(due))
			}
			return
		}
		now := time.Now()
		if i > 0 && now.After(due) {
			t.Errorf("chunk came %v after it was due", now.Sub(due))
		}
		g := grant{at: now.Sub(r.start), cost: c.Bytes, beyond: max(c.Bytes, r.rate.Burst) - r.rate.Burst}
		if !now.Before(due) {
			g.beyond = c.Bytes
		}
		r.record(g)
		time.Sleep(time.Duration(rnd.Int64N(int64(time.Second))))
		pace.Settle(c)
		due = time.Now().Add(8 * time.Second)
	}
}

// TestBudgetsStayBetweenDebtAndBurst does all that can be done to a budget, and looks at
// it all the time: it holds no more than a burst, and owes no more than three bursts and what 10 minutes
// refill.
func TestBudgetsStayBetweenDebtAndBurst(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 9))
			rate := limits.Rate{N: 1 + rnd.Uint64N(100), Per: time.Second, Burst: 1 + rnd.Uint64N(200)}
			sc := &scores{}
			l, err := limits.New(&limits.Options{Config: onlyBlocks(limits.Quota{Requests: rate, Items: rate, Bytes: rate}, limits.Config{}), Scores: sc})
			if err != nil {
				t.Fatal(err)
			}
			look := func() {
				t.Helper()
				b := balance(t, l, alice)
				debt := -int64(rate.N)*600 - 3*int64(rate.Burst) - 1 // of rounding
				for _, left := range []int64{b.Requests, b.Items, b.Bytes} {
					if left > int64(rate.Burst) || left < debt {
						t.Fatalf("seed %d: balance is %d, not between %d and %d", seed, left, debt, rate.Burst)
					}
				}
			}
			for range 30 {
				pace, err := l.Admit(t.Context(), alice, blocks)
				if err != nil {
					time.Sleep(time.Duration(rnd.Int64N(int64(5 * time.Minute))))
					continue
				}
				for range rnd.IntN(5) {
					if pace.Reserve(t.Context(), reqresp.Cost{Items: rnd.Uint64N(300), Bytes: rnd.Uint64() >> rnd.IntN(64)}) != nil {
						break
					}
					look()
					time.Sleep(time.Duration(rnd.Int64N(int64(5 * time.Second))))
					if rnd.IntN(4) > 0 {
						pace.Settle(reqresp.Cost{Items: rnd.Uint64N(300), Bytes: rnd.Uint64() >> rnd.IntN(64)})
						look()
					}
				}
				pace.Release()
				look()
				if rnd.IntN(3) == 0 {
					rate = limits.Rate{N: 1 + rnd.Uint64N(100), Per: time.Second, Burst: 1 + rnd.Uint64N(200)}
					if err := setQuota(l, limits.Quota{Requests: rate, Items: rate, Bytes: rate}); err != nil {
						t.Fatal(err)
					}
					look()
				}
			}
		})
	}
}

// TestNodesQuotaAppliesToOpenStreams changes the capacity that several streams
// share, and sees it at once, on all of them.
func TestNodesQuotaAppliesToOpenStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 100 * kib, Burst: 10 * kib}))
		chunk := reqresp.Cost{Items: 1, Bytes: 10 * kib}
		var mu sync.Mutex
		var got int
		var wg sync.WaitGroup
		deadline := time.Now().Add(30 * s)
		for i := range 5 {
			pace := admit(t, l, peerID(i), blocks)
			wg.Go(func() {
				defer pace.Release()
				for time.Now().Before(deadline) {
					send(t, pace, chunk)
					mu.Lock()
					got++
					mu.Unlock()
				}
			})
		}
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return got
		}
		for _, chunks := range []int{10, 40, 5, 10} {
			c := l.Config()
			c.Node.Bytes = limits.Rate{N: uint64(chunks) * 10 * kib, Per: s, Burst: 10 * kib}
			if err := l.Apply(c); err != nil {
				t.Fatal(err)
			}
			before := count()
			time.Sleep(5 * s)
			if n := count() - before; n < 5*chunks-1 || n > 5*chunks+1 {
				t.Errorf("%d chunks were sent in 5 s, at %d per second", n, chunks)
			}
		}
		wg.Wait()
	})
}
