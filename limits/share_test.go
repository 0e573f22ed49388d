package limits_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const kib = 1 << 10

// nodeBytes returns a configuration in which only the node's bytes are short.
func nodeBytes(r limits.Rate) limits.Config {
	return limits.Config{Node: limits.Quota{Requests: ample, Items: ample, Bytes: r}}
}

// download has a peer take chunks in exchanges of some, one after the other,
// until ctx ends, and returns the bytes it got.
func download(t *testing.T, ctx context.Context, l *limits.Limiter, from peer.ID, size uint64, chunks int) uint64 {
	var got uint64
	c := reqresp.Cost{Items: 1, Bytes: size}
	for {
		pace, err := l.Admit(ctx, from, blocks)
		if ctx.Err() != nil {
			if err == nil {
				pace.Release()
			}
			return got
		}
		if err != nil {
			t.Errorf("%s was not admitted: %v", from, err)
			return got
		}
		for range chunks {
			if pace.Reserve(ctx, c) != nil {
				break
			}
			pace.Settle(c)
			got += size
		}
		pace.Release()
	}
}

func TestNodeWideCapacityIsSharedByWeight(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		weights map[peer.ID]float64
		sizes   map[peer.ID]uint64
		want    map[peer.ID]float64 // parts of all
	}{
		"alike":        {nil, nil, map[peer.ID]float64{"a": .25, "b": .25, "c": .25, "d": .25}},
		"by weight":    {map[peer.ID]float64{"a": 2, "b": .5, "c": .5}, nil, map[peer.ID]float64{"a": .5, "b": .125, "c": .125, "d": .25}},
		"in bytes":     {nil, map[peer.ID]uint64{"a": 1 * kib, "b": 8 * kib, "c": 64 * kib}, map[peer.ID]float64{"a": .25, "b": .25, "c": .25, "d": .25}},
		"not a weight": {map[peer.ID]float64{"a": -7, "b": 1e9}, nil, map[peer.ID]float64{"a": .0625 / 6.0625, "b": 4 / 6.0625}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := onlyBlocks(limits.Quota{}, nodeBytes(limits.Rate{N: 1 << 20, Burst: 64 * kib}))
				l, err := limits.New(&limits.Options{Config: c, Scores: &scores{weights: tc.weights}})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var wg sync.WaitGroup
				var mu sync.Mutex
				got, all := make(map[peer.ID]uint64), uint64(0)
				for _, id := range []peer.ID{"a", "b", "c", "d"} {
					size := uint64(16 * kib)
					if n, ok := tc.sizes[id]; ok {
						size = n
					}
					wg.Go(func() {
						n := download(t, ctx, l, id, size, 1000)
						mu.Lock()
						defer mu.Unlock()
						got[id] += n
						all += n
					})
				}
				wg.Wait()
				if all < 60<<20 || all > 61<<20 {
					t.Errorf("%d bytes were sent in a minute, of 60 MiB possible", all)
				}
				for id, want := range tc.want {
					if part := float64(got[id]) / float64(all); part < want*.97-.002 || part > want*1.03+.002 {
						t.Errorf("%s got %.4f of all, want %.4f", id, part, want)
					}
				}
			})
		})
	}
}

func TestTwoStreamsAreNoMoreThanOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 1 << 20, Burst: 64 * kib}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		var got [3]uint64
		for i, id := range []peer.ID{alice, alice, bob} {
			wg.Go(func() { got[i] = download(t, ctx, l, id, 16*kib, 100) })
		}
		wg.Wait()
		if r := float64(got[0]+got[1]) / float64(got[2]); r < .97 || r > 1.03 {
			t.Errorf("two streams got %d and %d, the one of another peer %d", got[0], got[1], got[2])
		}
	})
}

// TestIdlePeerSavesNothingUp has a peer alone for long, then joined by another.
func TestIdlePeerSavesNothingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 1 << 20, Burst: 64 * kib}))
		first := func(from peer.ID, d time.Duration) uint64 {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			return download(t, ctx, l, from, 16*kib, 100)
		}
		var wg sync.WaitGroup
		wg.Go(func() { first("carol", time.Minute) }) // so that all have to wait
		first(alice, 30*time.Second)
		var a, b uint64
		wg.Go(func() { a = first(alice, 30*time.Second) })
		wg.Go(func() { b = first(bob, 30*time.Second) })
		wg.Wait()
		if r := float64(a) / float64(b); r < .97 || r > 1.03 {
			t.Errorf("the one who was there got %d, the one who came %d", a, b)
		}
	})
}

