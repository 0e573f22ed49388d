package limits_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A grant is one chunk, or request, that was allowed.
type grant struct {
	at   time.Duration
	cost uint64 // in the currency that is limited
	// beyond is what of it no bucket had to have: all of it at the floor, what
	// is over the burst else.
	beyond uint64
}

// A recorder runs exchanges and keeps what they were granted.
type recorder struct {
	limiter *limits.Limiter
	rate    limits.Rate
	chunk   func(cost uint64) reqresp.Cost // that costs so much of what is limited
	start   time.Time

	mu     sync.Mutex
	grants []grant
}

// exchange sends some chunks, writing each for a while.
func (r *recorder) exchange(t *testing.T, rnd *rand.Rand, maxCost uint64) {
	due := time.Now().Add(4 * time.Second)
	pace, err := r.limiter.Admit(t.Context(), alice, blocks)
	if err != nil {
		r.refused(t, err, due)
		return
	}
	defer pace.Release()
	for range rnd.IntN(12) {
		time.Sleep(time.Duration(rnd.Int64N(int64(time.Second))))
		n := 1 + rnd.Uint64N(maxCost)
		c := r.chunk(n)
		asked := time.Now()
		if err := pace.Reserve(t.Context(), c); err != nil {
			r.refused(t, err, due)
			return
		}
		now := time.Now()
		if now.After(asked) && now.After(due) {
			t.Errorf("chunk came %v after it was due", now.Sub(due))
		}
		g := grant{at: now.Sub(r.start), cost: n, beyond: max(n, r.rate.Burst) - r.rate.Burst}
		if !now.Before(due) {
			g.beyond = n
		}
		r.record(g)
		time.Sleep(time.Duration(rnd.Int64N(int64(time.Second))))
		pace.Settle(c)
		due = time.Now().Add(8 * time.Second)
	}
}

func (r *recorder) record(g grant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grants = append(r.grants, g)
}

// refused checks an exchange that could not go on: nothing else is refused, and nothing before
// it is due.
func (r *recorder) refused(t *testing.T, err error, due time.Time) {
	if !errors.Is(err, limits.ErrOverdrawn) || time.Now().Before(due) {
		t.Errorf("got %v %v before a chunk was due", err, time.Until(due))
	}
}

// check looks at every window that begins and ends with a grant. No cost is more than most.
func (r *recorder) check(t *testing.T, most uint64) {
	overdraft := 2*max(r.rate.Burst, most) + most
	for i, first := range r.grants {
		var sum, beyond uint64
		for _, g := range r.grants[i:] {
			sum, beyond = sum+g.cost, beyond+g.beyond
			refilled := float64(r.rate.N) * float64(g.at-first.at) / float64(r.rate.Per)
			// Times are in whole nanoseconds, so that one may be too many.
			nano := float64(r.rate.N) / float64(r.rate.Per)
			if float64(sum) > float64(r.rate.Burst+min(beyond, overdraft))+refilled+nano+1e-6 {
				t.Fatalf("%v: %d from %v to %v, of which %d are beyond", r.rate, sum, first.at, g.at, beyond)
			}
		}
	}
}

// TestNoWindowExceedsTheQuota has exchanges of one peer send chunks of all sizes, and looks
// at all windows of time: what was granted in any is at most what was refilled in it, a
// burst, and what went at the floor, on overdraft. That is at most two bursts, or two of the
// largest chunks, and one chunk.
func TestNoWindowExceedsTheQuota(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				r := &recorder{start: time.Now(), rate: limits.Rate{
					N:     1 + rnd.Uint64N(50),
					Per:   time.Second + time.Duration(rnd.Int64N(int64(20*time.Second))),
					Burst: 1 + rnd.Uint64N(100),
				}}
				quota := limits.Quota{Items: r.rate}
				r.chunk = func(n uint64) reqresp.Cost { return reqresp.Cost{Items: n} }
				if seed%2 == 1 {
					quota = limits.Quota{Bytes: r.rate}
					r.chunk = func(n uint64) reqresp.Cost { return reqresp.Cost{Items: 1, Bytes: n} }
				}
				r.limiter = newLimiter(t, quota, limits.Config{})
				maxCost := 1 + rnd.Uint64N(2*r.rate.Burst)
				var wg sync.WaitGroup
				for worker := range uint64(3) {
					wg.Go(func() {
						rnd := rand.New(rand.NewPCG(seed, 2+worker))
						for range 10 {
							r.exchange(t, rnd, maxCost)
						}
					})
				}
				wg.Wait()
				if len(r.grants) == 0 {
					t.Fatal("nothing was granted")
				}
				r.check(t, maxCost)
			})
		})
	}
}

