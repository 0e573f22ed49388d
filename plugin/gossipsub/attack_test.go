package gossipsub_test

import (
	"context"
	"encoding/binary"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/gossipsub"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
)

// The numbers of fields of the protobuf schema of gossipsub, with the wire type of bytes.
const (
	fieldSubscription = 1<<3 | 2 // of RPC
	fieldMessage      = 2<<3 | 2
	fieldControl      = 3<<3 | 2
	fieldIHave        = 1<<3 | 2 // of a control message
	fieldGraft        = 3<<3 | 2
	fieldPrune        = 4<<3 | 2
	fieldData         = 2<<3 | 2 // of a message
)

// field encodes a field of bytes.
func field(number byte, value ...byte) []byte {
	return append(binary.AppendUvarint([]byte{number}, uint64(len(value))), value...)
}

// payload returns an RPC of so many bytes, with its length before it: it has one message. Of what is very
// large the beginning is returned.
func payload(size int) []byte {
	prefix := binary.AppendUvarint(nil, uint64(size))
	data := make([]byte, min(size, 4*gossipsub.MaxRPC))
	// The heads of both fields have lengths of three bytes.
	message := field(fieldMessage, field(fieldData, data[:len(data)-8]...)...)
	return append(prefix, message...)
}

// An attack is what an RPC has over and over.
type attack struct {
	name    string
	element func(n uint32) []byte
	control bool // the elements are of one control message
}

// topic returns a topic that nobody has.
func topic(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte("topic"), n) }

var attacks = []attack{
	{"subscriptions", func(n uint32) []byte {
		return field(fieldSubscription, append([]byte{1 << 3, 1}, field(2<<3|2, topic(n)...)...)...)
	}, false},
	{"messages of nothing", func(uint32) []byte { return field(fieldMessage) }, false},
	{"messages", func(n uint32) []byte { return field(fieldMessage, field(4<<3|2, topic(n)...)...) }, false},
	{"grafts", func(n uint32) []byte { return field(fieldGraft, field(1<<3|2, topic(n)...)...) }, true},
	{"prunes", func(n uint32) []byte { return field(fieldPrune, field(1<<3|2, topic(n)...)...) }, true},
	{"names of messages", func(n uint32) []byte {
		return field(fieldIHave, append(field(1<<3|2, topic(n)...), field(2<<3|2, topic(n)...)...)...)
	}, true},
}

// rpc returns a large RPC with the elements from n on, and the number of the next.
func (a *attack) rpc(n uint32) ([]byte, uint32) {
	var body []byte
	for len(body) < gossipsub.MaxRPC-100 {
		body = append(body, a.element(n)...)
		n++
	}
	if a.control {
		body = field(fieldControl, body...)
	}
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...), n
}

// heap returns how many bytes are in use.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // which empties the pools too
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// What a peer says of topics that nobody has is forgotten at once.
func TestPeersAddNothingToTheState(t *testing.T) {
	const size, most = 2 << 20, 4 << 20 // bytes that are sent, and by which the heap may grow
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, server, other host.Host, _ *gossipsub.Router) {
				s := pipe(t, other, server)
				before := heap()
				elements, rpc := uint32(0), []byte(nil)
				for sent := 0; sent < size; sent += len(rpc) {
					rpc, elements = a.rpc(elements)
					if _, err := s.Write(rpc); err != nil {
						t.Fatalf("after %d bytes: %v", sent, err)
					}
				}
				time.Sleep(10 * time.Second) // in virtual time: all was read
				after := heap()
				t.Logf("%d elements: heap of %d KiB, then %d KiB", elements, before>>10, after>>10)
				if after > before+most {
					t.Errorf("the heap has grown by %d KiB", (after-before)>>10)
				}
				// The stream is open yet, and so what the peer has left is there.
				if _, err := s.Write([]byte{0}); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// newHost makes a host on TCP.
func newHost(t *testing.T, manager network.ResourceManager) host.Host {
	t.Helper()
	return simtest.NewHost(t, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.Muxer(yamux.ID, yamux.DefaultTransport), libp2p.ResourceManager(manager))
}

// A peer that opens streams as fast as it can has two at a time, and others have theirs all the same.
func TestPeersHaveTwoStreamsAtMost(t *testing.T) {
	plan, err := resources.New(nil, &resources.Options{Memory: resources.MinMemory, Gossipsub: true})
	if err != nil {
		t.Fatal(err)
	}
	manager, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(plan.HostLimits()), rcmgr.WithMetricsDisabled())
	if err != nil {
		t.Fatal(err)
	}
	server := newHost(t, manager)
	start(t, server)
	bad, honest := newHost(t, &network.NullResourceManager{}), newHost(t, &network.NullResourceManager{})
	connect(t, bad, server)
	before := runtime.NumGoroutine()
	most := 0
	count := func() int {
		stat := manager.(rcmgr.ResourceManagerState).Stat()
		return stat.Services[gossipsub.ServiceName].NumStreamsInbound
	}
	var streams []network.Stream
	for range 2000 {
		if s, err := bad.NewStream(t.Context(), server.ID(), gossipsub.Protocols()...); err == nil {
			s.SetWriteDeadline(time.Now().Add(time.Minute))
			s.Write([]byte{0})
			streams = append(streams, s)
		}
		most = max(most, count())
	}
	if most < 1 {
		t.Errorf("none of the %d streams was served", len(streams))
	}
	// The resource manager counts a stream before it refuses it.
	until(t, "all streams but two to be refused", func() bool { return count() <= 2 })
	until(t, "the streams that were refused to be gone", func() bool { return runtime.NumGoroutine() < before+100 })
	connect(t, honest, server)
	s := pipe(t, honest, server)
	if _, err := s.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	until(t, "the stream of another peer", func() bool {
		for _, conn := range server.Network().ConnsToPeer(honest.ID()) {
			for _, s := range conn.GetStreams() {
				if s.Stat().Direction == network.DirInbound && slices.Contains(gossipsub.Protocols(), s.Protocol()) {
					return true
				}
			}
		}
		return false
	})
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still waiting for %s", what)
		}
	}
}
