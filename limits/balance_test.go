package limits_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Bytes that were fetched and not sent are paid for as those sent are, and are no chunk.
func TestFetchedBytesAreCharged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Bytes: limits.Rate{N: 100, Per: s, Burst: 300}, Items: limits.Rate{N: 1, Per: time.Hour, Burst: 3}}, limits.Config{})
		pace := admit(t, l, alice, blocks)
		defer pace.Release()
		send(t, pace, reqresp.Cost{Bytes: 300})
		start := time.Now()
		send(t, pace, reqresp.Cost{Items: 1, Bytes: 200})
		if waited := time.Since(start); waited != 2*s {
			t.Errorf("waited %v for a chunk after a fetch, want 2s", waited)
		}
		if left := balance(t, l, alice).Items; left != 2 {
			t.Errorf("%d items are left, want 2", left)
		}
	})
}

// An exchange that waits for what is shared is not admitted yet.
func TestBalanceTellsWhoIsAdmitted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{Node: limits.Quota{Requests: perMinute, Items: ample, Bytes: ample}})
		defer admit(t, l, alice, blocks).Release()
		var wg sync.WaitGroup
		wg.Go(func() { admit(t, l, bob, blocks).Release() })
		synctest.Wait()
		if b := balance(t, l, bob); b.Active != 0 || b.Waiting != 1 {
			t.Errorf("balance is %+v, want one that waits", b)
		}
		wg.Wait()
		if b := balance(t, l, bob); b.Active != 0 || b.Waiting != 0 {
			t.Errorf("balance is %+v, want none", b)
		}
	})
}

func TestBalancesAreOfAPeerByMethod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{})
		for _, id := range []peer.ID{alice, bob} {
			defer admit(t, l, id, blocks).Release()
		}
		defer admit(t, l, bob, status).Release()
		defer admit(t, l, bob, blocks).Release()
		ctx, cancel := context.WithCancel(t.Context())
		go l.Admit(ctx, bob, blocks)
		synctest.Wait()
		all := l.Balances(bob)
		if len(all) != 2 || all[0].Method != blocks.Name() || all[0].Active != 2 || all[0].Waiting != 1 ||
			all[1].Method != status.Name() || all[1].Active != 1 || all[1].Waiting != 0 {
			t.Errorf("balances are %+v", all)
		}
		cancel()
		synctest.Wait()
	})
}
