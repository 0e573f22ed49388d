package rangesync_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestDownload(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	sparse := fork(dev(1, 3), 1, 10, 20, 100, 300, 301, 900)
	late := fork(nil, 1, 150, 151)
	runAll(t, []*syncTest{
		{name: "whole chain", peer: scriptedPeer{chain: whole}, stored: whole, requests: "1+64 65+64 129+14"},
		{name: "resumed", held: dev(1, 70), peer: scriptedPeer{chain: whole}, stored: whole, requests: "71+64 135+8"},
		{name: "nothing to do", held: whole, peer: scriptedPeer{chain: whole}, stored: whole, check: gotNoRequest},
		{name: "store is ahead", held: whole, peer: scriptedPeer{chain: dev(1, 50)}, stored: whole, check: gotNoRequest},
		{name: "from a slot", opts: rangesync.Options{From: 100}, peer: scriptedPeer{chain: whole}, stored: dev(100, 142), requests: "100+43"},
		{
			name: "from the peer's earliest slot", peer: scriptedPeer{chain: dev(60, 142)}, stored: dev(60, 142), requests: "1+64 65+64 129+14",
			status: func(s *beacon.Status) { s.EarliestAvailableSlot = 60 }, check: earliestIs(60),
		},
		{
			name: "from a peer that lacks sidecars alone", peer: scriptedPeer{chain: whole}, stored: whole, requests: "1+64 65+64 129+14", check: earliestIs(0),
			status: func(s *beacon.Status) { s.EarliestAvailableSlot = 140 },
		},
		{
			name: "from a peer that lacks all sidecars", peer: scriptedPeer{chain: whole}, stored: whole, requests: "1+64 65+64 129+14", check: earliestIs(0),
			status: func(s *beacon.Status) { s.EarliestAvailableSlot = 143 },
		},
		{
			name: "from a peer that lacks all sidecars, and early blocks", stored: dev(60, 142),
			peer:     scriptedPeer{chain: dev(60, 142), script: refusesBefore(60)},
			status:   func(s *beacon.Status) { s.EarliestAvailableSlot = 143 },
			requests: "1+64 142+1 71+1 36+1 53+1 62+1 57+1 59+1 60+1 60+64 124+19",
		},
		{
			name: "from a peer that refuses everything", peer: scriptedPeer{chain: dev(60, 142), script: refusesBefore(200)},
			status: func(s *beacon.Status) { s.EarliestAvailableSlot = 143 }, err: errAny, requests: "1+64 142+1",
		},
		{
			name: "from the earliest slot of a peer that refuses others", stored: dev(60, 142),
			peer: scriptedPeer{chain: dev(60, 142), script: refusesBefore(60)}, requests: "1+64 60+64 124+19",
			status: func(s *beacon.Status) { s.EarliestAvailableSlot = 60 },
		},
		{name: "single block", peer: scriptedPeer{chain: dev(1, 1)}, stored: dev(1, 1), requests: "1+1"},
		{name: "batch of one", opts: rangesync.Options{Batch: 1}, peer: scriptedPeer{chain: dev(1, 3)}, stored: dev(1, 3), requests: "1+1 2+1 3+1"},
		{name: "largest batch", opts: rangesync.Options{Batch: 128}, peer: scriptedPeer{chain: whole}, stored: whole, requests: "1+128 129+14"},
		{name: "partial answers", peer: scriptedPeer{chain: dev(1, 30), script: atMost(8, dev(1, 30))}, stored: dev(1, 30), requests: "1+30 9+22 17+14 25+6"},
		{
			name: "empty slots", peer: scriptedPeer{chain: sparse}, stored: sparse,
			requests: "1+64 21+64 85+64 101+64 165+64 229+64 293+64 302+64 366+64 430+64 494+64 558+64 622+64 686+64 750+64 814+64 878+23",
		},
		{
			name: "more than a thousand empty answers, but not in a row", opts: rangesync.Options{Batch: 1},
			peer: scriptedPeer{chain: fork(nil, 1, 1, 600, 1200)}, stored: fork(nil, 1, 1, 600, 1200),
		},
		{name: "empty slots and partial answers", peer: scriptedPeer{chain: sparse, script: atMost(1, sparse)}, stored: sparse},
		{
			name: "empty slots at the beginning", peer: scriptedPeer{chain: late}, stored: late, requests: "1+64 65+64 129+23",
			check: earliestIs(150),
		},
		{name: "empty slots in the first answer", peer: scriptedPeer{chain: fork(nil, 1, 5)}, stored: fork(nil, 1, 5), check: earliestIs(5)},
		{
			// The chain links up to any root given. What the peer has left out before it nobody can know.
			name: "first slots are left out", opts: rangesync.Options{TrustedRoot: devchain.HeadRoot()}, peer: scriptedPeer{chain: dev(40, 142)},
			stored: dev(40, 142), check: earliestIs(40),
		},
		{name: "from a slot that is held", opts: rangesync.Options{From: 50}, held: dev(40, 70), peer: scriptedPeer{chain: whole}, stored: dev(40, 142)},
		{
			name: "from a slot below the store", opts: rangesync.Options{From: 39}, held: dev(40, 70), peer: scriptedPeer{chain: whole, script: unasked(t)},
			stored: dev(40, 70), err: rangesync.ErrBackfill,
		},
		{
			name: "head beyond what is served", peer: scriptedPeer{chain: whole}, stored: whole,
			status: func(s *beacon.Status) { s.HeadSlot = 400 }, requests: "1+64 65+64 129+64 143+64 207+64 271+64 335+64 399+2",
		},
		{
			name: "last slot that the clock allows", peer: scriptedPeer{chain: whole}, stored: whole,
			status: func(s *beacon.Status) { s.HeadSlot = clockSlot + 30 },
		},
		{
			name: "clock before genesis", clock: beforeGenesis, peer: scriptedPeer{chain: whole}, stored: whole,
		},
	})
}

