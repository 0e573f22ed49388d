package lightclient_test

import (
	"context"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/lightclient"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A worldPeer serves what there is in a world, of which the first slot of the third epoch of each period is empty, so
// that the finalized block is not the first of its epoch.
type worldPeer struct {
	*world
	current bool        // whether there is an update of the current period
	periods [][2]uint64 // asked for
	at      []ssz.Slot  // in which updates were asked for
	latest  map[beacon.Kind]int
	asked   map[peer.ID]bool // for a finality update
}

func newWorldPeer(current bool) *worldPeer {
	return &worldPeer{
		world: newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0), current: current,
		latest: make(map[beacon.Kind]int), asked: make(map[peer.ID]bool),
	}
}

func (p *worldPeer) trusted() *block { return p.block(8, nil) }

// finalized is the block that is final from the sixth epoch of a period on.
func (p *worldPeer) finalized(period uint64) *block {
	return p.block(ssz.Slot(period)*p.period+15, nil)
}

func (p *worldPeer) of(kind beacon.Kind, period uint64) *beacon.LightClientUpdate {
	finalized := p.finalized(period)
	r := recipe{kind: kind, attested: p.block(ssz.Slot(period)*p.period+40, finalized), finalized: finalized}
	return &beacon.LightClientUpdate{Chunk: p.update(r)}
}

func (p *worldPeer) now() uint64 { return p.periodOf(p.SlotAt(time.Now())) }

func (p *worldPeer) LightClientBootstrap(context.Context, peer.ID, ssz.Root) (*beacon.LightClientBootstrap, error) {
	return &beacon.LightClientBootstrap{Chunk: p.bootstrap(p.trusted())}, nil
}

func (p *worldPeer) LightClientUpdatesByRange(
	_ context.Context, _ peer.ID, start, count uint64,
) iter.Seq2[*beacon.LightClientUpdate, error] {
	p.periods = append(p.periods, [2]uint64{start, count})
	p.at = append(p.at, p.SlotAt(time.Now()))
	return func(yield func(*beacon.LightClientUpdate, error) bool) {
		for period := start; period < start+count && (period < p.now() || p.current); period++ {
			if !yield(p.of(full, period), nil) {
				return
			}
		}
	}
}

func (p *worldPeer) LightClientFinalityUpdate(_ context.Context, id peer.ID) (*beacon.LightClientUpdate, error) {
	p.asked[id] = true
	p.latest[finality]++
	return p.of(finality, p.now()), nil
}

func (p *worldPeer) LightClientOptimisticUpdate(context.Context, peer.ID) (*beacon.LightClientUpdate, error) {
	p.latest[optimistic]++
	return p.of(optimistic, p.now()), nil
}

// client returns a client that asks the world, at a slot of a period.
func (p *worldPeer) client(period, slot ssz.Slot, peers ...peer.ID) *lightclient.Client {
	time.Sleep(time.Until(p.TimeAt(period*p.period + slot)))
	return lightclient.NewClient(p.Network, p, p.trusted().root(), always(peers...), nil)
}

// TestSyncFollowsManyPeriods follows 300 periods, 128 a request, and forgets the oldest of their checkpoints.
func TestSyncFollowsManyPeriods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newWorldPeer(true)
		c := p.client(300, 50, "a peer")
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := [][2]uint64{{0, 128}, {128, 128}, {256, 44}}; !slices.Equal(p.periods, want) {
			t.Errorf("asked for periods %v, want %v", p.periods, want)
		}
		if v := c.View(); v.Finalized.Root != p.finalized(300).root() || v.Head.Slot != 300*p.period+40 {
			t.Errorf("finalized slot %d, head in slot %d", v.Finalized.Slot, v.Head.Slot)
		}
		// The finalized block of a period is in the second epoch, and that of the checkpoint of the third.
		for epoch, known := range map[ssz.Epoch]bool{10*8 + 2: false, 200*8 + 2: true, 200*8 + 1: false, 300*8 + 2: true} {
			err := c.CheckStatus("a peer", beacon.Status{FinalizedEpoch: epoch, FinalizedRoot: ssz.Root{1}})
			if (err != nil) != known {
				t.Errorf("another root in epoch %d: %v", epoch, err)
			}
		}
	})
}

// TestNextCommitteeIsAskedForOnceAnEpoch has clients enter a period whose update nobody has yet.
func TestNextCommitteeIsAskedForOnceAnEpoch(t *testing.T) {
	first := make(map[ssz.Slot]bool)
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			p := newWorldPeer(false)
			c := p.client(3, 0, "a peer")
			for slot := range p.period {
				time.Sleep(time.Until(p.TimeAt(3*p.period + slot)))
				if err := c.Sync(t.Context()); err != nil && slot >= 41 {
					t.Fatalf("slot %d: %v", slot, err)
				}
			}
			at := p.at[1:] // the first request is for the periods before
			for i := range at {
				if i == 0 {
					first[at[i]%p.period] = true
				} else if got := at[i] - at[i-1]; got != 8 {
					t.Errorf("asked again after %d slots, want an epoch", got)
				}
			}
			for _, asked := range p.periods[1:] {
				if asked != [2]uint64{3, 1} {
					t.Errorf("asked for periods %v", asked)
				}
			}
		})
	}
	if len(first) < 5 {
		t.Errorf("20 clients asked first in %d different slots", len(first))
	}
}

// TestFewPeersAreAskedWhenNothingIsNew has ten peers.
func TestFewPeersAreAskedWhenNothingIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newWorldPeer(true)
		c := p.client(1, 50, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
		for i, want := range []int{1, 1 + 3} {
			if err := c.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if p.latest[finality] != want || p.latest[optimistic] != 3*(i+1) {
				t.Errorf("sync %d: %v requests for latest updates", i, p.latest)
			}
		}
		for range 10 {
			if err := c.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(p.asked) != 10 {
			t.Errorf("%d of 10 peers were asked in 12 syncs", len(p.asked))
		}
	})
}
