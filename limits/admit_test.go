package limits_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestAdmitWaitsForASlotInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{})
		first, second := admit(t, l, alice, blocks), admit(t, l, alice, blocks)
		start := time.Now()
		order := make(chan int, 3)
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				pace := admit(t, l, alice, blocks)
				order <- i
				time.Sleep(time.Second)
				pace.Release()
			})
			synctest.Wait()
		}
		if b := balance(t, l, alice); b.Active != 2 || b.Waiting != 3 {
			t.Errorf("%d exchanges are active and %d wait, want 2 and 3", b.Active, b.Waiting)
		}
		admit(t, l, alice, status).Release()
		admit(t, l, bob, blocks).Release()
		wantAt(t, "admission of another method and another peer", start, 0)

		time.Sleep(2 * time.Second)
		first.Release()
		synctest.Wait()
		if got := len(order); got != 1 {
			t.Errorf("%d exchanges were admitted for one that ended", got)
		}
		second.Release()
		wg.Wait()
		wantAt(t, "end of all", start, 4*time.Second)
		for want := range 3 {
			if got := <-order; got != want {
				t.Errorf("exchange %d was admitted in place of %d", got, want)
			}
		}
	})
}

func TestNewcomerDoesNotOvertake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{MaxConcurrent: 1})
		first := admit(t, l, alice, blocks)
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			pace := admit(t, l, alice, blocks)
			time.Sleep(time.Second)
			pace.Release()
		})
		synctest.Wait()
		first.Release()
		// The one that waits was not scheduled yet, but the slot is its.
		admit(t, l, alice, blocks).Release()
		wantAt(t, "admission", start, time.Second)
		wg.Wait()
	})
}

func TestAdmitRefusesBeyondItsQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		active := []reqresp.Admission{admit(t, l, alice, blocks), admit(t, l, alice, blocks)}
		var wg sync.WaitGroup
		for range limits.DefaultMaxQueue {
			wg.Go(func() {
				if _, err := l.Admit(ctx, alice, blocks); !errors.Is(err, context.Canceled) {
					t.Errorf("Admit returned %v, want %v", err, context.Canceled)
				}
			})
		}
		synctest.Wait()
		_, err := l.Admit(ctx, alice, blocks)
		if !errors.Is(err, reqresp.ErrRefused) || !errors.Is(err, limits.ErrQueueFull) {
			t.Errorf("Admit returned %v, want %v and %v", err, reqresp.ErrRefused, limits.ErrQueueFull)
		}
		cancel()
		wg.Wait()
		if b := balance(t, l, alice); b.Active != 2 || b.Waiting != 0 {
			t.Errorf("%d exchanges are active and %d wait, want 2 and none", b.Active, b.Waiting)
		}
		for _, p := range active {
			p.Release()
		}
		if _, err := l.Admit(ctx, alice, blocks); !errors.Is(err, context.Canceled) {
			t.Errorf("Admit returned %v with a context that had ended", err)
		}
		for range 2 {
			defer admit(t, l, alice, blocks).Release()
		}
	})
}

func TestCancelledAdmissionLetsTheNextGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{MaxConcurrent: 1})
		first := admit(t, l, alice, blocks)
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := l.Admit(ctx, alice, blocks); err != context.Canceled {
				t.Errorf("Admit returned %v, want %v", err, context.Canceled)
			}
		})
		synctest.Wait()
		wg.Go(func() { admit(t, l, alice, blocks).Release() })
		synctest.Wait()
		// Whichever the waiting one notices first, the one behind it must go
		// on.
		cancel()
		first.Release()
		wg.Wait()
		wantAt(t, "admission", start, 0)
	})
}

func TestEveryRequestCostsAndDebtDelaysIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{
			Requests: limits.Rate{N: 1, Per: 3 * time.Second, Burst: 2},
			Items:    limits.Rate{N: 1, Burst: 1},
		}, limits.Config{})
		start := time.Now()
		for _, want := range []time.Duration{0, 0, 3 * time.Second, 6 * time.Second} {
			admit(t, l, alice, blocks).Release() // unanswered
			wantAt(t, "admission", start, want)
		}
		spend(t, l, alice, reqresp.Cost{Items: 30})
		wantAt(t, "chunk over the burst", start, 9*time.Second)
		time.Sleep(26 * time.Second)
		admit(t, l, alice, blocks).Release()
		wantAt(t, "admission after a debt of 29 s", start, 38*time.Second)
	})
}

