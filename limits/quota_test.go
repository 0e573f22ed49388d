package limits_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestInvalidOptionsAreNamed(t *testing.T) {
	t.Parallel()
	quota := func(q limits.Quota) limits.Config {
		return limits.Config{Methods: map[string]limits.Method{"blocks": {Peer: q}}}
	}
	for want, c := range map[string]limits.Config{
		"limits: Methods.blocks.Peer.Items.N 0 is not between 1 and 1073741824":                quota(limits.Quota{Items: limits.Rate{Burst: 1}}),
		"limits: Methods.blocks.Peer.Requests.N 1073741825 is not between 1 and 1073741824":    quota(limits.Quota{Requests: limits.Rate{N: 1<<30 + 1}}),
		"limits: Methods.blocks.Peer.Items.Per 999.999µs is not between 1ms and 1h0m0s":        quota(limits.Quota{Items: limits.Rate{N: 1, Per: time.Millisecond - 1}}),
		"limits: Methods.blocks.Peer.Items.Per -1s is not between 1ms and 1h0m0s":              quota(limits.Quota{Items: limits.Rate{N: 1, Per: -time.Second}}),
		"limits: Methods.blocks.Peer.Bytes.Per 1h0m0.000000001s is not between 1ms and 1h0m0s": quota(limits.Quota{Bytes: limits.Rate{N: 1, Per: time.Hour + 1}}),
		"limits: Methods.blocks.Peer.Bytes.Burst 18446744073709551615 is not between 1 and 1099511627776": quota(
			limits.Quota{Bytes: limits.Rate{N: 1, Burst: math.MaxUint64}}),
		"limits: Methods.blocks.Peer.Items.Burst 86401 is not between 1 and 86400, which 1 per 1s refill in 24h0m0s": quota(
			limits.Quota{Items: limits.Rate{N: 1, Burst: 86401}}),
		"limits: Methods has one without a name": {Methods: map[string]limits.Method{"": {}}},
		"limits: Default.Peer.Bytes.N 0 is not between 1 and 1073741824": {
			Default: limits.Method{Peer: limits.Quota{Bytes: limits.Rate{Per: time.Second}}},
		},
		"limits: MaxConcurrent -1 is not between 1 and 1024": {MaxConcurrent: -1},
		"limits: MaxQueue 65537 is not between 1 and 65536":  {MaxQueue: 65537},
		"limits: MaxPeers -5 is not between 1 and 1048576":   {MaxPeers: -5},
	} {
		if _, err := limits.New(&limits.Options{Config: c}); err == nil || err.Error() != want {
			t.Errorf("New returned %v, want %s", err, want)
		}
	}
}

func TestLargestQuotaIsTaken(t *testing.T) {
	t.Parallel()
	for _, r := range []limits.Rate{
		{N: 1 << 30, Per: time.Millisecond, Burst: 1 << 40},
		{N: 1, Per: time.Hour, Burst: 24},
		{N: 1, Burst: 86400},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(t, limits.Quota{Items: r}, limits.Config{Node: limits.Quota{Requests: ample, Items: plenty, Bytes: ample}})
			spend(t, l, alice, reqresp.Cost{Items: r.Burst})
			if got := balance(t, l, alice).Items; got != 0 {
				t.Errorf("%v: balance is %d, want none left", r, got)
			}
			spend(t, l, alice, reqresp.Cost{Items: math.MaxUint64})
			if got := balance(t, l, alice).Items; got >= 0 {
				t.Errorf("%v: balance is %d, want a debt", r, got)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	l, err := limits.New(&limits.Options{Config: limits.Config{Methods: quota.Served()}})
	if err != nil {
		t.Fatal(err)
	}
	type budget struct{ requests, items, bytes int64 }
	for name, want := range map[string]budget{
		"status":                 {10, 256, 24 << 20},
		"goodbye":                {10, 256, 24 << 20},
		"ping":                   {5, 256, 24 << 20},
		"metadata":               {5, 256, 24 << 20},
		"beacon_blocks_by_range": {20, 1024, 24 << 20},
		"beacon_blocks_by_root":  {20, 256, 24 << 20},
		"something_else":         {20, 256, 24 << 20},
	} {
		pace := admit(t, l, alice, newSpec(name))
		b := l.Balances(alice)
		pace.Release()
		i := len(b) - 1
		for ; b[i].Method != name; i-- {
		}
		// The admission itself took a request, which may have been refilled
		// already.
		got := budget{b[i].Requests, b[i].Items, b[i].Bytes}
		if got.requests++; got != want {
			t.Errorf("budget for %s is %+v, want %+v", name, got, want)
		}
	}
}

// TestDefaultsDoNotStallSync has a peer sync as fast as it may, in batches of
// 64 blocks of the size that today's have.
func TestDefaultsDoNotStallSync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := limits.New(&limits.Options{Config: limits.Config{Methods: quota.Served()}})
		if err != nil {
			t.Fatal(err)
		}
		spec := newSpec("beacon_blocks_by_range")
		const blockSize, batch, batches = 75 << 10, 64, 40
		start, last := time.Now(), time.Now()
		var longest time.Duration
		for range batches {
			pace := admit(t, l, alice, spec)
			for range batch {
				send(t, pace, reqresp.Cost{Items: 1, Bytes: blockSize})
				longest, last = max(longest, time.Since(last)), time.Now()
			}
			pace.Release()
		}
		perSecond := batch * batches / time.Since(start).Seconds()
		if perSecond < 25.6 {
			t.Errorf("served %.1f blocks per second, want twice the 12.8 of deployed servers", perSecond)
		}
		if longest > 100*time.Millisecond {
			t.Errorf("a chunk was withheld for %v", longest)
		}
	})
}

func TestSetQuotaAppliesToThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Burst: 10}}, limits.Config{})
		pace := admit(t, l, alice, blocks)
		send(t, pace, reqresp.Cost{Items: 10})
		start := time.Now()
		go func() {
			time.Sleep(time.Second)
			// One of six tokens is there. The rest comes in half a second.
			if err := setQuota(l, limits.Quota{Items: limits.Rate{N: 10, Burst: 10}}); err != nil {
				t.Error(err)
			}
		}()
		send(t, pace, reqresp.Cost{Items: 6})
		wantAt(t, "chunk", start, 1500*time.Millisecond)
		send(t, pace, reqresp.Cost{Items: 30}) // when the bucket is full
		wantAt(t, "large chunk", start, 2500*time.Millisecond)
		pace.Release()

		start = time.Now()
		go func() {
			time.Sleep(time.Second)
			if err := setQuota(l, limits.Quota{Items: limits.Rate{N: 5, Burst: 10}}); err != nil {
				t.Error(err)
			}
		}()
		admit(t, l, alice, blocks).Release()
		wantAt(t, "admission after a debt of 20, half paid at 10/s, half at 5/s", start, 3*time.Second)
	})
}

func TestSetQuotaKeepsWhatWasUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 1, Burst: 10}}, limits.Config{})
		spend(t, l, alice, reqresp.Cost{Items: 7})
		spend(t, l, bob, reqresp.Cost{})
		for _, tc := range []struct {
			rate       limits.Rate
			alice, bob int64
		}{
			{limits.Rate{N: 1, Per: time.Minute, Burst: 10}, 3, 10},
			{limits.Rate{N: 128, Per: 10 * time.Second, Burst: 20}, 13, 20},
			{limits.Rate{N: 5, Burst: 5}, -2, 5},
			{limits.Rate{N: 1, Burst: 10}, 3, 10},
		} {
			if err := setQuota(l, limits.Quota{Items: tc.rate}); err != nil {
				t.Fatal(err)
			}
			if a, b := balance(t, l, alice).Items, balance(t, l, bob).Items; a != tc.alice || b != tc.bob {
				t.Errorf("%v: balances are %d and %d, want %d and %d", tc.rate, a, b, tc.alice, tc.bob)
			}
		}
		if err := setQuota(l, limits.Quota{Items: limits.Rate{N: 1, Per: 1}}); err == nil {
			t.Error("SetQuota took a period of a nanosecond")
		}
		if got := balance(t, l, alice).Items; got != 3 {
			t.Errorf("balance is %d after a quota that was not taken, want 3", got)
		}
	})
}

func TestSetQuotaDoesNotProlongDebtsForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{Items: limits.Rate{N: 100}}, limits.Config{})
		spend(t, l, alice, reqresp.Cost{Items: 10_000})
		if err := setQuota(l, limits.Quota{Items: limits.Rate{N: 1}}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		time.Sleep(10 * time.Minute)
		admit(t, l, alice, blocks).Release()
		wantAt(t, "admission", start, 10*time.Minute+3*time.Second)
	})
}
