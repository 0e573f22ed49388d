package limits_test

import (
	"context"
	"errors"
	"net/netip"
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

// scores are the weights of peers, one if not named, and what was told of them.
type scores struct {
	weights map[peer.ID]float64

	mu      sync.Mutex
	overran []peer.ID
}

func (s *scores) Weight(id peer.ID) float64 {
	if w, ok := s.weights[id]; ok {
		return w
	}
	return 1
}

func (s *scores) Overran(id peer.ID, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overran = append(s.overran, id)
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

func TestWeightLowersQuotas(t *testing.T) {
	t.Parallel()
	for weight, want := range map[float64]time.Duration{1: 10 * s, 4: 10 * s, .5: 20 * s, .25: 40 * s} {
		synctest.Test(t, func(t *testing.T) {
			c := onlyBlocks(limits.Quota{Requests: limits.Rate{N: 1, Burst: 1}}, limits.Config{})
			l, err := limits.New(&limits.Options{Config: c, Scores: &scores{weights: map[peer.ID]float64{alice: weight}}})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for range 11 {
				admit(t, l, alice, blocks).Release()
			}
			wantAt(t, "eleventh admission", start, want)
		})
	}
}

func TestNodeAndMethodQuotasBoundAllPeers(t *testing.T) {
	t.Parallel()
	rate := limits.Rate{N: 2, Burst: 4}
	only := func(q limits.Quota) limits.Config {
		return onlyBlocks(limits.Quota{}, limits.Config{Node: limits.Quota{
			Requests: orAmple(q.Requests), Items: orAmple(q.Items), Bytes: orAmple(q.Bytes),
		}})
	}
	ofMethod := func(q limits.Quota) limits.Config {
		c := only(limits.Quota{})
		c.Methods[blocks.Name()] = limits.Method{Node: q}
		return c
	}
	for name, tc := range map[string]struct {
		config limits.Config
		cost   reqresp.Cost
		other  time.Duration // when a peer can use another method, after all was used
	}{
		"node's requests":   {only(limits.Quota{Requests: rate}), reqresp.Cost{Items: 1}, s / 2},
		"node's items":      {only(limits.Quota{Items: rate}), reqresp.Cost{Items: 1}, s / 2},
		"node's bytes":      {only(limits.Quota{Bytes: rate}), reqresp.Cost{Items: 1, Bytes: 1}, s / 2},
		"method's requests": {ofMethod(limits.Quota{Requests: rate}), reqresp.Cost{Items: 1}, 0},
		"method's items":    {ofMethod(limits.Quota{Items: rate}), reqresp.Cost{Items: 1}, 0},
		"method's bytes":    {ofMethod(limits.Quota{Bytes: rate}), reqresp.Cost{Items: 1, Bytes: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, err := limits.New(&limits.Options{Config: tc.config})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				for i := range 8 {
					spend(t, l, peerID(i), tc.cost)
				}
				wantAt(t, "use of 8, of which 4 were there", start, 2*s)
				start = time.Now()
				pace := admit(t, l, alice, status)
				send(t, pace, tc.cost)
				pace.Release()
				wantAt(t, "use of another method", start, tc.other)
			})
		})
	}
}

func orAmple(r limits.Rate) limits.Rate {
	if r == (limits.Rate{}) {
		return ample
	}
	return r
}

// TestFloorHoldsWithoutCapacity has more peers than the node can serve by rate:
// each gets a chunk when the floor says so.
func TestFloorHoldsWithoutCapacity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 1 * kib, Burst: 1 * kib}))
		pace := admit(t, l, alice, blocks)
		defer pace.Release()
		start := time.Now()
		c := reqresp.Cost{Items: 1, Bytes: 100 * kib}
		for _, want := range []time.Duration{0, 8 * s, 16 * s} {
			send(t, pace, c)
			wantAt(t, "chunk of a hundred seconds' bytes", start, want)
		}
	})
}

func TestOnlyWhatTheFloorCarriesIsAdmitted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Half of 8 s is 512 KiB: 8 exchanges with chunks of 64 KiB, or 4 that had
		// none yet.
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 128 * kib, Burst: 64 * kib}))
		spend(t, l, "teacher", reqresp.Cost{Items: 1, Bytes: 64 * kib})
		start := time.Now()
		var paces []reqresp.Admission
		for i := range 4 {
			paces = append(paces, admit(t, l, peerID(i), blocks))
		}
		wantAt(t, "admission of four", start, 0)
		_, err := l.Admit(t.Context(), bob, blocks)
		wantAt(t, "refusal", start, 4*s)
		if !errors.Is(err, limits.ErrOverCapacity) || !errors.Is(err, reqresp.ErrRefused) {
			t.Fatalf("Admit returned %v, want %v and %v", err, limits.ErrOverCapacity, reqresp.ErrRefused)
		}
		if l.Balances(bob)[0].Active != 0 {
			t.Error("what was refused holds a slot")
		}
		// With a chunk sent, half the promise is free for others.
		for _, p := range paces[:2] {
			send(t, p, reqresp.Cost{Items: 1, Bytes: 64 * kib})
		}
		paces = append(paces, admit(t, l, bob, blocks))
		var wg sync.WaitGroup
		wg.Go(func() { admit(t, l, "carol", blocks).Release() })
		time.Sleep(time.Second)
		start = time.Now()
		for _, p := range paces {
			p.Release()
		}
		wg.Wait()
		wantAt(t, "admission of one who waited, as others ended", start, 0)
	})
}