// refusesBefore has a peer answer with ResourceUnavailable to ranges that begin before a slot.
func refusesBefore(slot ssz.Slot) func(request) *answer {
	return func(r request) *answer {
		if r.start >= slot {
			return nil
		}
		return &answer{raw: verdict(reqresp.CodeResourceUnavailable, "no")}
	}
}

func gotNoRequest(t *testing.T, _ *store.Store, result rangesync.Result, _ error) {
	if result.Blocks != 0 || result.Bytes != 0 {
		t.Errorf("result %+v, want no blocks", result)
	}
}

func earliestIs(want ssz.Slot) func(*testing.T, *store.Store, rangesync.Result, error) {
	return func(t *testing.T, _ *store.Store, result rangesync.Result, _ error) {
		if result.Earliest != want {
			t.Errorf("earliest slot %d, want %d", result.Earliest, want)
		}
	}
}

func TestPeerThatCannotBeBelieved(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	head := func(slot ssz.Slot) func(*beacon.Status) { return func(s *beacon.Status) { s.HeadSlot = slot } }
	noEarliest := func(t *testing.T, s *store.Store, _ rangesync.Result, _ error) {
		if earliest := s.Info().Earliest; earliest != 0 {
			t.Errorf("earliest slot %d was recorded", earliest)
		}
	}
	empty := &syncTest{name: "empty answers up to 2^64-1", clock: beforeGenesis, status: head(math.MaxUint64), err: rangesync.ErrGap}
	empty.check = func(t *testing.T, s *store.Store, result rangesync.Result, err error) {
		noEarliest(t, s, result, err)
		if n := len(empty.peer.got()); n != 1024 {
			t.Errorf("peer was asked %d times, want 1024", n)
		}
	}
	runAll(t, []*syncTest{
		{name: "head after the clock", peer: scriptedPeer{script: unasked(t)}, status: head(clockSlot + 31), err: rangesync.ErrFuture, check: noEarliest},
		{name: "head at 2^63", peer: scriptedPeer{script: unasked(t)}, status: head(1 << 63), err: rangesync.ErrFuture},
		{name: "head at 2^64-1", peer: scriptedPeer{script: unasked(t)}, status: head(math.MaxUint64), err: rangesync.ErrFuture},
		{
			name: "finalized epoch after the clock", peer: scriptedPeer{chain: whole, script: unasked(t)}, err: rangesync.ErrFuture,
			status: func(s *beacon.Status) { s.FinalizedEpoch = math.MaxUint64 },
		},
		empty,
		{
			name: "blocks, then empty answers up to 2^64-1", clock: beforeGenesis, peer: scriptedPeer{chain: whole},
			status: head(math.MaxUint64), stored: whole, err: rangesync.ErrGap,
		},
		{name: "empty answers up to the clock", status: head(clockSlot), err: rangesync.ErrUntrusted, check: noEarliest},
		{name: "head at genesis", status: head(0), err: errAny},
		{name: "earliest slot above the head", status: func(s *beacon.Status) { s.HeadSlot, s.EarliestAvailableSlot = 5, 6 }, err: errAny},
	})
}

func unasked(t *testing.T) func(request) *answer {
	return func(r request) *answer {
		t.Errorf("peer was asked for %v", r)
		return new(answer)
	}
}

