package limits_test

import (
	"context"
	"encoding/binary"
	"net/netip"
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

// BenchmarkReserve measures two decisions: one on a chunk, and its settlement.
func BenchmarkReserve(b *testing.B) {
	limiter, peers := benchLimiter(b)
	ctx := context.Background()
	spec := &reqresp.Spec{Name: "blocks"}
	paces := make([]reqresp.Pace, 1<<10) // as many exchanges are under way
	for i := range paces {
		pace, err := limiter.Admit(ctx, peers[i*7919%len(peers)], spec)
		if err != nil {
			b.Fatal(err)
		}
		paces[i] = pace
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		pace := paces[i%len(paces)]
		if err := pace.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 60_000}); err != nil {
			b.Fatal(err)
		}
		pace.Settle(reqresp.Cost{Items: 1, Bytes: 60_100})
	}
}

// BenchmarkAdmit measures two decisions on any of the peers that are tracked:
// an admission and its release.
func BenchmarkAdmit(b *testing.B) {
	limiter, peers := benchLimiter(b)
	ctx := context.Background()
	spec := &reqresp.Spec{Name: "blocks"}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		pace, err := limiter.Admit(ctx, peers[i*7919%len(peers)], spec)
		if err != nil {
			b.Fatal(err)
		}
		pace.Release()
	}
}

// BenchmarkTimeRate measures golang.org/x/time/rate with a single bucket, for
// comparison.
func BenchmarkTimeRate(b *testing.B) {
	limiter := rate.NewLimiter(1e12, 1<<30)
	b.ReportAllocs()
	for b.Loop() {
		if !limiter.AllowN(time.Now(), 1) {
			b.Fatal("denied")
		}
	}
}

// BenchmarkTimeRateMap measures golang.org/x/time/rate with a bucket for each
// peer.
func BenchmarkTimeRateMap(b *testing.B) {
	buckets := make(map[peer.ID]*rate.Limiter)
	peers := make([]peer.ID, benchPeers)
	for i := range peers {
		peers[i] = peerID(i)
		buckets[peers[i]] = rate.NewLimiter(1e12, 1<<30)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if !buckets[peers[i*7919%len(peers)]].AllowN(time.Now(), 1) {
			b.Fatal("denied")
		}
	}
}

// BenchmarkLibp2pRate measures go-libp2p's limiter of subnets, with as many of
// them.
func BenchmarkLibp2pRate(b *testing.B) {
	limiter := libp2prate.Limiter{SubnetRateLimiter: libp2prate.SubnetLimiter{
		IPv4SubnetLimits: []libp2prate.SubnetLimit{{PrefixLength: 32, Limit: libp2prate.Limit{RPS: 1e9, Burst: 1 << 30}}},
		GracePeriod:      time.Hour,
	}}
	limiter.Limit(nil) // prepares it
	addrs := make([]netip.Addr, benchPeers)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		limiter.Allow(addrs[i])
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if !limiter.Allow(addrs[i*7919%len(addrs)]) {
			b.Fatal("denied")
		}
	}
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
