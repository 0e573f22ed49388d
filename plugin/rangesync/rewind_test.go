package rangesync_test

import (
	"slices"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// anchorAt is an anchor at a block of the development chain.
func anchorAt(slot ssz.Slot, origin store.Origin) *store.Anchor {
	return &store.Anchor{Root: dev(slot, slot)[0].Root, Slot: slot, Origin: origin}
}

// Stored blocks that are not in the peer's chain.
func TestReorganisedChainIsRewound(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	long := fork(dev(1, 20), 2, slots(21, 400)...)
	gappy := fork(dev(1, 40), 2, 41, 110, 115)
	runAll(t, []*syncTest{
		{name: "last block", held: fork(dev(1, 69), 1, 70), peer: scriptedPeer{chain: whole}, stored: whole, requests: "71+64 39+32 70+64 134+9"},
		{name: "several blocks", held: fork(dev(1, 60), 1, slots(61, 70)...), peer: scriptedPeer{chain: whole}, stored: whole, requests: "71+64 39+32 61+64 125+18"},
		{
			name: "deeper than the first comparison", held: fork(dev(1, 20), 1, slots(21, 70)...), peer: scriptedPeer{chain: whole}, stored: whole,
			requests: "71+64 39+32 7+64 21+64 85+58",
		},
		{
			name: "compared several times", held: fork(dev(1, 20), 1, slots(21, 300)...), peer: scriptedPeer{chain: long}, stored: long,
			check: func(t *testing.T, _ *store.Store, r rangesync.Result, _ error) {
				if r.Blocks != 380 {
					t.Errorf("%d blocks were stored, want those from slot 21 on", r.Blocks)
				}
			},
		},
		{name: "orphan with no block instead", held: fork(dev(1, 60), 1, 61, 62, 63), peer: scriptedPeer{chain: fork(dev(1, 60), 2, 90)}, stored: fork(dev(1, 60), 2, 90), requests: "64+27 61+30"},
		{
			name: "empty slots in the first comparison", held: fork(dev(1, 40), 1, slots(41, 105)...), peer: scriptedPeer{chain: gappy}, stored: gappy,
			requests: "106+10 74+32 42+64 1+64 41+64 42+64 106+10",
		},
		{
			name: "small batches", opts: rangesync.Options{Batch: 3}, held: fork(dev(1, 60), 1, slots(61, 70)...),
			peer: scriptedPeer{chain: whole}, stored: whole,
		},
		{name: "partial answers", held: fork(dev(1, 60), 1, slots(61, 70)...), peer: scriptedPeer{chain: whole, script: atMost(5, whole)}, stored: whole},
		{name: "down to a given root", held: fork(dev(1, 64), 1, slots(65, 70)...), anchor: anchorAt(64, store.Given), peer: scriptedPeer{chain: whole}, stored: whole, requests: "71+64 64+7 65+64 129+14"},
		{
			name: "down to this run's root", held: fork(dev(1, 64), 1, slots(65, 70)...), opts: rangesync.Options{TrustedRoot: devchain.FinalizedRoot()},
			peer: scriptedPeer{chain: whole}, stored: whole,
		},
		{name: "below a peer's root", held: fork(dev(1, 64), 1, slots(65, 70)...), anchor: anchorAt(64, store.FromPeer), peer: scriptedPeer{chain: fork(dev(1, 50), 2, slots(51, 90)...)}, stored: fork(dev(1, 50), 2, slots(51, 90)...)},
		{name: "all blocks", held: fork(nil, 1, slots(1, 50)...), peer: scriptedPeer{chain: whole}, stored: whole, check: earliestIs(0)},
		{
			name: "all blocks, limited in between", held: fork(nil, 1, slots(1, 50)...), stored: whole,
			peer: scriptedPeer{chain: whole, script: func(r request) *answer {
				if r.n%2 == 1 { // which must not be the same request each time
					return &answer{raw: verdict(139, "")}
				}
				return nil
			}},
		},
	})
}

// Whatever a peer says, these blocks stay.
func TestBlocksAreNotGivenUp(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	elsewhere := fork(nil, 2, slots(1, 142)...)
	before := fork(dev(1, 60), 2, slots(61, 142)...)
	without := func(from, to ssz.Slot) scriptedPeer {
		return scriptedPeer{chain: slices.Concat(dev(1, from-1), dev(to+1, 142))}
	}
	runAll(t, []*syncTest{
		{name: "another chain before a given root", held: dev(1, 70), anchor: anchorAt(64, store.Given), peer: scriptedPeer{chain: before}, stored: dev(1, 70), err: rangesync.ErrDiverged},
		{name: "another chain before this run's root", held: dev(1, 70), opts: rangesync.Options{TrustedRoot: devchain.FinalizedRoot()}, peer: scriptedPeer{chain: before}, stored: dev(1, 70), err: rangesync.ErrDiverged},
		{name: "another chain altogether", held: dev(1, 70), anchor: anchorAt(64, store.Given), peer: scriptedPeer{chain: elsewhere}, stored: dev(1, 70), err: rangesync.ErrDiverged},
		{name: "given root at the head", held: dev(1, 64), anchor: anchorAt(64, store.Given), peer: scriptedPeer{chain: fork(dev(1, 63), 1, slots(64, 142)...)}, stored: dev(1, 64), err: rangesync.ErrDiverged},
		{name: "orphaned given root", held: dev(1, 64), anchor: anchorAt(64, store.Given), peer: scriptedPeer{chain: fork(dev(1, 60), 1, 70)}, stored: dev(1, 64), err: rangesync.ErrDiverged},
		{name: "all blocks before are left out", held: dev(1, 50), peer: scriptedPeer{chain: dev(115, 142)}, stored: dev(1, 50), err: rangesync.ErrDiverged, requests: "51+64 115+28 19+32 1+50"},
		{
			name: "range is left out", held: dev(1, 50), peer: without(51, 114), stored: dev(1, 50), err: rangesync.ErrGap,
			waits: gapWaits(3),
		},
		{name: "single block is left out", held: dev(1, 50), peer: without(51, 51), stored: dev(1, 50), err: rangesync.ErrGap},
		{
			name: "single block is left out with small batches", held: dev(1, 50), opts: rangesync.Options{Batch: 3}, peer: without(51, 51),
			stored: dev(1, 50), err: rangesync.ErrGap,
		},
		{name: "range is left out on the way", peer: without(65, 128), stored: dev(1, 64), err: rangesync.ErrGap},
		{
			name: "range is left out once", peer: scriptedPeer{chain: whole, script: once(nil, new(answer))}, stored: whole,
			requests: "1+64 65+64 129+14 33+32 65+64 129+14",
		},
		{
			name: "only the oldest are left out", peer: scriptedPeer{chain: dev(65, 142)}, stored: dev(65, 142), check: earliestIs(65),
		},
	})
}

// gapWaits are those of a peer which is asked n times until it is found to leave
// blocks out, for as often as that is tried.
func gapWaits(n int) (all []time.Duration) {
	for _, wait := range append(slices.Clone(backoffs), 0) {
		all = append(append(all, repeat(0, n-1)...), wait)
	}
	return all[:len(all)-1]
}

// A peer that shows one branch after the other never ends.
func TestPeerThatChangesItsMind(t *testing.T) {
	t.Parallel()
	a := fork(dev(1, 40), 1, slots(41, 140)...)
	b := fork(dev(1, 40), 2, slots(41, 140)...)
	tt := syncTest{
		held: a[:50],
		peer: scriptedPeer{chain: a, script: func(r request) *answer {
			if r.start == 41 {
				return nil
			}
			return &answer{blocks: within(b, r)}
		}},
		opts:   rangesync.Options{Batch: 50},
		stored: a[:90],
		err:    rangesync.ErrDiverged,
	}
	tt.check = func(t *testing.T, _ *store.Store, _ rangesync.Result, _ error) {
		if n := len(tt.peer.got()); n > 50 {
			t.Errorf("peer was asked %d times", n)
		}
	}
	tt.run(t)
}

// The peer may fail while its chain is compared.
func TestFailureWhileComparing(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	held := fork(dev(1, 60), 1, slots(61, 70)...)
	script := func(second *answer) func(request) *answer {
		return func(r request) *answer {
			if r.n == 1 {
				return second
			}
			return nil
		}
	}
	runAll(t, []*syncTest{
		{name: "server error", held: held, peer: scriptedPeer{chain: whole, script: script(&answer{raw: verdict(2, "")})}, stored: whole, requests: "71+64 39+32 39+32 61+64 125+18"},
		{name: "blocks, then server error", held: held, peer: scriptedPeer{chain: whole, script: script(&answer{blocks: dev(39, 45), raw: verdict(2, "")})}, stored: whole, requests: "71+64 39+32 46+25 61+64 125+18"},
		{name: "server errors for good", held: held, peer: scriptedPeer{chain: whole, script: func(r request) *answer {
			if r.n == 0 {
				return nil
			}
			return &answer{raw: verdict(2, "")}
		}}, stored: held, err: errAny, waits: append(seconds(0), backoffs...)},
		{name: "violation", held: held, peer: scriptedPeer{chain: whole, script: script(&answer{raw: chunk(whole[0])})}, stored: held, err: beacon.ErrOutOfRange, requests: "71+64 39+32"},
		{name: "unavailable", held: held, peer: scriptedPeer{chain: whole, script: script(&answer{raw: verdict(3, "")})}, stored: held, err: errAny, requests: "71+64 39+32"},
	})
}