// TestWhatIsPromisedStaysPromisedBetweenChunks has many more peers than the floor carries ask again and
// again. Those admitted keep their promise while they wait for their next chunk, so that nobody else is
// admitted, no answer is cut off, and no more is sent than there is.
func TestWhatIsPromisedStaysPromisedBetweenChunks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rate, size, minutes = 128 * kib, 64 * kib, 5
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: rate, Burst: size}))
		ctx, cancel := context.WithTimeout(t.Context(), minutes*time.Minute)
		defer cancel()
		spend(t, l, "teacher", reqresp.Cost{Items: 1, Bytes: size})
		var wg sync.WaitGroup
		var sent, active, most atomic.Int64
		for i := range 40 {
			wg.Go(func() {
				for ctx.Err() == nil {
					pace, err := l.Admit(ctx, peerID(i), blocks)
					if err != nil {
						continue // It tries again.
					}
					most.Store(max(most.Load(), active.Add(1)))
					for range 16 {
						if err := pace.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: size}); err != nil {
							if ctx.Err() == nil {
								t.Errorf("an answer was cut off: %v", err)
							}
							break
						}
						pace.Settle(reqresp.Cost{Items: 1, Bytes: size})
						sent.Add(size)
					}
					active.Add(-1)
					pace.Release()
				}
			})
		}
		wg.Wait()
		// Half of what 8 s refill is one chunk for each of eight.
		if n := most.Load(); n > 8 {
			t.Errorf("%d exchanges were admitted at a time, and the floor carries 8", n)
		}
		if n, want := sent.Load(), int64(minutes*60*rate+2*size); n > want {
			t.Errorf("%d KiB were sent, of %d there were", n/kib, want/kib)
		}
	})
}

func TestSmallAnswersNeedNoPromise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 128 * kib, Burst: 64 * kib}))
		pace := admit(t, l, alice, status)
		send(t, pace, reqresp.Cost{Items: 1, Bytes: 100})
		pace.Release()
		for i := range 4 {
			defer admit(t, l, peerID(i), blocks).Release()
		}
		start := time.Now()
		for i := range 100 {
			admit(t, l, peerID(i), status).Release()
		}
		wantAt(t, "admission of a hundred", start, 0)
	})
}

// TestStalledReadersKeepNobodyOut has more peers hold exchanges without reading
// than the floor carries, while another reads.
func TestStalledReadersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 256 * kib, Burst: 512 * kib}))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		spend(t, l, "teacher", reqresp.Cost{Items: 1, Bytes: 64 * kib})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for ctx.Err() == nil {
					pace, err := l.Admit(ctx, peerID(i), blocks)
					if err != nil {
						continue // it tries again
					}
					_ = pace.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 64 * kib})
					time.Sleep(10 * time.Second) // the write times out
					pace.Settle(reqresp.Cost{Items: 1, Bytes: kib})
					pace.Release()
				}
			})
		}
		time.Sleep(5 * time.Second)
		honest := download(t, ctx, l, alice, 64*kib, 16)
		wg.Wait()
		// The others read next to nothing of what it leaves.
		if part := float64(honest) / (256 * kib * 115); part < .8 {
			t.Errorf("a reader among stalled ones got %.2f of the capacity", part)
		}
	})
}

func TestOverrunningTheQueueIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := &scores{}
		l, err := limits.New(&limits.Options{Config: onlyBlocks(limits.Quota{}, limits.Config{MaxQueue: 1}), Scores: sc})
		if err != nil {
			t.Fatal(err)
		}
		defer admit(t, l, alice, blocks).Release()
		defer admit(t, l, alice, blocks).Release()
		ctx, cancel := context.WithCancel(t.Context())
		go l.Admit(ctx, alice, blocks)
		synctest.Wait()
		if len(sc.overran) > 0 {
			t.Error("a peer was told of that merely waits")
		}
		if _, err := l.Admit(ctx, alice, blocks); !errors.Is(err, limits.ErrQueueFull) {
			t.Errorf("Admit returned %v, want %v", err, limits.ErrQueueFull)
		}
		if len(sc.overran) != 1 || sc.overran[0] != alice {
			t.Errorf("told of %v, want alice once", sc.overran)
		}
		cancel()
		synctest.Wait()
	})
}