// TestWritingLosesNoShare has peers who are away for a while with each chunk, among
// many of the least weight who always wait. What a handler reserves for a chunk
// makes no difference.
func TestWritingLosesNoShare(t *testing.T) {
	t.Parallel()
	const honest, hostile, size = 4, 40, 32 * kib
	for name, reserved := range map[string]uint64{
		"as much as is used": size, "nothing": 0, "far too little": 100, "too much": 2 * size,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sc := &scores{weights: make(map[peer.ID]float64)}
				l, err := limits.New(&limits.Options{
					Config: onlyBlocks(limits.Quota{}, nodeBytes(limits.Rate{N: 4 << 20, Burst: 4 * size})), Scores: sc,
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				for i := range hostile {
					sc.weights[peerID(honest+i)] = limits.MinWeight
				}
				var wg sync.WaitGroup
				var got [2]atomic.Uint64
				for i := range honest + hostile {
					group, writing := 0, 20*time.Millisecond
					if i >= honest {
						group, writing = 1, 0
					}
					for range 2 {
						wg.Go(func() {
							pace := admit(t, l, peerID(i), blocks)
							defer pace.Release()
							for pace.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: reserved}) == nil {
								time.Sleep(writing)
								pace.Settle(reqresp.Cost{Items: 1, Bytes: size})
								got[group].Add(size)
							}
						})
					}
				}
				wg.Wait()
				h, a := float64(got[0].Load()), float64(got[1].Load())
				if entitled := honest / (honest + hostile*limits.MinWeight); h/(h+a) < .95*entitled {
					t.Errorf("peers who write got %.3f of all, and are entitled to %.3f", h/(h+a), entitled)
				}
				if all := h + a; all < .95*60*(4<<20) {
					t.Errorf("%.1f MiB were sent in a minute, of 240 possible", all/(1<<20))
				}
			})
		})
	}
}

// TestWeightIsFeltByOpenStreams changes the weight of a peer in the middle of an
// exchange.
func TestWeightIsFeltByOpenStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := &changing{weight: 1}
		l, err := limits.New(&limits.Options{
			Config: onlyBlocks(limits.Quota{}, nodeBytes(limits.Rate{N: 1 << 20, Burst: 64 * kib})), Scores: sc,
		})
		if err != nil {
			t.Fatal(err)
		}
		var got [2]atomic.Uint64
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for i, id := range []peer.ID{alice, bob} {
			pace := admit(t, l, id, blocks)
			wg.Go(func() {
				defer pace.Release()
				for pace.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 16 * kib}) == nil {
					pace.Settle(reqresp.Cost{Items: 1, Bytes: 16 * kib})
					got[i].Add(16 * kib)
				}
			})
		}
		time.Sleep(10 * s)
		sc.set(.25)
		time.Sleep(5 * s)
		a, b := got[0].Load(), got[1].Load()
		time.Sleep(30 * s)
		a, b = got[0].Load()-a, got[1].Load()-b
		if r := float64(b) / float64(a); r < 3.8 || r > 4.2 {
			t.Errorf("a peer of a quarter of the weight got one part in %.2f", r)
		}
		wg.Wait()
	})
}

// changing weighs alice, and everybody else one.
type changing struct {
	mu     sync.Mutex
	weight float64
}

func (c *changing) set(w float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.weight = w
}

func (c *changing) Weight(id peer.ID) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == alice {
		return c.weight
	}
	return 1
}

func (c *changing) Overran(peer.ID, string) {}

// TestShareCountsWhatWasSent has a peer reserve more than it uses, beside one that does not.
func TestShareCountsWhatWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 1 << 20, Burst: 64 * kib}))
		stay(t, l, peerID(0), peerID(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		var got [2]float64
		for i, reserved := range []uint64{64 * kib, 16 * kib} {
			wg.Go(func() {
				pace := admit(t, l, peerID(i), blocks)
				defer pace.Release()
				for pace.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: reserved}) == nil {
					pace.Settle(reqresp.Cost{Items: 1, Bytes: 16 * kib})
					got[i] += 16 * kib
				}
			})
		}
		wg.Wait()
		if r := got[0] / got[1]; r < .95 || r > 1.05 {
			t.Errorf("a peer that reserves too much got %.2f times what another got", r)
		}
	})
}