func TestBlocksBeforeAViolationAreStored(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	garbage := func(raw ...byte) *answer { return &answer{blocks: dev(1, 5), raw: raw} }
	other := fork(dev(1, 5), 1, 7)
	tests := []*syncTest{
		{name: "unknown digest", peer: scriptedPeer{script: once(garbage(0, 1, 2, 3, 4))}, err: beacon.ErrUnknownDigest},
		{name: "truncated chunk", peer: scriptedPeer{script: once(garbage(chunk(whole[5])[:200]...))}, err: reqresp.ErrViolation},
		{name: "slot again", peer: scriptedPeer{script: once(garbage(chunk(whole[4])...))}, err: beacon.ErrSlotOrder},
		{name: "slot left out", peer: scriptedPeer{script: once(garbage(chunk(whole[6])...))}, err: beacon.ErrNotLinked},
		{name: "outside the range", peer: scriptedPeer{script: once(garbage(chunk(whole[100])...))}, err: beacon.ErrOutOfRange},
		{name: "foreign branch", peer: scriptedPeer{script: once(garbage(append(chunk(whole[5]), chunk(other[5])...)...))}, err: beacon.ErrNotLinked},
	}
	for _, tt := range tests {
		tt.peer.chain = whole
		tt.stored = dev(1, 5)
		if tt.name == "foreign branch" {
			tt.stored = dev(1, 6)
		}
		tt.requests = "1+64"
	}
	runAll(t, tests)
}

func TestStopsAtOnce(t *testing.T) {
	t.Parallel()
	tests := []*syncTest{
		{name: "invalid request", peer: scriptedPeer{script: always(&answer{blocks: dev(1, 2), raw: verdict(1, "bad")})}},
		{name: "resource unavailable", peer: scriptedPeer{script: always(&answer{blocks: dev(1, 2), raw: verdict(3, "pruned")})}},
		{name: "unknown verdict", peer: scriptedPeer{script: always(&answer{blocks: dev(1, 2), raw: verdict(77, "?")})}},
	}
	for _, tt := range tests {
		tt.peer.chain = dev(1, 142)
		tt.stored, tt.requests, tt.err = dev(1, 2), "1+64", errAny
		tt.check = func(t *testing.T, _ *store.Store, _ rangesync.Result, err error) {
			if e, ok := errors.AsType[*reqresp.Error](err); !ok || !e.Remote {
				t.Errorf("error %v, want the peer's", err)
			}
		}
	}
	runAll(t, tests)
}

func TestPeerThatDoesNotServeBlocks(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		peer := scriptedPeer{chain: dev(1, 10)}
		began := time.Now()
		_, err := rangesync.Run(t.Context(), source(client, server, peer.status()), newStore(t), nil)
		if !errors.Is(err, reqresp.ErrUnsupported) || time.Since(began) > slack {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		peer := scriptedPeer{chain: dev(1, 10), script: unasked(t)}
		peer.serve(t, server)
		for want, opts := range map[string]rangesync.Options{
			"batch of 129 slots: the network allows 1 to 128": {Batch: 129},
			"begin at slot 11: the peer's head is at slot 10": {From: 11},
		} {
			_, err := rangesync.Run(t.Context(), source(client, server, peer.status()), newStore(t), &opts)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one with %q", err, want)
			}
		}
	})
}

func TestProgressAndResultCount(t *testing.T) {
	t.Parallel()
	var all []rangesync.Progress
	var size uint64
	for _, b := range dev(1, 142) {
		size += uint64(len(b.SSZ))
	}
	test := syncTest{
		peer:   scriptedPeer{chain: dev(1, 142), script: once(&answer{blocks: dev(1, 3), raw: verdict(2, "")})},
		stored: dev(1, 142),
		opts:   rangesync.Options{Progress: func(p rangesync.Progress) { all = append(all, p) }},
	}
	test.check = func(t *testing.T, _ *store.Store, r rangesync.Result, _ error) {
		want := rangesync.Result{
			Blocks: 142, Bytes: size, Lacking: 42, Last: 142, Head: devchain.HeadRoot(),
			Trusted: devchain.HeadRoot(), TrustedSlot: 142, Trust: rangesync.TrustHead,
		}
		if r != want {
			t.Errorf("result %+v\nwant   %+v", r, want)
		}
		var seen []ssz.Slot
		for _, p := range all {
			seen = append(seen, p.Slot)
			if p.Target != 142 || p.Blocks != uint64(p.Slot) {
				t.Errorf("progress %+v", p)
			}
		}
		if want := []ssz.Slot{3, 67, 131, 142}; !slices.Equal(seen, want) || all[3].Bytes != size {
			t.Errorf("progress %+v, want slots %v", all, want)
		}
	}
	test.run(t)
}

// A peer that resets the stream after some blocks.
func TestBlocksBeforeAResetAreStored(t *testing.T) {
	t.Parallel()
	tt := syncTest{
		peer: scriptedPeer{
			chain: dev(1, 20),
			script: once(&answer{blocks: dev(1, 7), end: func(s network.Stream) {
				time.Sleep(time.Second) // virtual: lets the blocks arrive
				_ = s.Reset()
			}}),
		},
		stored:   dev(1, 20),
		requests: "1+20 8+13",
		waits:    []time.Duration{3 * time.Second},
	}
	tt.run(t)
}
