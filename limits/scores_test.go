package limits_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
)

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
