package limits_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const (
	alice = peer.ID("alice")
	bob   = peer.ID("bob")
)

var (
	blocks = newSpec("blocks")
	status = newSpec("status")
	// ample is not used up by any test.
	ample = limits.Rate{N: 1 << 20, Burst: 1 << 30}
)

// newLimiter returns a limiter which limits one method only as q says.
func newLimiter(t *testing.T, q limits.Quota, c limits.Config) *limits.Limiter {
	t.Helper()
	limiter, err := limits.New(&limits.Options{Config: onlyBlocks(q, c)})
	if err != nil {
		t.Fatal(err)
	}
	return limiter
}

// onlyBlocks completes a configuration with one that limits one method only.
func onlyBlocks(q limits.Quota, c limits.Config) limits.Config {
	c.Default.Peer = limits.Quota{Requests: ample, Items: ample, Bytes: ample}
	if c.Node == (limits.Quota{}) {
		c.Node = c.Default.Peer
	}
	c.Methods = map[string]limits.Method{blocks.Name(): {Peer: q}}
	return c
}

// setQuota changes the quota of the method that is limited.
func setQuota(l *limits.Limiter, q limits.Quota) error {
	c := l.Config()
	c.Methods[blocks.Name()] = limits.Method{Peer: q}
	return l.Apply(c)
}

func admit(t *testing.T, l *limits.Limiter, from peer.ID, spec *reqresp.Spec) reqresp.Admission {
	t.Helper()
	pace, err := l.Admit(t.Context(), from, spec)
	if err != nil {
		t.Fatalf("Admit of %s: %v", from, err)
	}
	return pace
}

func reserve(t *testing.T, p reqresp.Admission, c reqresp.Cost) {
	t.Helper()
	if err := p.Reserve(t.Context(), c); err != nil {
		t.Fatalf("Reserve(%+v): %v", c, err)
	}
}

// send reserves and uses c.
func send(t *testing.T, p reqresp.Admission, c reqresp.Cost) {
	t.Helper()
	reserve(t, p, c)
	p.Settle(c)
}

// spend lets a peer use c in an exchange of its own.
func spend(t *testing.T, l *limits.Limiter, from peer.ID, c reqresp.Cost) {
	t.Helper()
	pace := admit(t, l, from, blocks)
	send(t, pace, c)
	pace.Release()
}

func balance(t *testing.T, l *limits.Limiter, from peer.ID) limits.Balance {
	t.Helper()
	all := l.Balances(from)
	i := slices.IndexFunc(all, func(b limits.Balance) bool { return b.Method == blocks.Name() })
	if i < 0 {
		t.Fatalf("no balance of %s for %s among %v", from, blocks.Name(), all)
	}
	return all[i]
}

// wantAt checks how much virtual time passed since start.
func wantAt(t *testing.T, what string, start time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(start); got != want {
		t.Errorf("%s after %v, want %v", what, got, want)
	}
}

const s = time.Second

// A chunk is reserved for, granted at some time, and settled.
type chunk struct {
	reserve, used reqresp.Cost
	at            time.Duration
	err           error // that it is not granted for; nothing follows then
}

// exact is a chunk that takes what was reserved for it.
func exact(items, bytes uint64, at time.Duration) chunk {
	c := reqresp.Cost{Items: items, Bytes: bytes}
	return chunk{c, c, at, nil}
}

// overdrawn is a chunk for which too much is owed.
func overdrawn(items uint64, at time.Duration) chunk {
	return chunk{reqresp.Cost{Items: items}, reqresp.Cost{}, at, limits.ErrOverdrawn}
}

var (
	perSecond = limits.Rate{N: 1, Burst: 2}
	slow      = limits.Rate{N: 1, Per: 10 * s, Burst: 1}
)

