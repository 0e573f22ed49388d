package limits_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestStatsCountEveryDecision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{
			Requests: limits.Rate{N: 1, Per: 2 * s, Burst: 2},
			Items:    limits.Rate{N: 1, Per: 20 * s, Burst: 2},
		}, limits.Config{MaxQueue: 1})
		l, err := limits.New(&limits.Options{Config: c})
		if err != nil {
			t.Fatal(err)
		}
		one := reqresp.Cost{Items: 1, Bytes: 10}
		pace := admit(t, l, alice, blocks)
		for range 3 {
			send(t, pace, one) // the third after 8 s, on overdraft
		}
		second := admit(t, l, alice, blocks) // after 4 s on overdraft, and so is its first chunk
		send(t, second, one)
		ctx, cancel := context.WithTimeout(t.Context(), 3*s)
		defer cancel()
		if err := second.Reserve(ctx, one); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reserve returned %v, want %v", err, context.DeadlineExceeded)
		}
		cancel()
		ctx, cancel = context.WithCancel(t.Context())
		go l.Admit(ctx, alice, blocks)
		synctest.Wait()
		if _, err := l.Admit(ctx, alice, blocks); !errors.Is(err, limits.ErrQueueFull) {
			t.Errorf("Admit returned %v, want %v", err, limits.ErrQueueFull)
		}
		cancel()
		synctest.Wait()
		pace.Release()
		second.Release()
		want := limits.Stats{
			Method: blocks.Name(), Admitted: 2, QueueFull: 1, Items: 4, Bytes: 40,
			Delayed: 3, Delay: 15 * s, Overdue: 2,
		}
		if got := l.Stats(); len(got) != 1 || got[0] != want {
			t.Errorf("statistics are %+v, want %+v", got, want)
		}
	})
}

// Bytes that were fetched and not sent are paid for as those sent are, and are no chunk.
func TestFetchedBytesAreCharged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Bytes: limits.Rate{N: 100, Per: s, Burst: 300}}, limits.Config{})
		pace := admit(t, l, alice, blocks)
		defer pace.Release()
		send(t, pace, reqresp.Cost{Bytes: 300})
		start := time.Now()
		send(t, pace, reqresp.Cost{Items: 1, Bytes: 200})
		if waited := time.Since(start); waited != 2*s {
			t.Errorf("waited %v for a chunk after a fetch, want 2s", waited)
		}
		if got := l.Stats()[0]; got.Items != 1 || got.Bytes != 200 {
			t.Errorf("statistics are %+v, want one chunk", got)
		}
	})
}

// An exchange that waits for what is shared is not admitted yet.
func TestStatsCountWhoIsAdmitted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{Node: limits.Quota{Requests: perMinute, Items: ample, Bytes: ample}})
		defer admit(t, l, alice, blocks).Release()
		var wg sync.WaitGroup
		wg.Go(func() { admit(t, l, bob, blocks).Release() })
		synctest.Wait()
		if st := l.Stats()[0]; st.Active != 1 || st.Waiting != 1 || st.Admitted != 1 {
			t.Errorf("statistics are %+v, want one active and one that waits", st)
		}
		if b := balance(t, l, bob); b.Active != 0 || b.Waiting != 1 {
			t.Errorf("balance is %+v, want one that waits", b)
		}
		wg.Wait()
		if st := l.Stats()[0]; st.Active != 1 || st.Waiting != 0 || st.Admitted != 2 {
			t.Errorf("statistics are %+v, want one active", st)
		}
	})
}

func TestStatsTellWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{})
		for _, id := range []peer.ID{alice, bob} {
			defer admit(t, l, id, blocks).Release()
		}
		defer admit(t, l, bob, blocks).Release()
		defer admit(t, l, bob, status).Release()
		ctx, cancel := context.WithCancel(t.Context())
		go l.Admit(ctx, bob, blocks)
		synctest.Wait()
		all := l.Stats()
		if len(all) != 2 || all[0].Active != 3 || all[0].Waiting != 1 || all[1].Active != 1 || all[1].Waiting != 0 {
			t.Errorf("statistics are %+v", all)
		}
		cancel()
		synctest.Wait()
	})
}

// TestPrefixesAreBounded has peers come from ever new prefixes.
func TestPrefixesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{Requests: limits.Rate{N: 1, Per: time.Minute, Burst: 1}}, limits.Config{
			MaxPeers: 50, Prefix: limits.Prefix{Peers: 1},
		})
		l, err := limits.New(&limits.Options{Config: c, Addr: func(id peer.ID) netip.Addr {
			return netip.MustParseAddr(string(id))
		}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			admit(t, l, peer.ID(fmt.Sprintf("10.0.%d.1", i)), blocks).Release()
		}
		if _, err := l.Admit(t.Context(), "10.1.0.1", blocks); !errors.Is(err, limits.ErrTooManyPeers) {
			t.Errorf("Admit returned %v, want %v", err, limits.ErrTooManyPeers)
		}
		time.Sleep(time.Minute)
		for i := range 50 {
			admit(t, l, peer.ID(fmt.Sprintf("10.1.%d.1", i)), blocks).Release()
		}
		if n := l.Peers(); n != 50 {
			t.Errorf("%d peers are tracked, want 50", n)
		}
	})
}

// Without addresses there are no prefixes to count by, which nobody would notice.
func TestPrefixesNeedAddresses(t *testing.T) {
	t.Parallel()
	c := limits.Config{Prefix: limits.Prefix{Peers: 4}}
	const want = "limits: Prefix.Peers is 4, which needs Options.Addr: see HostAddr, or want 0"
	if _, err := limits.New(&limits.Options{Config: c}); err == nil || err.Error() != want {
		t.Errorf("New returned %v, want %q", err, want)
	}
	l, err := limits.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Apply(c); err == nil || l.Config().Prefix.Peers >= 0 {
		t.Errorf("Apply returned %v, with %+v in effect", err, l.Config().Prefix)
	}
}
