package limits_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// fading weighs alice one, and everybody else as it is set.
type fading struct{ others atomic.Uint64 }

func (f *fading) Weight(id peer.ID) float64 {
	if id == alice {
		return 1
	}
	return 1 / float64(f.others.Load())
}

func (f *fading) Overran(peer.ID, string) {}

// TestChangedWeightCountsFromTheNextChunk has many peers lose their weight while all
// of them wait: what each is ahead of its new share is no more than a chunk for each of
// its exchanges, and what was sent until the weight was looked up again.
func TestChangedWeightCountsFromTheNextChunk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			rate   = 1 << 20
			others = 20
			size   = 16 * kib
			after  = 30 * time.Second
		)
		sc := new(fading)
		sc.others.Store(1)
		l, err := limits.New(&limits.Options{
			Config: onlyBlocks(limits.Quota{}, nodeBytes(limits.Rate{N: rate, Burst: 64 * kib})), Scores: sc,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var got atomic.Uint64 // by the others
		for i := range 1 + others {
			id := alice
			if i > 0 {
				id = peerID(i)
			}
			for range 2 {
				wg.Go(func() {
					pace := admit(t, l, id, blocks)
					defer pace.Release()
					for pace.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: size}) == nil {
						pace.Settle(reqresp.Cost{Items: 1, Bytes: size})
						if id != alice {
							got.Add(size)
						}
					}
				})
			}
		}
		time.Sleep(10 * time.Second)
		sc.others.Store(16)
		before := got.Load()
		time.Sleep(after)
		ahead := float64(got.Load()-before) - rate*after.Seconds()*others/(others+16)
		if most := float64(2*others*size + rate); ahead > most {
			t.Errorf("after weights fell the others were sent %.0f more than their share, want %.0f at most", ahead, most)
		}
		if ahead < -size*others {
			t.Errorf("after weights fell the others were sent %.0f less than their share", -ahead)
		}
		cancel()
		wg.Wait()
	})
}
