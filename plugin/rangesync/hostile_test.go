package rangesync_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A peer whose chain does not lead to the store's is not asked for all that the store holds.
func TestComparingWithAPeerThatShowsNothingEnds(t *testing.T) {
	t.Parallel()
	held := fork(nil, 1, 1, 1990)
	tt := syncTest{
		opts: rangesync.Options{Batch: 1}, held: held, stored: held, err: rangesync.ErrDiverged,
		peer: scriptedPeer{chain: fork(fork(nil, 2, 2), 2, 1995)[1:]},
	}
	tt.check = func(t *testing.T, _ *store.Store, _ rangesync.Result, _ error) {
		// The comparisons are of 32, 64, … slots, and that of 1024 is the last.
		if n := len(tt.peer.got()); n > 2048 {
			t.Errorf("peer was asked %d times", n)
		}
	}
	tt.run(t)
}

// Blocks that are of no chain, of another fork's or not what was asked for end the sync at once, and cost none
// of what the store holds.
func TestWrongAnswersCostNothing(t *testing.T) {
	t.Parallel()
	whole, held := dev(1, 142), dev(1, 50)
	foreign := *whole[50]
	foreign.Digest = whole[140].Digest
	wrongParent := forge(51, ssz.Root{1}, 1)
	tests := []*syncTest{
		{name: "digest of another fork", peer: scriptedPeer{script: always(&answer{raw: chunk(&foreign)})}, err: beacon.ErrWrongDigest, requests: "51+64"},
		{name: "digest of no fork", peer: scriptedPeer{script: always(&answer{raw: []byte{0, 1, 2, 3, 4}})}, err: beacon.ErrUnknownDigest, requests: "51+64"},
		{name: "below the range", peer: scriptedPeer{script: always(&answer{blocks: dev(50, 50)})}, err: beacon.ErrOutOfRange, requests: "51+64"},
		{name: "above the range", peer: scriptedPeer{script: always(&answer{blocks: dev(115, 115)})}, err: beacon.ErrOutOfRange, requests: "51+64"},
		{name: "more blocks than slots", opts: rangesync.Options{Batch: 2}, peer: scriptedPeer{script: always(&answer{blocks: dev(51, 53)})}, err: reqresp.ErrTooManyChunks, stored: dev(1, 52), requests: "51+2"},
		// The peer has the parent that it ought to link to, or nothing at all.
		{name: "unknown parent", peer: scriptedPeer{script: func(r request) *answer {
			if r.start == 51 {
				return &answer{blocks: []*beacon.Block{wrongParent}}
			}
			return nil
		}}, err: rangesync.ErrGap},
		{name: "unknown parent, and nothing before", peer: scriptedPeer{script: func(r request) *answer {
			if r.start == 51 {
				return &answer{blocks: []*beacon.Block{wrongParent}}
			}
			return new(answer)
		}}, err: rangesync.ErrDiverged},
		{name: "nothing, whatever the status says", peer: scriptedPeer{script: always(new(answer))}, err: rangesync.ErrUntrusted, requests: "51+64 115+28"},
	}
	for _, tt := range tests {
		tt.held, tt.peer.chain = held, whole
		if tt.stored == nil {
			tt.stored = held
		}
	}
	runAll(t, tests)
}

