package limits_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// An answer is of the size of a range of today's blocks. It takes two seconds of a peer's own quota, but there is a burst.
const (
	answerChunks = 64
	answerChunk  = 70 * kib
	chunkWrite   = 1700 * time.Microsecond // how long the network takes for one
)

// exchange is one answer that is read. It returns how long it took.
func exchange(ctx context.Context, l *limits.Limiter, from peer.ID, spec *reqresp.Spec) (time.Duration, error) {
	start := time.Now()
	pace, err := l.Admit(ctx, from, spec)
	if err != nil {
		return 0, err
	}
	defer pace.Release()
	cost := reqresp.Cost{Items: 1, Bytes: answerChunk}
	for range answerChunks {
		if err := pace.Reserve(ctx, cost); err != nil {
			return 0, err
		}
		time.Sleep(chunkWrite)
		pace.Settle(cost)
	}
	return time.Since(start), nil
}

// percentile90 asks for some answers one after the other, with a pause that the peer's own quota asks for.
func percentile90(t *testing.T, l *limits.Limiter, from peer.ID, spec *reqresp.Spec) time.Duration {
	t.Helper()
	var took []time.Duration
	for range 20 {
		d, err := exchange(t.Context(), l, from, spec)
		if err != nil {
			t.Fatalf("a request of an honest peer failed: %v", err)
		}
		took = append(took, d)
		time.Sleep(2500 * time.Millisecond)
	}
	slices.Sort(took)
	return took[len(took)*9/10]
}

// 64 workers with a new key for every exchange, at a server with default settings, do not slow down
// a peer that came before them.
func TestNewKeyForEveryConnectionTakesNothingFromPeersThatStay(t *testing.T) {
	t.Parallel()
	spec := newSpec("beacon_blocks_by_range")
	const workers = 64
	for name, addrOf := range map[string]func(worker int) netip.Addr{
		"of one prefix":            func(int) netip.Addr { return netip.MustParseAddr("203.0.113.7") },
		"of a prefix each":         func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, byte(i), 7}) },
		"of addresses not told of": func(int) netip.Addr { return netip.Addr{} },
	} {
		for _, chunks := range []int{1, answerChunks} {
			t.Run(fmt.Sprintf("%s/%d chunks", name, chunks), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var addrs sync.Map
					l, err := limits.New(&limits.Options{Config: limits.Config{Methods: quota.Served()}, Addr: func(id peer.ID) netip.Addr {
						addr, _ := addrs.Load(id)
						a, _ := addr.(netip.Addr)
						return a
					}})
					if err != nil {
						t.Fatal(err)
					}
					addrs.Store(alice, netip.MustParseAddr("198.51.100.1"))
					idle := percentile90(t, l, alice, spec)
					ctx, cancel := context.WithCancel(t.Context())
					var wg sync.WaitGroup
					var keys atomic.Int64
					for i := range workers {
						wg.Go(func() {
							for ctx.Err() == nil {
								id := peerID(int(keys.Add(1)))
								addrs.Store(id, addrOf(i))
								pace, err := l.Admit(ctx, id, spec)
								for range chunks {
									if err != nil || pace.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: answerChunk}) != nil {
										break
									}
									pace.Settle(reqresp.Cost{Items: 1, Bytes: answerChunk})
								}
								if err == nil {
									pace.Release()
								}
								time.Sleep(10 * time.Millisecond) // It connects anew.
							}
						})
					}
					time.Sleep(20 * time.Second) // They use up what the node has saved.
					got := percentile90(t, l, alice, spec)
					cancel()
					wg.Wait()
					if most := max(5*idle, 500*time.Millisecond); got > most {
						t.Errorf("p90 was %v before and %v meanwhile, want at most %v", idle, got, most)
					}
					t.Logf("p90 %v before, %v meanwhile, %d keys", idle, got, keys.Load())
				})
			})
		}
	}
}

