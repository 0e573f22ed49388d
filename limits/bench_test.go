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

func benchLimiter(b *testing.B) (*limits.Limiter, []peer.ID) {
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
	}})
	if err != nil {
		b.Fatal(err)
	}
	peers := make([]peer.ID, benchPeers)
	for i := range peers {
		peers[i] = peerID(i)
		for _, method := range []string{"slow", "blocks"} {
			pace, err := limiter.Admit(b.Context(), peers[i], &reqresp.Spec{Name: method})
			if err != nil {
				b.Fatal(err)
			}
			pace.Release()
		}
	}
	if n := limiter.Peers(); n != benchPeers {
		b.Fatalf("%d peers are tracked, want %d", n, benchPeers)
	}
	return limiter, peers
}

// peerID returns an ID of the usual length.
func peerID(i int) peer.ID {
	id := make([]byte, 38)
	binary.LittleEndian.PutUint64(id[4:], uint64(i)*0x9e3779b97f4a7c15)
	return peer.ID(id)
}

// each runs a benchmark of some decisions at a time on all cores, and reports what
// one takes of a core's time.
func each(b *testing.B, name string, decisions int, f func(i int)) {
	b.Run(name, func(b *testing.B) {
		var workers atomic.Int64
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			i := int(workers.Add(1)) * 1_000_003
			for pb.Next() {
				i++
				f(i)
			}
		})
		cores := float64(runtime.GOMAXPROCS(0))
		b.ReportMetric(float64(b.Elapsed())*cores/float64(b.N*decisions), "ns/decision")
	})
}

// BenchmarkDecision compares decisions while 100,000 peers are tracked with those
// of the limiters that Go programs use, of which each knows one bucket for a peer
// and nothing else. Run it with -cpu 1,2 to see it scale.
//
// Whether any of the peers is decided on or one of a thousand, as many as are ever
// connected, makes a difference to every limiter: what was not looked at for long
// comes from the main memory.
func BenchmarkDecision(b *testing.B) {
	limiter, peers := benchLimiter(b)
	ctx := context.Background()
	spec := &reqresp.Spec{Name: "blocks"}
	any := func(i int) peer.ID { return peers[uint(i*7919)%uint(len(peers))] }
	active := func(i int) peer.ID { return peers[i&1023] }

	admit := func(id peer.ID) reqresp.Pace {
		pace, err := limiter.Admit(ctx, id, spec)
		if err != nil {
			b.Fatal(err)
		}
		return pace
	}
	reserve := func(pace reqresp.Pace) {
		if err := pace.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 60_000}); err != nil {
			b.Fatal(err)
		}
		pace.Settle(reqresp.Cost{Items: 1, Bytes: 60_100})
	}
	// Chunks of one exchange come one after the other.
	each(b, "limits/chunk", 2*64, func(i int) {
		pace := admit(active(i))
		for range 64 {
			reserve(pace)
		}
		pace.Release()
	})
	exchange := func(id peer.ID) {
		pace := admit(id)
		reserve(pace)
		pace.Release()
	}
	each(b, "limits/exchange/active", 4, func(i int) { exchange(active(i)) })
	each(b, "limits/exchange/any", 4, func(i int) { exchange(any(i)) })

	one := rate.NewLimiter(1e12, 1<<30)
	each(b, "time-rate/one bucket", 1, func(int) { one.AllowN(time.Now(), 1) })
	var buckets sync.Map
	for _, id := range peers {
		buckets.Store(id, rate.NewLimiter(1e12, 1<<30))
	}
	allow := func(id peer.ID) {
		l, _ := buckets.Load(id)
		l.(*rate.Limiter).AllowN(time.Now(), 1)
	}
	each(b, "time-rate/active", 1, func(i int) { allow(active(i)) })
	each(b, "time-rate/any", 1, func(i int) { allow(any(i)) })

	subnets, addrs := libp2pLimiter(b)
	each(b, "libp2p-rate/active", 1, func(i int) { subnets.Allow(addrs[i&1023]) })
	each(b, "libp2p-rate/any", 1, func(i int) { subnets.Allow(addrs[uint(i*7919)%uint(len(addrs))]) })
}

// libp2pLimiter returns go-libp2p's limiter of subnets, with as many of them.
func libp2pLimiter(b *testing.B) (*libp2prate.Limiter, []netip.Addr) {
	b.Helper()
	limiter := &libp2prate.Limiter{SubnetRateLimiter: libp2prate.SubnetLimiter{
		IPv4SubnetLimits: []libp2prate.SubnetLimit{{PrefixLength: 32, Limit: libp2prate.Limit{RPS: 1e9, Burst: 1 << 30}}},
		GracePeriod:      time.Hour,
	}}
	limiter.Limit(nil) // prepares it
	addrs := make([]netip.Addr, benchPeers)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if !limiter.Allow(addrs[i]) {
			b.Fatal("denied")
		}
	}
	return limiter, addrs
}

// BenchmarkForget measures admissions of new peers while the table is full of
// ones that may not be forgotten.
func BenchmarkForget(b *testing.B) {
	limiter, _ := benchLimiter(b)
	ctx := context.Background()
	spec := &reqresp.Spec{Name: "blocks"}
	b.ReportAllocs()
	i := benchPeers
	for b.Loop() {
		i++
		if _, err := limiter.Admit(ctx, peerID(i), spec); err == nil {
			b.Fatal("admitted")
		}
	}
}
