package limits_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

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