// TestHoardingWithoutRoomIsTold has a server refuse streams of a peer that has some
// exchanges already.
func TestHoardingWithoutRoomIsTold(t *testing.T) {
	t.Parallel()
	for open, want := range map[int]int{0: 0, 2: 0, 3: 0, 4: 1, 10: 1} {
		synctest.Test(t, func(t *testing.T) {
			sc := &scores{}
			l, err := limits.New(&limits.Options{Config: onlyBlocks(limits.Quota{}, limits.Config{}), Scores: sc})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for range open {
				wg.Go(func() {
					if pace, err := l.Admit(ctx, alice, blocks); err == nil {
						<-ctx.Done()
						pace.Release()
					}
				})
			}
			synctest.Wait()
			l.Refused(alice, blocks)
			l.Refused(alice, status)
			l.Refused(bob, blocks)
			if len(sc.overran) != want || want > 0 && sc.overran[0] != alice {
				t.Errorf("with %d exchanges told of %v, want alice %d times", open, sc.overran, want)
			}
			cancel()
			wg.Wait()
		})
	}
}

func TestPrefixSharesTheBudgetsOfAFewPeers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{Requests: limits.Rate{N: 1, Burst: 5}}, limits.Config{Prefix: limits.Prefix{Peers: 2}})
		l, err := limits.New(&limits.Options{Config: c, Addr: func(id peer.ID) netip.Addr {
			return netip.MustParseAddr(string(id[:len(id)-1]))
		}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i := range 14 {
			admit(t, l, peer.ID("10.0.0.1"+string(rune('a'+i))), blocks).Release()
		}
		wantAt(t, "admission of the fourteenth of one prefix", start, 2*s)
		for _, other := range []peer.ID{"10.0.1.1x", "2001:db8::1x", "::ffff:10.0.2.1x"} {
			start = time.Now()
			admit(t, l, other, blocks).Release()
			wantAt(t, "admission from another prefix", start, 0)
		}
		start = time.Now()
		admit(t, l, "::ffff:10.0.0.7x", blocks).Release()
		wantAt(t, "admission from the prefix, written otherwise", start, s/2)

		c = l.Config()
		c.Prefix.Peers = -1
		if err := l.Apply(c); err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		admit(t, l, "10.0.0.8x", blocks).Release()
		wantAt(t, "admission with prefixes turned off", start, 0)
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

// TestOverdueExchangesLeaveRoomForOthers has a peer with as many exchanges as run ask for one more, which is
// admitted on overdraft only while most of what may be promised is free.
func TestOverdueExchangesLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	for rate, want := range map[uint64]error{128 * kib: limits.ErrOverCapacity, 1 << 20: nil} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: rate, Burst: 64 * kib}))
			spend(t, l, "teacher", reqresp.Cost{Items: 1, Bytes: 64 * kib})
			for range 2 {
				defer admit(t, l, alice, blocks).Release()
			}
			start := time.Now()
			pace, err := l.Admit(t.Context(), alice, blocks)
			wantAt(t, "decision", start, 4*s)
			if !errors.Is(err, want) {
				t.Errorf("at %d bytes a second Admit returned %v, want %v", rate, err, want)
			}
			if err == nil {
				pace.Release()
			}
			start = time.Now()
			admit(t, l, bob, blocks).Release()
			wantAt(t, "admission of a peer with none", start, 0)
		})
	}
}

// TestSmallAnswersDoNotQueueForPromises has an exchange wait for a promise, and others that need none.
func TestSmallAnswersDoNotQueueForPromises(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 128 * kib, Burst: 64 * kib}))
		pace := admit(t, l, alice, status)
		send(t, pace, reqresp.Cost{Items: 1, Bytes: 100})
		pace.Release()
		for i := range 4 {
			defer admit(t, l, peerID(i), blocks).Release()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go l.Admit(ctx, bob, blocks)
		synctest.Wait()
		start := time.Now()
		admit(t, l, alice, status).Release()
		wantAt(t, "admission of a small answer", start, 0)
		cancel()
		synctest.Wait()
	})
}

func TestNodeIsOwedWhatChunksTakeBeyond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 100}))
		pace := admit(t, l, alice, blocks)
		reserve(t, pace, reqresp.Cost{Items: 1, Bytes: 50})
		pace.Settle(reqresp.Cost{Items: 1, Bytes: 250})
		pace.Release()
		start := time.Now()
		spend(t, l, bob, reqresp.Cost{Items: 1, Bytes: 100})
		wantAt(t, "the chunk of another peer", start, 2500*time.Millisecond)
	})
}

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