// Being new costs nothing while nobody else wants anything.
func TestNewPeerIsNotSlowedWhileNobodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := limits.New(&limits.Options{Config: limits.Config{Methods: quota.Served()}, Addr: func(peer.ID) netip.Addr { return netip.MustParseAddr("198.51.100.1") }})
		if err != nil {
			t.Fatal(err)
		}
		took, err := exchange(t.Context(), l, bob, newSpec("beacon_blocks_by_range"))
		if err != nil || took != answerChunks*chunkWrite {
			t.Errorf("a new peer's answer took %v, and failed with %v; the network alone takes %v", took, err, answerChunks*chunkWrite)
		}
	})
}

// stay has peers read a chunk a second for as long as makes them count in full.
func stay(t *testing.T, l *limits.Limiter, ids ...peer.ID) {
	t.Helper()
	stayFor(t, l, 16, ids...)
}

func stayFor(t *testing.T, l *limits.Limiter, seconds int, ids ...peer.ID) {
	t.Helper()
	for range seconds + 1 {
		for _, id := range ids {
			spend(t, l, id, reqresp.Cost{Items: 1, Bytes: 1})
		}
		time.Sleep(time.Second)
	}
}

// partOf has two peers download at the same time, of whom all is used, and returns the part of the first.
func partOf(t *testing.T, l *limits.Limiter, first, second peer.ID) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var got [2]uint64
	for i, id := range []peer.ID{first, second} {
		wg.Go(func() { got[i] = download(t, ctx, l, id, 16*kib, 1000) })
	}
	wg.Wait()
	return float64(got[0]) / float64(got[0]+got[1])
}

func TestWeightGrowsWithUsefulTime(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for name, tc := range map[string]struct {
		before   func(t *testing.T, l *limits.Limiter)
		min, max float64 // alice's part beside bob, who is new
	}{
		"of two that are new":                {func(*testing.T, *limits.Limiter) {}, .48, .52},
		"of one that has stayed":             {func(t *testing.T, l *limits.Limiter) { stay(t, l, alice) }, .78, .82},
		"of one that has stayed and paused":  {func(t *testing.T, l *limits.Limiter) { stay(t, l, alice); time.Sleep(9 * time.Minute) }, .78, .82},
		"of one that was away for too long":  {func(t *testing.T, l *limits.Limiter) { stay(t, l, alice); time.Sleep(11 * time.Minute) }, .48, .52},
		"of one that has stayed for a while": {func(t *testing.T, l *limits.Limiter) { stayFor(t, l, 13, alice) }, .83, .88},
		"of one that has stayed for a while, but little": {func(t *testing.T, l *limits.Limiter) {
			time.Sleep(10 * second)
			stayFor(t, l, 4, alice) // less than makes any difference, also with the second until alice's next chunk
		}, .48, .52},
		"of one that comes now and then": {func(t *testing.T, l *limits.Limiter) {
			for range 3 {
				spend(t, l, alice, reqresp.Cost{Items: 1, Bytes: 1})
				time.Sleep(30 * second)
			}
		}, .48, .52},
		"of one that comes now and then, and waits": {func(t *testing.T, l *limits.Limiter) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go download(t, ctx, l, peerID(5000), 16*kib, 1000)
			for range 3 {
				spend(t, l, alice, reqresp.Cost{Items: 1, Bytes: 16 * kib})
				time.Sleep(8 * time.Minute)
			}
		}, .48, .52},
		"of one that asked at once for much": {func(t *testing.T, l *limits.Limiter) {
			for range 100 {
				spend(t, l, alice, reqresp.Cost{Items: 1, Bytes: 1})
			}
			time.Sleep(30 * second)
		}, .48, .52},
		"of one that has not stayed for long": {func(t *testing.T, l *limits.Limiter) {
			for range 9 {
				spend(t, l, alice, reqresp.Cost{Items: 1, Bytes: 1})
				time.Sleep(second)
			}
		}, .58, .76},
		"of one that was away for long": {func(t *testing.T, l *limits.Limiter) { stay(t, l, alice); time.Sleep(11 * time.Minute) }, .48, .52},
		"of one that reads now and then": {func(t *testing.T, l *limits.Limiter) {
			for range 3 {
				spend(t, l, alice, reqresp.Cost{Items: 1, Bytes: 1})
				time.Sleep(20 * second)
			}
		}, .48, .52},
		"of one that only asked": {func(t *testing.T, l *limits.Limiter) {
			for range 30 {
				admit(t, l, alice, blocks).Release()
				time.Sleep(second)
			}
		}, .48, .52},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 1 << 20, Burst: 64 * kib}))
				tc.before(t, l)
				for i := range 1000 { // new ones have others be forgotten
					admit(t, l, peerID(i), blocks).Release()
				}
				if got := partOf(t, l, alice, bob); got < tc.min || got > tc.max {
					t.Errorf("alice got %.3f, want %.2f to %.2f", got, tc.min, tc.max)
				}
			})
		})
	}
}

