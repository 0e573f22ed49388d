package limits_test

import (
	"net/netip"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// TestPeersTakeAsMuchMemoryAsStated has as many peers tracked as may be, each with
// several methods. It must not run beside others, whose memory would count.
func TestPeersTakeAsMuchMemoryAsStated(t *testing.T) {
	const peers, methods = limits.DefaultMaxPeers, 6
	specs := make([]*reqresp.Spec, methods)
	for i := range specs {
		specs[i] = newSpec(strconv.Itoa(i))
	}
	hourly := limits.Quota{Requests: limits.Rate{N: 1, Per: time.Hour}}
	next := uint32(0)
	for name, tc := range map[string]struct {
		addr func(peer.ID) netip.Addr
		most uint64 // as the documentation of DefaultMaxPeers has it
	}{
		"without prefixes": {nil, 12 << 20},
		"of a prefix each": {func(peer.ID) netip.Addr {
			next++
			return netip.AddrFrom4([4]byte{byte(1 + next>>16), byte(next >> 8), byte(next), 1})
		}, 48 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			l, err := limits.New(&limits.Options{Addr: tc.addr, Config: limits.Config{
				Node:    limits.Quota{Requests: plenty},
				Default: limits.Method{Peer: hourly}, // which keeps them tracked
			}})
			if err != nil {
				t.Fatal(err)
			}
			for i := range peers {
				id := peerID(i)
				for _, spec := range specs {
					pace, err := l.Admit(t.Context(), id, spec)
					if err != nil {
						t.Fatal(err)
					}
					pace.Release()
				}
			}
			took := heap() - before
			if n := l.Peers(); n != peers {
				t.Fatalf("%d peers are tracked, want %d", n, peers)
			}
			if took > tc.most {
				t.Errorf("%d peers took %d bytes, want at most %d", peers, took, tc.most)
			}
			// What is stated is of no use if it is much too much.
			if took < tc.most/2 {
				t.Errorf("%d peers took %d bytes, which is far less than the %d that are stated", peers, took, tc.most)
			}
			t.Logf("a peer with %d methods took %d bytes", methods, took/peers)
		})
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has freed may be swept only now
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