// However a peer goes away, what it gave stays. If it comes back the sync goes on, else it ends.
func TestPeerThatGoesAway(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	reorganised := fork(dev(1, 60), 1, slots(61, 70)...)
	tests := []struct {
		name   string
		held   []*beacon.Block
		n      int     // which request it does not answer in full
		gives  *answer // before it goes
		stored []*beacon.Block
	}{
		{"before the first block", nil, 0, new(answer), nil},
		{"within the first block", nil, 0, &answer{raw: chunk(whole[0])[:100]}, nil},
		{"after a block", nil, 0, &answer{blocks: dev(1, 3)}, dev(1, 3)},
		{"within a later block", nil, 1, &answer{blocks: dev(65, 70), raw: chunk(whole[70])[:50]}, dev(1, 70)},
		{"before comparing", reorganised, 1, new(answer), reorganised},
		{"while comparing", reorganised, 1, &answer{blocks: dev(39, 45)}, reorganised},
		{"after going back", reorganised, 2, new(answer), dev(1, 60)},
	}
	for _, tt := range tests {
		for _, returns := range []bool{true, false} {
			name := tt.name + ", for good"
			if returns {
				name = tt.name + ", for a while"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
					peer := scriptedPeer{chain: whole}
					peer.script = func(r request) *answer {
						if r.n != tt.n {
							return nil
						}
						a := *tt.gives
						a.end = func(s network.Stream) {
							time.Sleep(time.Second) // What was sent arrives.
							if returns {
								_ = s.Conn().Close()
							} else {
								go server.Close()
							}
						}
						return &a
					}
					peer.serve(t, server)
					s := newStore(t, tt.held...)
					began := time.Now()
					_, err := rangesync.Run(t.Context(), source(client, server, peer.status()), s, &rangesync.Options{Now: afterSidecars})
					if returns {
						must(t, err)
						checkStored(t, s, whole)
						return
					}
					if f, ok := errors.AsType[*reqresp.Failure](err); !ok || errors.Is(err, reqresp.ErrViolation) || f.Peer != server.ID() {
						t.Errorf("error %v, want a failure to reach the peer", err)
					}
					if took := time.Since(began); took > 5*time.Minute {
						t.Errorf("it took %v to give the peer up", took)
					}
					checkStored(t, s, tt.stored)
				})
			})
		}
	}
}

// Peers that disagree are followed in turn, but for what a given root leads to.
func TestPeersThatDisagree(t *testing.T) {
	t.Parallel()
	a, b := dev(1, 142), fork(dev(1, 80), 2, slots(81, 150)...)
	for _, trusted := range []bool{false, true} {
		simulateServers(t, clockSlot, 2, func(t *testing.T, client host.Host, servers []host.Host) {
			s, opts := newStore(t), new(rangesync.Options)
			if trusted {
				opts.TrustedRoot = a[99].Root
			}
			peers := []*scriptedPeer{{chain: a}, {chain: b}}
			run := func(i int) error {
				_, err := rangesync.Run(t.Context(), source(client, servers[i], peers[i].status()), s, opts)
				return err
			}
			for i, p := range peers {
				p.serve(t, servers[i])
			}
			must(t, run(0))
			switch err := run(1); {
			case trusted && !errors.Is(err, rangesync.ErrDiverged):
				t.Errorf("error %v, want %v", err, rangesync.ErrDiverged)
			case !trusted && err != nil:
				t.Error(err)
			}
			want := b
			if trusted {
				want = a
			}
			checkStored(t, s, want)
		})
	}
}

// Two runs that pull a store in two directions both end, and leave one chain.
func TestConcurrentRunsThatDisagreeEnd(t *testing.T) {
	t.Parallel()
	a, b := dev(1, 142), fork(dev(1, 80), 2, slots(81, 150)...)
	simulateServers(t, clockSlot, 2, func(t *testing.T, client host.Host, servers []host.Host) {
		s := newStore(t)
		began := time.Now()
		var running sync.WaitGroup
		for i, p := range []*scriptedPeer{{chain: a}, {chain: b}} {
			p.serve(t, servers[i])
			running.Go(func() {
				// Either may find the other in its way.
				_, _ = rangesync.Run(t.Context(), source(client, servers[i], p.status()), s, &rangesync.Options{Batch: 4})
			})
		}
		running.Wait()
		if took := time.Since(began); took > 10*time.Minute {
			t.Errorf("it took %v", took)
		}
		var of [2]int
		for _, got := range blocksOf(t, s) {
			for i, chain := range [][]*beacon.Block{a[80:], b[80:]} {
				if slices.ContainsFunc(chain, func(want *beacon.Block) bool { return want.Root == got.Root }) {
					of[i]++
				}
			}
		}
		if of[0] > 0 && of[1] > 0 {
			t.Errorf("%d and %d blocks are of either chain", of[0], of[1])
		}
	})
}