// TestNoWindowExceedsTheQuotaOfRequests looks at the admissions of one peer that always asks.
func TestNoWindowExceedsTheQuotaOfRequests(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 5))
			r := &recorder{start: time.Now(), rate: limits.Rate{
				N:     1 + rnd.Uint64N(50),
				Per:   time.Second + time.Duration(rnd.Int64N(int64(20*time.Second))),
				Burst: 1 + rnd.Uint64N(100),
			}}
			r.limiter = newLimiter(t, limits.Quota{Requests: r.rate}, limits.Config{})
			var wg sync.WaitGroup
			for worker := range uint64(5) {
				wg.Go(func() {
					rnd := rand.New(rand.NewPCG(seed, 6+worker))
					for range 60 {
						asked := time.Now()
						pace, err := r.limiter.Admit(t.Context(), alice, blocks)
						due := asked.Add(4 * time.Second)
						if err != nil {
							r.refused(t, err, due)
							continue
						}
						g := grant{at: time.Since(r.start), cost: 1}
						if now := time.Now(); now.After(due) {
							t.Errorf("request was admitted %v after it was due", now.Sub(due))
						} else if now.Equal(due) {
							g.beyond = 1
						}
						r.record(g)
						time.Sleep(time.Duration(rnd.Int64N(int64(100 * time.Millisecond))))
						pace.Release()
						if rnd.IntN(20) == 0 {
							time.Sleep(time.Duration(rnd.Int64N(int64(time.Minute))))
						}
					}
				})
			}
			wg.Wait()
			r.check(t, 1)
		})
	}
}

// TestNothingLeaksUnderLoad has many exchanges begin, wait and be cancelled
// while the quota changes, and then expects all to be as if nobody had come.
func TestNothingLeaksUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 10, Burst: 5}}, limits.Config{})
		var wg sync.WaitGroup
		for worker := range uint64(100) {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(3, worker))
				for range 50 {
					impatient(t, l, rnd)
				}
			})
		}
		wg.Go(func() {
			for i := range uint64(100) {
				time.Sleep(time.Second)
				if err := setQuota(l, limits.Quota{Items: limits.Rate{N: 1 + i%20, Burst: 5}}); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		time.Sleep(time.Hour)
		for _, from := range crowd {
			want := limits.Balance{Method: blocks.Name(), Requests: 1 << 30, Items: 5, Bytes: 1 << 30}
			if all := l.Balances(from); len(all) != 1 || all[0] != want {
				t.Errorf("%s is left with %+v, want %+v", from, all, want)
			}
		}
	})
}

var crowd = []peer.ID{"a", "b", "c", "d", "e"}

// impatient is an exchange that is cancelled at some time or other.
func impatient(t *testing.T, l *limits.Limiter, rnd *rand.Rand) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.Int64N(int64(10*time.Second))))
	defer cancel()
	pace, err := l.Admit(ctx, crowd[rnd.IntN(len(crowd))], blocks)
	if err != nil {
		time.Sleep(time.Duration(rnd.Int64N(int64(time.Second))))
		return
	}
	defer pace.Release()
	for range rnd.IntN(10) {
		if pace.Reserve(ctx, reqresp.Cost{Items: 1 + rnd.Uint64N(8)}) != nil {
			return
		}
		time.Sleep(time.Duration(rnd.Int64N(int64(time.Second))))
		pace.Settle(reqresp.Cost{Items: rnd.Uint64N(8)})
	}
}