var reserveCases = map[string]struct {
	quota  limits.Quota
	chunks []chunk
}{
	"burst at once, then the rate": {
		limits.Quota{Items: perSecond},
		[]chunk{exact(1, 0, 0), exact(1, 0, 0), exact(1, 0, s), exact(1, 0, 2*s), exact(2, 0, 4*s)},
	},
	"rate that is not whole": {
		limits.Quota{Items: limits.Rate{N: 128, Per: 10 * s, Burst: 1}},
		[]chunk{exact(1, 0, 0), exact(1, 0, 78125*time.Microsecond), exact(2, 0, 156250*time.Microsecond)},
	},
	"bytes apart from items": {
		limits.Quota{Items: perSecond, Bytes: limits.Rate{N: 100}},
		[]chunk{exact(1, 100, 0), exact(1, 50, s/2), exact(1, 50, s), exact(1, 100, 2*s)},
	},
	"cost over the burst is served and paid off": {
		limits.Quota{Items: perSecond},
		[]chunk{exact(5, 0, 0), exact(1, 0, 4*s), exact(5, 0, 6*s), exact(1, 0, 10*s)},
	},
	"floor of one chunk every 8 s": {
		limits.Quota{Items: slow},
		[]chunk{exact(1, 0, 0), exact(1, 0, 8*s), exact(1, 0, 16*s), exact(1, 0, 24*s), exact(1, 0, 32*s)},
	},
	"floor up to two bursts of overdraft": {
		limits.Quota{Items: limits.Rate{N: 1, Per: time.Hour, Burst: 2}},
		[]chunk{
			exact(1, 0, 0), exact(1, 0, 0), exact(1, 0, 8*s), exact(1, 0, 16*s), exact(1, 0, 24*s), exact(1, 0, 32*s),
			exact(1, 0, 40*s), // a little less than four is owed
			overdrawn(1, 48*s),
		},
	},
	"floor up to twice what is wanted": {
		limits.Quota{Items: limits.Rate{N: 1, Burst: 2}},
		[]chunk{exact(50, 0, 0), exact(50, 0, 8*s), exact(50, 0, 16*s), overdrawn(50, 24*s)},
	},
	"used beyond the reservation is owed": {
		limits.Quota{Bytes: limits.Rate{N: 100}},
		[]chunk{{reqresp.Cost{Items: 1}, reqresp.Cost{Items: 1, Bytes: 400}, 0, nil}, exact(1, 0, 3*s), exact(1, 100, 4*s)},
	},
	"reserved and not used is given back": {
		limits.Quota{Bytes: limits.Rate{N: 100}, Items: perSecond},
		[]chunk{
			{reqresp.Cost{Items: 2, Bytes: 100}, reqresp.Cost{Items: 1, Bytes: 20}, 0, nil},
			exact(1, 80, 0), exact(1, 100, s),
		},
	},
	"largest costs there are": {
		limits.Quota{Items: perSecond},
		[]chunk{
			{reqresp.Cost{}, reqresp.Cost{Items: math.MaxUint64, Bytes: math.MaxUint64}, 0, nil},
			overdrawn(1, 8*s),
		},
	},
}

func TestReserveWaitsAsQuotaDemands(t *testing.T) {
	t.Parallel()
	for name, tc := range reserveCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, tc.quota, limits.Config{})
				pace := admit(t, l, alice, blocks)
				defer pace.Release()
				start := time.Now()
				for i, c := range tc.chunks {
					err := pace.Reserve(t.Context(), c.reserve)
					wantAt(t, "chunk "+string(rune('0'+i)), start, c.at)
					if !errors.Is(err, c.err) || c.err != nil && !errors.Is(err, reqresp.ErrRefused) {
						t.Errorf("Reserve(%+v) returned %v, want %v", c.reserve, err, c.err)
					}
					if err == nil {
						pace.Settle(c.used)
					}
				}
			})
		})
	}
}

func TestFirstChunkComesWithinFourSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Per: time.Minute, Burst: 2}}, limits.Config{})
		spend(t, l, alice, reqresp.Cost{Items: 2})
		first, second := admit(t, l, alice, blocks), admit(t, l, alice, blocks)
		start := time.Now()
		// Time that passes before the reservation counts as well.
		time.Sleep(time.Second)
		send(t, first, reqresp.Cost{Items: 1})
		wantAt(t, "first chunk", start, 4*time.Second)
		time.Sleep(time.Second)
		send(t, second, reqresp.Cost{Items: 1})
		wantAt(t, "overdue first chunk of the other", start, 5*time.Second)
		// A slow write does not shorten the 8 s, which begin at its end.
		reserve(t, first, reqresp.Cost{Items: 1})
		wantAt(t, "second chunk", start, 12*time.Second)
		time.Sleep(3 * time.Second)
		first.Settle(reqresp.Cost{Items: 1})
		send(t, first, reqresp.Cost{Items: 1})
		wantAt(t, "third chunk", start, 23*time.Second)
		first.Release()
		second.Release()
	})
}

func TestChunkThatWasNotSentDoesNotPostponeTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Per: time.Minute}}, limits.Config{})
		spend(t, l, alice, reqresp.Cost{Items: 1})
		pace := admit(t, l, alice, blocks)
		defer pace.Release()
		start := time.Now()
		reserve(t, pace, reqresp.Cost{Items: 1})
		pace.Settle(reqresp.Cost{})
		reserve(t, pace, reqresp.Cost{Items: 5}) // never settled
		send(t, pace, reqresp.Cost{Items: 1})
		wantAt(t, "first chunk sent", start, 4*time.Second)
		if got := balance(t, l, alice).Items; got != -1 {
			t.Errorf("balance is %d, want -1: only what was sent is owed", got)
		}
	})
}

func TestReservationsOfOnePeerTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Burst: 3}}, limits.Config{})
		first, second := admit(t, l, alice, blocks), admit(t, l, alice, blocks)
		send(t, first, reqresp.Cost{Items: 3})
		send(t, second, reqresp.Cost{}) // settled without items, so still due after 4 s
		start := time.Now()
		go func() {
			defer first.Release()
			send(t, first, reqresp.Cost{Items: 3})
			wantAt(t, "the one that came first", start, 3*time.Second)
		}()
		synctest.Wait()
		// There is a token after 1 s, but another waits for three.
		send(t, second, reqresp.Cost{Items: 1})
		wantAt(t, "the one that came second", start, 4*time.Second)
		second.Release()
	})
}

func TestWhatIsGivenBackIsThereForOthersAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 4, Per: time.Hour, Burst: 4}}, limits.Config{})
		first, second := admit(t, l, alice, blocks), admit(t, l, alice, blocks)
		defer first.Release()
		defer second.Release()
		reserve(t, first, reqresp.Cost{Items: 4})
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { send(t, second, reqresp.Cost{Items: 2}) })
		time.Sleep(time.Second)
		first.Settle(reqresp.Cost{Items: 1})
		wg.Wait()
		wantAt(t, "the chunk of another exchange", start, time.Second)
	})
}

func TestReserveFailsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Burst: 1}}, limits.Config{})
		pace := admit(t, l, alice, blocks)
		defer pace.Release()
		send(t, pace, reqresp.Cost{Items: 1})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		for range 2 {
			if err := pace.Reserve(ctx, reqresp.Cost{Items: 1}); err != context.DeadlineExceeded {
				t.Fatalf("Reserve returned %v, want %v", err, context.DeadlineExceeded)
			}
			wantAt(t, "failure", start, 300*time.Millisecond)
		}
		send(t, pace, reqresp.Cost{Items: 1})
		wantAt(t, "chunk", start, time.Second)
	})
}

func TestDebtIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ reserve, used reqresp.Cost }{
		"reserved": {reqresp.Cost{Items: math.MaxUint64}, reqresp.Cost{Items: math.MaxUint64}},
		"used":     {reqresp.Cost{Items: 1}, reqresp.Cost{Items: math.MaxUint64}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 2, Burst: 5}},
					limits.Config{Node: limits.Quota{Requests: ample, Items: plenty, Bytes: ample}})
				for range 2 {
					pace := admit(t, l, alice, blocks)
					reserve(t, pace, c.reserve)
					pace.Settle(c.used)
					pace.Release()
					if got := balance(t, l, alice).Items; got != -1215 {
						t.Errorf("balance is %d, want -1215, three bursts and ten minutes' worth", got)
					}
					start := time.Now()
					time.Sleep(10*time.Minute + 5*time.Second) // 5 are owed then
					admit(t, l, alice, blocks).Release()
					wantAt(t, "admission", start, 10*time.Minute+7500*time.Millisecond)
				}
			})
		})
	}
}

func TestGivingBackNeverRefillsWhatWasSpent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Burst: 100}}, limits.Config{})
		pace := admit(t, l, alice, blocks)
		defer pace.Release()
		send(t, pace, reqresp.Cost{Items: 100})
		reserve(t, pace, reqresp.Cost{Items: math.MaxUint64}) // after 8 s, cut to the bound on debts
		pace.Settle(reqresp.Cost{})
		if got := balance(t, l, alice).Items; got != 8 {
			t.Errorf("balance is %d, want the 8 of the 8 s that passed", got)
		}
	})
}

func TestBudgetsAreApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Burst: 1}}, limits.Config{})
		start := time.Now()
		spend(t, l, alice, reqresp.Cost{Items: 3})
		spend(t, l, bob, reqresp.Cost{Items: 1})
		pace := admit(t, l, alice, status)
		send(t, pace, reqresp.Cost{Items: 1})
		pace.Release()
		wantAt(t, "other peer and other method", start, 0)
		// Another spec of the same name is another version, and shares the
		// budget.
		admit(t, l, alice, newSpec(blocks.Name())).Release()
		wantAt(t, "other version", start, 2*time.Second)
	})
}

// Whoever changes a configuration in effect can set a method in it.
func TestMethodsInEffectAreNeverNil(t *testing.T) {
	t.Parallel()
	effective, err := limits.Config{}.Effective()
	if err != nil || effective.Methods == nil {
		t.Errorf("methods %v, %v", effective.Methods, err)
	}
	l, err := limits.New(nil)
	if err != nil || l.Config().Methods == nil {
		t.Fatalf("a new limiter has no map of methods, or failed with %v", err)
	}
	if err := l.Apply(limits.Config{MaxConcurrent: 3}); err != nil || l.Config().Methods == nil {
		t.Errorf("a limiter has no map of methods once it was changed, or failed with %v", err)
	}
}
