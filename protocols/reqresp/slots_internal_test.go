package reqresp

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// fullSlots returns slots that so many peers have all of, and the last slot of each of the first ones, which are not
// admitted.
func fullSlots(streams, peers, waiting int) (slots, []*slot) {
	s := newSlots(ServerOptions{MaxStreams: streams, MaxStreamsPerPeer: streams})
	var last []*slot
	for i := range streams {
		at := &slot{inbound: &Inbound{exchange: Exchange{Info: Info{ID: uint64(i), Peer: peer.ID(strconv.Itoa(i % peers))}}}}
		s.take(at)
		if n := i - (streams - peers); n >= 0 && n < waiting {
			last = append(last, at)
		} else {
			s.admit(at)
		}
	}
	return s, last
}

// TestEvictLooksAtNoSlotThatWasAdmitted has slots that were admitted be ones that cannot be looked at.
func TestEvictLooksAtNoSlotThatWasAdmitted(t *testing.T) {
	s, waiting := fullSlots(64, 4, 3)
	for at := range s.taken {
		if at.admitted {
			at.inbound = nil
		}
	}
	for _, want := range []*slot{waiting[2], waiting[1], waiting[0], nil} {
		if got := s.evict("stranger"); got != want {
			t.Errorf("got slot %p, want %p of %p", got, want, waiting)
		}
	}
}

// TestEvictTakesTheLastOfAPeer admits, releases and evicts the slots of a peer in every order.
func TestEvictTakesTheLastOfAPeer(t *testing.T) {
	const streams = 8
	for admitted := range 1 << streams {
		s := newSlots(ServerOptions{MaxStreams: streams, MaxStreamsPerPeer: streams})
		all := make([]*slot, streams)
		for i := range all {
			all[i] = &slot{inbound: &Inbound{exchange: Exchange{Info: Info{ID: uint64(i), Peer: "hoarder"}}}}
			s.take(all[i])
		}
		for i, at := range all {
			if admitted>>i&1 == 1 {
				s.admit(at)
			}
		}
		for i, at := range slices.Backward(all) {
			if admitted>>i&1 == 1 || s.peers["hoarder"] <= 1 {
				continue
			}
			if got := s.evict("stranger"); got != at {
				t.Fatalf("%08b admitted: slot %d is not evicted", admitted, i)
			}
			s.release(at) // as the exchange ends
		}
		for _, at := range all {
			s.release(at)
		}
		if len(s.taken) > 0 || len(s.peers) > 0 || len(s.last) > 0 {
			t.Fatalf("%08b admitted: slots are left after all have ended", admitted)
		}
	}
}

// BenchmarkEvict measures how long the server is locked for a stream that it has no slot for.
func BenchmarkEvict(b *testing.B) {
	for _, streams := range []int{1024, 16384} {
		b.Run(fmt.Sprintf("%d admitted", streams), func(b *testing.B) {
			s, _ := fullSlots(streams, 16, 0)
			for b.Loop() {
				if s.evict("stranger") != nil {
					b.Fatal("a slot that was admitted is evicted")
				}
			}
		})
		b.Run(fmt.Sprintf("%d admitted but 16", streams), func(b *testing.B) {
			s, _ := fullSlots(streams, 16, 16)
			for b.Loop() {
				evicted := s.evict("stranger")
				if evicted == nil {
					b.Fatal("no slot is evicted")
				}
				s.take(&slot{inbound: evicted.inbound})
			}
		})
		b.Run(fmt.Sprintf("%d of peers with 2", streams), func(b *testing.B) {
			s, _ := fullSlots(streams, streams/2, 0)
			for b.Loop() {
				if s.evict("stranger") != nil {
					b.Fatal("a slot that was admitted is evicted")
				}
			}
		})
	}
}