// TestPromisesGrowWithChunks has chunks become larger: what is promised follows at once.
func TestPromisesGrowWithChunks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 128 * kib, Burst: 64 * kib}))
		spend(t, l, "teacher", reqresp.Cost{Items: 1, Bytes: kib})
		for range 20 {
			spend(t, l, "teacher", reqresp.Cost{Items: 1, Bytes: 64 * kib})
		}
		time.Sleep(time.Minute)
		for i := range 4 {
			defer admit(t, l, peerID(i), blocks).Release()
		}
		if _, err := l.Admit(t.Context(), bob, blocks); !errors.Is(err, limits.ErrOverCapacity) {
			t.Errorf("Admit of more than the floor carries returned %v, want %v", err, limits.ErrOverCapacity)
		}
	})
}

// TestWaitersSeeWhatChanges has an exchange wait for what the node has, and more of it come.
func TestWaitersSeeWhatChanges(t *testing.T) {
	t.Parallel()
	hourly := limits.Rate{N: 400, Per: time.Hour, Burst: 400}
	raise := func(c *limits.Config) { c.Node = limits.Quota{Requests: ample, Items: ample, Bytes: ample} }
	for name, tc := range map[string]struct {
		node   limits.Quota
		change func(l *limits.Limiter, pace reqresp.Admission) error
	}{
		"a new rate of bytes": {limits.Quota{Bytes: hourly}, func(l *limits.Limiter, _ reqresp.Admission) error {
			c := l.Config()
			raise(&c)
			return l.Apply(c)
		}},
		"a new rate of requests": {limits.Quota{Requests: limits.Rate{N: 1, Per: time.Hour}}, func(l *limits.Limiter, _ reqresp.Admission) error {
			c := l.Config()
			raise(&c)
			return l.Apply(c)
		}},
		"bytes that are not used": {limits.Quota{Bytes: hourly}, func(_ *limits.Limiter, pace reqresp.Admission) error {
			pace.Settle(reqresp.Cost{Items: 1, Bytes: 1})
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := limits.Quota{Requests: orAmple(tc.node.Requests), Items: ample, Bytes: orAmple(tc.node.Bytes)}
				l := newLimiter(t, limits.Quota{}, limits.Config{Node: q})
				pace := admit(t, l, alice, blocks)
				defer pace.Release()
				reserve(t, pace, reqresp.Cost{Items: 1, Bytes: 400})
				start := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() { spend(t, l, bob, reqresp.Cost{Items: 1, Bytes: 100}) })
				time.Sleep(s)
				if err := tc.change(l, pace); err != nil {
					t.Fatal(err)
				}
				wg.Wait()
				wantAt(t, "the chunk of one who waits", start, s)
			})
		})
	}
}

// TestThoseThatWaitGoOneAfterTheOther has exchanges wait for a budget while nothing else happens.
func TestThoseThatWaitGoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	each := limits.Rate{N: 100, Burst: 100}
	for name, tc := range map[string]struct {
		own, node limits.Quota
		peers     []peer.ID
	}{
		"the node's":     {limits.Quota{}, limits.Quota{Requests: ample, Items: ample, Bytes: each}, []peer.ID{"a", "b", "c", "d"}},
		"the peer's own": {limits.Quota{Bytes: each}, limits.Quota{}, []peer.ID{"a", "a", "a", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, tc.own, limits.Config{Node: tc.node, MaxConcurrent: 4})
				pace := admit(t, l, "teacher", blocks)
				send(t, pace, reqresp.Cost{Items: 1, Bytes: 1}) // what is promised is small then
				pace.Release()
				time.Sleep(s)
				var paces []reqresp.Admission
				for _, id := range tc.peers {
					paces = append(paces, admit(t, l, id, blocks))
				}
				start := time.Now()
				var wg sync.WaitGroup
				for i, p := range paces {
					wg.Go(func() {
						reserve(t, p, reqresp.Cost{Items: 1, Bytes: 100})
						wantAt(t, "chunk", start, time.Duration(i)*s)
					})
					synctest.Wait()
				}
				wg.Wait()
				for _, p := range paces {
					p.Release()
				}
			})
		})
	}
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

// TestWhoWaitsForTheNodeTakesNothingOfItsMethod has a chunk wait for bytes of the node while its method has just the
// item that it needs.
func TestWhoWaitsForTheNodeTakesNothingOfItsMethod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{}, nodeBytes(limits.Rate{N: 100, Burst: 100}))
		c.Methods[blocks.Name()] = limits.Method{Node: limits.Quota{Items: limits.Rate{N: 2, Per: time.Hour}}}
		l, err := limits.New(&limits.Options{Config: c})
		if err != nil {
			t.Fatal(err)
		}
		spend(t, l, alice, reqresp.Cost{Items: 1, Bytes: 100})
		start := time.Now()
		spend(t, l, bob, reqresp.Cost{Items: 1, Bytes: 100})
		wantAt(t, "the chunk", start, s)
	})
}
