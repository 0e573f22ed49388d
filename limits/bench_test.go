package limits_test

import (
	"context"
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/libp2p/go-libp2p/core/peer"
	libp2prate "github.com/libp2p/go-libp2p/x/rate"
	"golang.org/x/time/rate"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// benchPeers is how many peers are tracked while a decision is measured.
const benchPeers = 100_000

// plenty is never used up by a benchmark.
var plenty = limits.Rate{N: 1 << 30, Per: time.Millisecond, Burst: 1 << 40}

func benchLimiter(b *testing.B) *limits.Limiter {
	b.Helper()
	limiter, err := limits.New(&limits.Options{Config: limits.Config{
		Node: limits.Quota{Requests: plenty, Items: plenty, Bytes: plenty},
		// The buckets are full again after seconds, but for one which keeps the
		// peers tracked.
		Methods: map[string]limits.Method{
			"blocks": {Peer: limits.Quota{Requests: plenty, Items: plenty, Bytes: plenty}},
			"slow":   {Peer: limits.Quota{Requests: limits.Rate{N: 1, Per: time.Hour}}},
		},
		MaxPeers: benchPeers,
	}, Scores: strangers{}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range benchPeers {
		id := peerID(i)
		for _, method := range []string{"slow", "blocks"} {
			pace, err := limiter.Admit(b.Context(), id, newSpec(method))
			if err != nil {
				b.Fatal(err)
			}
			pace.Release()
		}
	}
	if n := limiter.Peers(); n != benchPeers {
		b.Fatalf("%d peers are tracked, want %d", n, benchPeers)
	}
	return limiter
}

// strangers are all peers, to their scores.
type strangers struct{}

func (strangers) Weight(peer.ID) float64  { return 1 }
func (strangers) Overran(peer.ID, string) {}

// idSize is the usual length of an ID.
const idSize = 39

func peerID(i int) peer.ID {
	id := make([]byte, idSize)
	putID(id, i)
	return peer.ID(id)
}

// each runs a benchmark of some decisions at a time on all cores, and reports what
// one takes of a core's time.
func each(b *testing.B, name string, decisions int, f func(a *asker)) {
	b.Run(name, func(b *testing.B) {
		var workers atomic.Int64
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			a := &asker{i: int(workers.Add(1)) * 1_000_003, id: make([]byte, idSize)}
			for pb.Next() {
				a.i++
				f(a)
			}
		})
		cores := float64(runtime.GOMAXPROCS(0))
		b.ReportMetric(float64(b.Elapsed())*cores/float64(b.N*decisions), "ns/decision")
	})
}

// An asker tells which peer comes next. It spells the peer's ID anew each time: that of
// a stream just accepted is in the cache, whatever the limiter knows of the peer.
type asker struct {
	i  int
	id []byte
}

// connected is one of a thousand peers, as many as are ever connected.
func (a *asker) connected() int { return a.i & 1023 }

// any is any of those tracked, none twice in a row.
func (a *asker) any() int { return int(uint(a.i*7919) % benchPeers) }

// peer returns the ID of a peer, which holds until the next.
func (a *asker) peer(i int) peer.ID {
	putID(a.id, i)
	return peer.ID(unsafe.String(unsafe.SliceData(a.id), len(a.id)))
}

func putID(id []byte, i int) { binary.LittleEndian.PutUint64(id[4:], uint64(i)*0x9e3779b97f4a7c15) }

// BenchmarkDecision compares decisions while 100,000 peers are tracked with those of
// the limiters that Go programs use, of which each knows one bucket for a peer and
// nothing else. Run it with -cpu 1,2 to see it scale.
//
// Every limiter is asked warm, by one of a thousand peers, and cold, by any: what was
// not looked at for long comes from the main memory, and that takes longer than all
// that is reckoned. An exchange is four decisions: it is admitted, reserves a chunk,
// settles it and is released. Only the first meets a cold peer, which makes the exchange
// take about 1.8 times as long as a warm one: it reads the map of peers, the peer and what
// the peer uses of the method from the main memory, one after the other. On two cores each
// decision takes some 1.3 to 1.5 times as long as on one, as the budget of the node is one
// for all.
func BenchmarkDecision(b *testing.B) {
	limiter := benchLimiter(b)
	ctx := context.Background()
	spec := newSpec("blocks")
	admit := func(id peer.ID) reqresp.Admission {
		pace, err := limiter.Admit(ctx, id, spec)
		if err != nil {
			b.Fatal(err)
		}
		return pace
	}
	reserve := func(pace reqresp.Admission) {
		if err := pace.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 60_000}); err != nil {
			b.Fatal(err)
		}
		pace.Settle(reqresp.Cost{Items: 1, Bytes: 60_100})
	}
	exchange := func(id peer.ID) {
		pace := admit(id)
		reserve(pace)
		pace.Release()
	}
	each(b, "warm/limits", 4, func(a *asker) { exchange(a.peer(a.connected())) })
	each(b, "cold/limits", 4, func(a *asker) { exchange(a.peer(a.any())) })
	// Chunks of one exchange come one after the other.
	each(b, "warm/limits chunks", 2+2*64, func(a *asker) {
		pace := admit(a.peer(a.connected()))
		for range 64 {
			reserve(pace)
		}
		pace.Release()
	})

	var buckets sync.Map
	for i := range benchPeers {
		buckets.Store(peerID(i), rate.NewLimiter(1e12, 1<<30))
	}
	allow := func(id peer.ID) {
		l, ok := buckets.Load(id)
		if !ok || !l.(*rate.Limiter).AllowN(time.Now(), 1) {
			b.Fatal("denied")
		}
	}
	each(b, "warm/time-rate", 1, func(a *asker) { allow(a.peer(a.connected())) })
	each(b, "cold/time-rate", 1, func(a *asker) { allow(a.peer(a.any())) })

	subnets := libp2pLimiter(b)
	each(b, "warm/libp2p-rate", 1, func(a *asker) { subnets.Allow(address(a.connected())) })
	each(b, "cold/libp2p-rate", 1, func(a *asker) { subnets.Allow(address(a.any())) })
}

// libp2pLimiter returns go-libp2p's limiter of subnets, with as many of them.
func libp2pLimiter(b *testing.B) *libp2prate.Limiter {
	b.Helper()
	limiter := &libp2prate.Limiter{SubnetRateLimiter: libp2prate.SubnetLimiter{
		IPv4SubnetLimits: []libp2prate.SubnetLimit{{PrefixLength: 32, Limit: libp2prate.Limit{RPS: 1e9, Burst: 1 << 30}}},
		GracePeriod:      time.Hour,
	}}
	limiter.Limit(nil) // prepares it
	for i := range benchPeers {
		if !limiter.Allow(address(i)) {
			b.Fatal("denied")
		}
	}
	return limiter
}

func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// BenchmarkForget measures admissions of new peers while the table is full of
// ones that may not be forgotten.
func BenchmarkForget(b *testing.B) {
	limiter := benchLimiter(b)
	ctx := context.Background()
	spec := newSpec("blocks")
	b.ReportAllocs()
	i := benchPeers
	for b.Loop() {
		i++
		if _, err := limiter.Admit(ctx, peerID(i), spec); err == nil {
			b.Fatal("admitted")
		}
	}
}