// TestBeingAheadIsForgivenWhileNobodyWaits has a peer of low weight get far ahead of others, and be one of two alike
// later.
func TestBeingAheadIsForgivenWhileNobodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := &changing{weight: limits.MinWeight}
		l, err := limits.New(&limits.Options{
			Config: onlyBlocks(limits.Quota{}, nodeBytes(limits.Rate{N: 1 << 20, Burst: 64 * kib})), Scores: sc,
		})
		if err != nil {
			t.Fatal(err)
		}
		both := func(first, second peer.ID) float64 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*s)
			defer cancel()
			var wg sync.WaitGroup
			var got [2]uint64
			for i, id := range []peer.ID{first, second} {
				wg.Go(func() { got[i] = download(t, ctx, l, id, 64*kib, 1000) })
			}
			wg.Wait()
			return float64(got[0]) / float64(got[0]+got[1])
		}
		both(alice, "carol")
		sc.set(1)
		time.Sleep(10 * s)
		if part := both(alice, bob); part < .45 || part > .55 {
			t.Errorf("a peer that was ahead before got %.2f of all, want half", part)
		}
	})
}

// TestPeerThatIsAheadIsNotForgotten has a peer be sent more than its part, and others come that want its place
// while some wait: if it was forgotten, it would be sent more of them.
func TestPeerThatIsAheadIsNotForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := &changing{weight: limits.MinWeight}
		c := nodeBytes(limits.Rate{N: 1 << 20, Burst: 64 * kib})
		c.MaxPeers = 4
		l, err := limits.New(&limits.Options{Config: onlyBlocks(limits.Quota{}, c), Scores: sc})
		if err != nil {
			t.Fatal(err)
		}
		stay(t, l, alice, bob, "carol")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, id := range []peer.ID{bob, "carol"} {
			wg.Go(func() { download(t, ctx, l, id, 64*kib, 1000) })
		}
		time.Sleep(time.Second)
		spend(t, l, alice, reqresp.Cost{Items: 1, Bytes: 64 * kib})
		defer admit(t, l, peerID(0), status).Release()
		time.Sleep(1300 * time.Millisecond) // for its own budget to be full again
		if _, err := l.Admit(t.Context(), peerID(1), status); !errors.Is(err, limits.ErrTooManyPeers) {
			t.Errorf("Admit of one more peer returned %v, want %v", err, limits.ErrTooManyPeers)
		}
		if len(l.Balances(alice)) == 0 {
			t.Error("a peer that is ahead of others was forgotten while they wait")
		}
		cancel()
		wg.Wait()
		time.Sleep(11 * time.Minute)
		for i := range 6 {
			admit(t, l, peerID(2+i), status).Release()
			time.Sleep(time.Second)
		}
		if len(l.Balances(alice)) > 0 {
			t.Error("a peer is remembered that is ahead of nobody")
		}
	})
}

// TestEmptyAnswersAreShared has a peer ask by many exchanges and another by one, while requests are short.
func TestEmptyAnswersAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{
			MaxConcurrent: 8, Node: limits.Quota{Requests: limits.Rate{N: 10, Burst: 1}, Items: ample, Bytes: ample},
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		var got [2]atomic.Int64
		for i, streams := range []int{8, 1} {
			for range streams {
				wg.Go(func() {
					for ctx.Err() == nil {
						if pace, err := l.Admit(ctx, peerID(i), blocks); err == nil {
							pace.Release()
							got[i].Add(1)
						}
					}
				})
			}
		}
		wg.Wait()
		if r := float64(got[0].Load()) / float64(got[1].Load()); r > 1.5 {
			t.Errorf("a peer with eight streams was answered %.1f times as often as one with one", r)
		}
	})
}

// TestLargeChunksAreNotOvertaken has a chunk wait for more of what a method has than the next one.
func TestLargeChunksAreNotOvertaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{}, limits.Config{})
		c.Methods[blocks.Name()] = limits.Method{Node: limits.Quota{Items: limits.Rate{N: 10, Burst: 20}}}
		l, err := limits.New(&limits.Options{Config: c})
		if err != nil {
			t.Fatal(err)
		}
		first, second := admit(t, l, alice, blocks), admit(t, l, bob, blocks)
		defer first.Release()
		defer second.Release()
		spend(t, l, "carol", reqresp.Cost{Items: 20})
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			send(t, first, reqresp.Cost{Items: 20})
			wantAt(t, "the large chunk", start, 2*s)
		})
		wg.Go(func() { // something is given back meanwhile
			time.Sleep(1500 * time.Millisecond)
			pace := admit(t, l, "dave", status)
			send(t, pace, reqresp.Cost{Items: 1})
			pace.Release()
		})
		synctest.Wait()
		send(t, second, reqresp.Cost{Items: 10})
		wantAt(t, "the small chunk after it", start, 3*s)
		wg.Wait()
	})
}
