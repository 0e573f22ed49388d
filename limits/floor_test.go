package limits_test

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// perMinute grants one, and another every minute.
var perMinute = limits.Rate{N: 1, Per: time.Minute, Burst: 1}

// one is a chunk.
var one = reqresp.Cost{Items: 1, Bytes: 100}

// newWaiting returns a limiter of peers whose addresses share a prefix.
func newWaiting(t *testing.T, c limits.Config, sc limits.Scores) *limits.Limiter {
	t.Helper()
	l, err := limits.New(&limits.Options{Config: c, Scores: sc, Addr: func(peer.ID) netip.Addr {
		return netip.AddrFrom4([4]byte{10, 0, 0, 1})
	}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// waits are configurations in which a request has to wait, after the requests of some peers, which
// have used what there is.
var waits = map[string]struct {
	config limits.Config
	// used are the peers whose exchanges come before; they go on if hold is set.
	used []peer.ID
	hold bool
	// admitted is how many exchanges of alice are admitted on overdraft then, one after the other.
	admitted int
	err      error // why no other is
}{
	"requests": {
		onlyBlocks(limits.Quota{Requests: perMinute}, limits.Config{}),
		[]peer.ID{alice},
		false, 3, limits.ErrOverdrawn,
	},
	"requests of a peer of low weight": {
		onlyBlocks(limits.Quota{Requests: limits.Rate{N: 1, Per: 4 * s, Burst: 1}}, limits.Config{}),
		[]peer.ID{alice, alice},
		false, 1, limits.ErrOverdrawn,
	},
	"debt of items": {
		onlyBlocks(limits.Quota{Items: perMinute}, limits.Config{}),
		[]peer.ID{alice},
		false, 3, limits.ErrOverdrawn,
	},
	"debt of bytes": {
		onlyBlocks(limits.Quota{Bytes: limits.Rate{N: 1, Burst: 10}}, limits.Config{}),
		[]peer.ID{alice},
		false, 0, limits.ErrOverdrawn,
	},
	"concurrency": {
		onlyBlocks(limits.Quota{}, limits.Config{}),
		[]peer.ID{alice, alice},
		true, 4, limits.ErrOverdrawn,
	},
	"requests of a prefix": {
		onlyBlocks(limits.Quota{Requests: perMinute}, limits.Config{Prefix: limits.Prefix{Peers: 1}}),
		[]peer.ID{bob},
		false, 3, limits.ErrOverCapacity,
	},
	"concurrency of a prefix": {
		onlyBlocks(limits.Quota{}, limits.Config{Prefix: limits.Prefix{Peers: 1}}),
		[]peer.ID{bob, bob, "carol", "dave", "erin"},
		true, 1, limits.ErrOverCapacity,
	},
	"requests of the method": {
		limits.Config{Methods: map[string]limits.Method{blocks.Name(): {Node: limits.Quota{Requests: perMinute}}}},
		[]peer.ID{bob},
		false, 3, limits.ErrOverCapacity,
	},
	"requests of the node": {
		onlyBlocks(limits.Quota{}, limits.Config{Node: limits.Quota{Requests: perMinute, Items: ample, Bytes: ample}}),
		[]peer.ID{bob},
		false, 3, limits.ErrOverCapacity,
	},
	"items of the node": {
		onlyBlocks(limits.Quota{}, limits.Config{Node: limits.Quota{Requests: ample, Items: perMinute, Bytes: ample}}),
		[]peer.ID{bob},
		false, 3, limits.ErrOverCapacity,
	},
}

// TestFirstChunkComesWithinFourSecondsOfTheRequest has requests wait for all that there is to
// wait for. Each gets its first chunk on overdraft, 4 s after the end of the request, or is refused
// then.
func TestFirstChunkComesWithinFourSecondsOfTheRequest(t *testing.T) {
	t.Parallel()
	for name, tc := range waits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sc := &scores{weights: map[peer.ID]float64{}}
				if name == "requests of a peer of low weight" {
					sc.weights[alice] = limits.MinWeight
				}
				l := newWaiting(t, tc.config, sc)
				for _, id := range tc.used {
					pace := admit(t, l, id, blocks)
					send(t, pace, one)
					if tc.hold {
						defer pace.Release()
					} else {
						pace.Release()
					}
				}
				for range tc.admitted {
					start := time.Now()
					pace := admit(t, l, alice, blocks)
					send(t, pace, one)
					wantAt(t, "first chunk", start, 4*s)
					if tc.hold {
						defer pace.Release()
					} else {
						pace.Release()
					}
				}
				start := time.Now()
				pace, err := l.Admit(t.Context(), alice, blocks)
				if err == nil {
					err = pace.Reserve(t.Context(), one)
					pace.Release()
				}
				wantAt(t, "refusal", start, 4*s)
				if !errors.Is(err, tc.err) || !errors.Is(err, reqresp.ErrRefused) {
					t.Errorf("got %v, want %v", err, tc.err)
				}
				// Only a peer with twice as many exchanges as may run is to blame.
				if blamed := len(sc.overran) > 0; blamed != (name == "concurrency") {
					t.Errorf("%v were blamed", sc.overran)
				}
			})
		})
	}
}

// TestPeerThatAlwaysAsksGetsItsRate has a peer ask again and again for hours, by one request at a time and
// by several.
func TestPeerThatAlwaysAsksGetsItsRate(t *testing.T) {
	t.Parallel()
	rates := map[string]limits.Rate{
		"once a minute": perMinute, "once an hour": {N: 1, Per: time.Hour, Burst: 1},
		"of handshakes": {N: 5, Per: 15 * s, Burst: 10}, "of pings": {N: 3, Per: 10 * s, Burst: 5},
		"in bursts": {N: 100, Per: time.Hour, Burst: 100}, "fast": {N: 1, Per: s, Burst: 2},
	}
	for name, rate := range rates {
		for _, atATime := range []int{1, 2, 15} {
			for currency, q := range map[string]limits.Quota{"requests": {Requests: rate}, "items": {Items: rate}} {
				synctest.Test(t, func(t *testing.T) {
					sc := &scores{}
					l := newWaiting(t, onlyBlocks(q, limits.Config{}), sc)
					const hours = 3
					start := time.Now()
					var mu sync.Mutex
					served := 0
					var wg sync.WaitGroup
					for range atATime {
						wg.Go(func() {
							for time.Since(start) < hours*time.Hour {
								asked := time.Now()
								pace, err := l.Admit(t.Context(), alice, blocks)
								if err == nil {
									if err = pace.Reserve(t.Context(), one); err == nil {
										pace.Settle(one)
										mu.Lock()
										served++
										mu.Unlock()
									}
									pace.Release()
								}
								if d := time.Since(asked); d > 4*s {
									t.Fatalf("%s of %s: answered after %v", name, currency, d)
								}
								time.Sleep(time.Millisecond)
							}
						})
					}
					wg.Wait()
					// Two bursts are owed, and what was granted when just less was.
					granted := float64(rate.N) * float64(hours*time.Hour+4*s) / float64(rate.Per)
					most := granted + float64(rate.Burst) + 2*float64(rate.Burst) + 1
					if float64(served) > most || float64(served) < .99*granted-1 {
						t.Errorf("%s of %s, %d at a time: %d in %d hours, want %.0f to %.0f",
							name, currency, atATime, served, hours, .99*granted-1, most)
					}
					if len(sc.overran) > 0 && atATime <= limits.DefaultMaxConcurrent {
						t.Errorf("%s of %s: the peer was blamed, which keeps to the specs", name, currency)
					}
				})
			}
		}
	}
}
