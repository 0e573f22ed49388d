package chainsync_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const mbit = 1e6 / 8

// TestSpeed syncs from eight peers of 100 Mbit/s each at a round trip of 100 ms, some of which are bad.
func TestSpeed(t *testing.T) {
	t.Parallel()
	const last ssz.Slot = 20000
	chain := chainOf(ssz.Root{}, 0, slots(1, last)...)
	forged := chainOf(chain[100].Root, 1, slots(102, last)...)
	for name, tc := range map[string]struct {
		change func(i int, p *fakePeer)
		good   float64 // peers
		part   float64
		blamed []peer.ID
	}{
		"eight peers": {func(int, *fakePeer) {}, 8, .9, nil},
		"four of them are bad": {func(i int, p *fakePeer) {
			switch i {
			case 0:
				p.script = func(request) *answer { return &answer{stall: true} }
			case 1:
				p.script = func(r request) *answer { return &answer{blocks: within(forged, r.first, r.last)} }
			case 2:
				p.perSec = mbit
			case 3:
				p.script = func(r request) *answer {
					if r.at.Seconds()-float64(int(r.at.Seconds())) < .3 {
						return &answer{err: errReset}
					}
					return nil
				}
			}
		}, 4, .8, []peer.ID{"peer 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				net := make(fakeNet)
				for i, id := range names(8) {
					p := newPeer(chain)
					p.perSec, p.rtt = 100*mbit, 100*time.Millisecond
					tc.change(i, p)
					net[id] = p
				}
				blamed := make(map[peer.ID]error)
				cfg := config(net)
				cfg.Blame = func(b chainsync.Blame) { blamed[b.Peer] = b.Err }
				sink, began := new(fakeSink), time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				if _, err := chainsync.Forward(ctx, cfg, chainsync.Anchor{}, sink); err != nil {
					t.Fatal(err)
				}
				checkStored(t, sink.blocks, chain)
				part := float64(last) * blockSize / time.Since(began).Seconds() / tc.good / 100 / mbit
				t.Logf("%.2f of what the good peers have", part)
				if part < tc.part {
					t.Errorf("%.2f of what the good peers have, want %.2f", part, tc.part)
				}
				for _, id := range tc.blamed {
					if !errors.Is(blamed[id], chainsync.ErrWrongChain) {
						t.Errorf("%s is blamed for %v", id, blamed[id])
					}
				}
				if len(blamed) != len(tc.blamed) {
					t.Errorf("blamed %v, want %v", blamed, tc.blamed)
				}
			})
		})
	}
}
