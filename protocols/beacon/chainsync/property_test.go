package chainsync_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// TestWhateverPeersDo has three good peers, and up to four that do at random what peers can: the chain is stored,
// nothing else, in time, and no good peer is blamed.
func TestWhateverPeersDo(t *testing.T) {
	t.Parallel()
	runs := 400
	if testing.Short() {
		runs = 60
	}
	for seed := range runs {
		for _, d := range directions {
			t.Run(fmt.Sprintf("%s %d", d.name, seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { anything(t, d, uint64(seed)) })
			})
		}
	}
}

func anything(t *testing.T, d direction, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	net := make(fakeNet)
	bad := make(map[peer.ID]bool)
	for i, id := range names(3 + r.IntN(5)) {
		p := newPeer(whole)
		p.rtt = time.Duration(5+r.IntN(200)) * time.Millisecond
		p.perSec = float64(5+r.IntN(200)) * mbit
		net[id] = p
		if i >= 3 {
			bad[id] = true
			misbehave(p, r)
		}
	}
	cfg := config(net)
	cfg.Batch = uint64(1 + r.IntN(64))
	cfg.MaxBytes = int64(8+r.IntN(400)) * 2 * blockSize
	cfg.Blame = func(b chainsync.Blame) {
		if !bad[b.Peer] {
			t.Errorf("%s is blamed for %v of slots %d to %d", b.Peer, b.Err, b.First, b.Last)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	sink := &fakeSink{took: time.Duration(r.IntN(500)) * time.Millisecond}
	if _, err := d.run(ctx, cfg, sink); err != nil {
		t.Fatal(err)
	}
	checkStored(t, sink.blocks, whole)
}

// misbehave has a peer answer in some of the ways in which peers are wrong, each now and then.
func misbehave(p *fakePeer, r *rand.Rand) {
	at := ssz.Slot(1 + r.IntN(int(lastSlot)-1))
	base := within(whole, 1, at)
	parent := ssz.Root{}
	if len(base) > 0 {
		parent = base[len(base)-1].Root
	}
	forged := append(base, chainOf(parent, byte(1+r.IntN(255)), slots(at+1, lastSlot)...)...)
	ways := []func(request) *answer{
		func(request) *answer { return nil },
		func(request) *answer { return &answer{stall: true} },
		func(request) *answer { return &answer{err: errReset} },
		func(request) *answer { return &answer{err: errLimited} },
		func(request) *answer { return &answer{err: errNotThere} },
		func(request) *answer { return new(answer) },
		func(r request) *answer { return &answer{blocks: within(forged, r.first, r.last)} },
		func(r request) *answer { return &answer{blocks: within(whole, r.first, (r.first+r.last)/2)} },
		func(r request) *answer { return &answer{blocks: within(whole, (r.first+r.last)/2, r.last)} },
		func(r request) *answer {
			return &answer{blocks: within(whole, r.first, min(r.first+2, r.last)), err: errReset}
		},
		func(r request) *answer {
			return &answer{blocks: within(whole, r.first, min(r.first+2, r.last)), stall: true}
		},
	}
	var some []func(request) *answer
	for range 1 + r.IntN(3) {
		some = append(some, ways[r.IntN(len(ways))])
	}
	n := uint64(r.IntN(1000))
	p.script = func(req request) *answer { return some[(n+uint64(req.n)*7)%uint64(len(some))](req) }
	if r.IntN(4) == 0 {
		p.perSec = mbit
	}
	if r.IntN(4) == 0 {
		p.earliest = at
	}
	if r.IntN(4) == 0 {
		head := forged[len(forged)-1]
		p.status = func(s *beacon.Status) { s.HeadSlot, s.HeadRoot = head.Slot, head.Root }
	}
}