// A table that is full of peers has room for new ones, at the cost of what it remembers.
func TestPeersThatStayedMakeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, limits.Config{MaxPeers: 20})
		ids := make([]peer.ID, 20)
		for i := range ids {
			ids[i] = peerID(i)
		}
		stay(t, l, ids...)
		if n := l.Peers(); n != len(ids) {
			t.Fatalf("%d peers are tracked, want %d", n, len(ids))
		}
		admit(t, l, alice, blocks).Release()
	})
}

func TestPrefixesCountByDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for i, tc := range []struct {
			peers int
			want  time.Duration // until the last of nine is admitted, of two requests each
		}{{0, 500 * time.Millisecond}, {2, 5 * s}, {-1, 0}} {
			c := onlyBlocks(limits.Quota{Requests: limits.Rate{N: 1, Burst: 4}}, limits.Config{Prefix: limits.Prefix{Peers: tc.peers}})
			l, err := limits.New(&limits.Options{Config: c, Addr: func(peer.ID) netip.Addr { return netip.MustParseAddr("2001:db8:1:7::1") }})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for j := range 9 {
				for range 2 {
					admit(t, l, peerID(100*i+j), blocks).Release()
				}
			}
			wantAt(t, fmt.Sprintf("admission with Prefix.Peers %d", tc.peers), start, tc.want)
		}
	})
}

// The peers of a prefix have together what as many as it counts for have, however many they are.
func TestPrefixHasAShareOfTheCapacity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{}, nodeBytes(limits.Rate{N: 1 << 20, Burst: 64 * kib}))
		c.Prefix.Peers = 2
		l, err := limits.New(&limits.Options{Config: c, Addr: func(id peer.ID) netip.Addr {
			if id == alice {
				return netip.MustParseAddr("198.51.100.1")
			}
			return netip.MustParseAddr("203.0.113.7")
		}})
		if err != nil {
			t.Fatal(err)
		}
		ids := []peer.ID{alice}
		for i := range 10 {
			ids = append(ids, peerID(i))
		}
		stay(t, l, ids...)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		got := make([]uint64, len(ids))
		for i, id := range ids {
			wg.Go(func() { got[i] = download(t, ctx, l, id, 16*kib, 1000) })
		}
		wg.Wait()
		var all uint64
		for _, n := range got {
			all += n
		}
		if part := float64(got[0]) / float64(all); part < .30 || part > .36 {
			t.Errorf("a peer beside ten of one prefix got %.3f, want a third", part)
		}
	})
}

func TestPrefixOfAnAddress(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"203.0.113.9":                  "203.0.113.0/24",
		"::ffff:203.0.113.9":           "203.0.113.0/24",
		"2001:db8:1:ffff:ffff:1:2:3":   "2001:db8:1::/48",
		"2001:db8:1:ffff::3%eth0":      "2001:db8:1::/48",
		"2001:db8:2:ffff:ffff:1:2:33a": "2001:db8:2::/48",
	} {
		if got, ok := (limits.Prefix{}).Of(netip.MustParseAddr(addr)); !ok || got.String() != want {
			t.Errorf("%s is of %v, want %s", addr, got, want)
		}
	}
	if got, ok := (limits.Prefix{}).Of(netip.Addr{}); ok {
		t.Errorf("no address is of %v", got)
	}
}