// TestWhatWasReleasedIsWorthNothing uses an exchange that was released while others run.
func TestWhatWasReleasedIsWorthNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Burst: 10}}, limits.Config{})
		stale := admit(t, l, alice, blocks)
		stale.Release()
		other, third := admit(t, l, alice, blocks), admit(t, l, alice, blocks)
		reserve(t, other, reqresp.Cost{Items: 5})
		for range 3 {
			stale.Release()
			stale.Settle(reqresp.Cost{Items: 9})
			if err := stale.Reserve(t.Context(), reqresp.Cost{Items: 1}); err == nil {
				t.Error("an exchange that was released reserved a chunk")
			}
		}
		if b := balance(t, l, alice); b.Active != 2 || b.Items != 5 {
			t.Errorf("balance is %+v, want two active and 5 items", b)
		}
		other.Settle(reqresp.Cost{Items: 2})
		other.Release()
		third.Release()
		if b := balance(t, l, alice); b.Active != 0 || b.Items != 8 {
			t.Errorf("balance is %+v, want none active and 8 items", b)
		}
	})
}

func TestBudgetIsRememberedUntilItIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Burst: 4}}, limits.Config{MaxPeers: 2})
		spend(t, l, alice, reqresp.Cost{Items: 4})
		spend(t, l, bob, reqresp.Cost{Items: 2})
		held := func(want error) {
			t.Helper()
			pace, err := l.Admit(t.Context(), "carol", blocks)
			if !errors.Is(err, want) {
				t.Fatalf("Admit of a new peer returned %v, want %v", err, want)
			}
			if want != nil && !errors.Is(err, reqresp.ErrRefused) {
				t.Errorf("%v does not wrap %v", err, reqresp.ErrRefused)
			}
			if err == nil {
				pace.Release()
			}
			if n := l.Peers(); n > 2 {
				t.Errorf("%d peers are tracked, at most 2 may be", n)
			}
		}
		held(limits.ErrTooManyPeers)
		time.Sleep(2*time.Second - 1)
		held(limits.ErrTooManyPeers)
		spend(t, l, bob, reqresp.Cost{}) // those tracked are served on
		time.Sleep(time.Second)
		held(nil) // in place of bob, who is full
		if got := balance(t, l, alice).Items; got != 2 {
			t.Errorf("alice has %d items, want 2", got)
		}
		time.Sleep(2 * time.Second)
		spend(t, l, bob, reqresp.Cost{})
		if len(l.Balances(alice)) > 0 && len(l.Balances("carol")) > 0 {
			t.Error("nobody was forgotten, though all budgets were full")
		}
	})
}

func TestPeerIsNotForgottenWhileItIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{MaxPeers: 1})
		pace := admit(t, l, alice, blocks)
		time.Sleep(time.Hour)
		if _, err := l.Admit(t.Context(), bob, blocks); !errors.Is(err, limits.ErrTooManyPeers) {
			t.Errorf("Admit returned %v, want %v", err, limits.ErrTooManyPeers)
		}
		pace.Release()
		time.Sleep(time.Hour)
		admit(t, l, bob, blocks).Release()
	})
}

func TestRoomIsFoundAmongManyDebtors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Burst: 4}}, limits.Config{MaxPeers: 1000})
		spend(t, l, alice, reqresp.Cost{})
		for i := range 999 {
			spend(t, l, peerID(i), reqresp.Cost{Items: 4})
		}
		time.Sleep(time.Second)
		spend(t, l, bob, reqresp.Cost{})
		if n := l.Peers(); n != 1000 {
			t.Errorf("%d peers are tracked, want 1000", n)
		}
	})
}

func TestPeersThatCameAndWentAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{})
		for i := range 10_000 {
			admit(t, l, peerID(i), blocks).Release()
			time.Sleep(10 * time.Millisecond)
		}
		if n := l.Peers(); n > 1000 {
			t.Errorf("%d peers are tracked, of whom all but one have full budgets", n)
		}
	})
}
