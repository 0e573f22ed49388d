package chainsync_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func config(net fakeNet) *chainsync.Config {
	return &chainsync.Config{Client: net, Network: beacontest.FuluNetwork(), Peers: net.peers, Batch: 64}
}

// A direction is Forward or Backfill of a whole chain, which has no block in some slots.
type direction struct {
	name string
	run  func(context.Context, *chainsync.Config, *fakeSink) (chainsync.Progress, error)
}

const lastSlot ssz.Slot = 300

var (
	whole = chainOf(ssz.Root{}, 0, slots(1, lastSlot, 20, 21, 64, 128, 129, 130)...)
	// other is another chain from slot 11 on.
	other = append(within(whole, 1, 10), chainOf(within(whole, 10, 10)[0].Root, 1, slots(11, lastSlot)...)...)

	directions = []direction{
		{"forward", func(ctx context.Context, cfg *chainsync.Config, s *fakeSink) (chainsync.Progress, error) {
			return chainsync.Forward(ctx, cfg, chainsync.Anchor{}, s)
		}},
		{"backward", func(ctx context.Context, cfg *chainsync.Config, s *fakeSink) (chainsync.Progress, error) {
			s.backward = true
			below := chainsync.Anchor{Slot: lastSlot + 1, Root: whole[len(whole)-1].Root}
			return chainsync.Backfill(ctx, cfg, below, 1, s)
		}},
	}
)

// netOf returns peers with the chain, of which the first behaves as a script says.
func netOf(n int, change func(*fakePeer)) fakeNet {
	net := make(fakeNet)
	for _, id := range names(n) {
		net[id] = newPeer(whole)
	}
	if change != nil {
		change(net[names(1)[0]])
	}
	return net
}

func always(a answer) func(*fakePeer) {
	return func(p *fakePeer) { p.script = func(request) *answer { return &a } }
}

// once answers the first request so, and the others from the chain.
func once(f func(p *fakePeer, r request) *answer) func(*fakePeer) {
	return func(p *fakePeer) {
		p.script = func(r request) *answer {
			if r.n > 0 {
				return nil
			}
			return f(p, r)
		}
	}
}

var (
	errBroken   = errors.New("broken")
	errReset    = &reqresp.Failure{Phase: reqresp.PhaseResponse, Err: reqresp.ErrDisconnected}
	errLimited  = &reqresp.Error{Code: beacon.CodeRateLimited, Remote: true}
	errNotThere = &reqresp.Error{Code: reqresp.CodeResourceUnavailable, Remote: true}
)

// TestAttribution has one of four peers misbehave: all blocks come, and it is blamed only for what was shown.
func TestAttribution(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*fakePeer)
		blame  error // nil if nobody is blamed
	}{
		"it behaves":           {nil, nil},
		"it breaks a rule":     {always(answer{err: violation(errBroken)}), errBroken},
		"it has another chain": {func(p *fakePeer) { p.chain = other }, chainsync.ErrWrongChain},
		"it ends early": {func(p *fakePeer) {
			p.script = func(r request) *answer { return &answer{blocks: within(whole, r.first, (r.first+r.last)/2)} }
		}, chainsync.ErrLeftOut},
		"it leaves out the first blocks": {func(p *fakePeer) {
			p.script = func(r request) *answer { return &answer{blocks: within(whole, (r.first+r.last)/2, r.last)} }
		}, chainsync.ErrLeftOut},
		"it is empty":                {always(answer{}), nil},
		"it does not have the range": {always(answer{err: errNotThere}), nil},
		"it limits the rate":         {always(answer{err: errLimited}), nil},
		"it fails":                   {always(answer{err: errReset}), nil},
		"it fails once, halfway": {once(func(p *fakePeer, r request) *answer {
			return &answer{blocks: within(whole, r.first, min(r.first+3, r.last)), err: errReset}
		}), nil},
		"it stalls":           {always(answer{stall: true}), nil},
		"it stalls once":      {once(func(*fakePeer, request) *answer { return &answer{stall: true} }), nil},
		"it is slow":          {func(p *fakePeer) { p.perSec = mbit / 2 }, nil},
		"it lacks old blocks": {func(p *fakePeer) { p.earliest = 200 }, nil},
		"it is behind":        {func(p *fakePeer) { p.chain = within(whole, 1, 100) }, nil},
		"it is ahead, and fails": {func(p *fakePeer) {
			always(answer{err: errReset})(p)
			p.status = func(s *beacon.Status) { s.HeadSlot += 20 }
		}, nil},
		"it begins in the middle of a batch, and fails": {func(p *fakePeer) {
			always(answer{err: errReset})(p)
			p.earliest = 77
		}, nil},
		"its head is not ours": {func(p *fakePeer) { p.status = func(s *beacon.Status) { s.HeadRoot[0]++ } }, nil},
	} {
		for _, d := range directions {
			t.Run(d.name+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					net := netOf(4, tc.change)
					first := names(1)[0]
					var blames []chainsync.Blame
					cfg := config(net)
					cfg.Blame = func(b chainsync.Blame) { blames = append(blames, b) }
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					sink := new(fakeSink)
					progress, err := d.run(ctx, cfg, sink)
					if err != nil {
						t.Fatal(err)
					}
					checkStored(t, sink.blocks, whole)
					for _, b := range blames {
						if b.Peer != first || tc.blame == nil || !errors.Is(b.Err, tc.blame) {
							t.Errorf("blamed %s for %v", b.Peer, b.Err)
						}
					}
					if len(blames) == 0 && tc.blame != nil {
						t.Errorf("nobody is blamed, want %s for %v", first, tc.blame)
					}
					if n := uint64(len(whole)); progress.Blocks != n || progress.Bytes != n*blockSize {
						t.Errorf("progress %+v", progress)
					}
					for id, p := range net {
						if p.most > 2 {
							t.Errorf("%s had %d requests in flight", id, p.most)
						}
					}
				})
			})
		}
	}
}

// TestErrors has all peers behave alike.
func TestErrors(t *testing.T) {
	t.Parallel()
	foreign := chainOf(ssz.Root{1}, 0, slots(1, lastSlot)...)
	for name, tc := range map[string]struct {
		change func(*fakePeer)
		err    error
		within time.Duration
	}{
		"they break rules":    {always(answer{err: violation(errBroken)}), errBroken, time.Second},
		"they fail":           {always(answer{err: errReset}), reqresp.ErrDisconnected, 3 * time.Minute},
		"they lack the range": {always(answer{err: errNotThere}), chainsync.ErrNoPeer, time.Second},
		"they limit the rate": {always(answer{err: errLimited}), errLimited, 6 * time.Minute},
		"they begin later":    {func(p *fakePeer) { p.earliest = 2 }, chainsync.ErrNoPeer, time.Second},
		"they do not link":    {func(p *fakePeer) { p.chain = foreign }, chainsync.ErrNotLinked, time.Minute},
		"their clocks are ahead": {func(p *fakePeer) {
			p.status = func(s *beacon.Status) { s.HeadSlot = 1 << 40 }
		}, chainsync.ErrFuture, time.Second},
		"they are not there": {nil, chainsync.ErrNoPeer, time.Second},
	} {
		for _, d := range directions {
			t.Run(d.name+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(time.Until(beacontest.FuluNetwork().TimeAt(lastSlot + 1)))
					net := make(fakeNet)
					if tc.change != nil {
						net = netOf(2, tc.change)
						tc.change(net[names(2)[1]])
					}
					began := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					cfg, sink := config(net), new(fakeSink)
					var err error
					if d.name == "forward" {
						_, err = chainsync.Forward(ctx, cfg, chainsync.Anchor{Root: ssz.Root{9}}, sink)
					} else {
						_, err = d.run(ctx, cfg, sink)
					}
					if d.name == "backward" && name == "they begin later" {
						checkStored(t, sink.blocks, whole[1:])
					} else if len(sink.blocks) > 0 {
						t.Errorf("stored %d blocks", len(sink.blocks))
					}
					if !errors.Is(err, tc.err) {
						t.Errorf("error %v, want %v", err, tc.err)
					}
					limited, ok := errors.AsType[*chainsync.LimitedError](err)
					if ok != (tc.err == errLimited) || ok && (limited.Refusals < 5 || limited.For < 5*time.Minute) {
						t.Errorf("limits in %v", err)
					}
					if took := time.Since(began); took > tc.within {
						t.Errorf("it took %v, want at most %v", took, tc.within)
					}
				})
			})
		}
	}
}

func TestPeerThatIsAloneIsBelieved(t *testing.T) {
	t.Parallel()
	for _, d := range directions {
		synctest.Test(t, func(t *testing.T) {
			sink := new(fakeSink)
			if _, err := d.run(t.Context(), config(netOf(1, nil)), sink); err != nil {
				t.Fatal(err)
			}
			checkStored(t, sink.blocks, whole)
		})
	}
}

// TestOnlyOneHasHistory has a peer that is slow, and stalls at first, which nobody else can stand in for.
func TestOnlyOneHasHistory(t *testing.T) {
	t.Parallel()
	for _, d := range directions {
		synctest.Test(t, func(t *testing.T) {
			net := netOf(3, once(func(*fakePeer, request) *answer { return &answer{err: errReset} }))
			for i, id := range names(3) {
				net[id].perSec = mbit
				if i > 0 {
					net[id].perSec, net[id].earliest = 1000*mbit, lastSlot-10
				}
			}
			var blames []chainsync.Blame
			cfg, sink := config(net), new(fakeSink)
			cfg.Blame = func(b chainsync.Blame) { blames = append(blames, b) }
			if _, err := d.run(t.Context(), cfg, sink); err != nil {
				t.Fatal(err)
			}
			checkStored(t, sink.blocks, whole)
			if len(blames) > 0 {
				t.Errorf("blamed %v", blames)
			}
		})
	}
}

// TestHeadThatOnePeerNames has a peer name a head that it does not show.
func TestHeadThatOnePeerNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		net := netOf(3, func(p *fakePeer) { p.status = func(s *beacon.Status) { s.HeadSlot += 50_000 } })
		cfg, sink := config(net), new(fakeSink)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := chainsync.Forward(ctx, cfg, chainsync.Anchor{}, sink); err != nil {
			t.Fatal(err)
		}
		checkStored(t, sink.blocks, whole)
	})
}

// TestPeersOverlap has each peer hold a part of the chain, and one that has two of them go.
func TestPeersOverlap(t *testing.T) {
	t.Parallel()
	for _, d := range directions {
		synctest.Test(t, func(t *testing.T) {
			net, began := netOf(3, func(p *fakePeer) { p.perSec = mbit }), time.Now()
			ids := names(3)
			net[ids[1]].chain = within(whole, 1, 150)
			net[ids[2]].earliest = 140
			cfg, sink := config(net), new(fakeSink)
			cfg.Peers = func() (all []chainsync.Peer) {
				for _, p := range net.peers() {
					if p.ID != ids[0] || time.Since(began) < time.Second {
						all = append(all, p)
					}
				}
				return all
			}
			if _, err := d.run(t.Context(), cfg, sink); err != nil {
				t.Fatal(err)
			}
			checkStored(t, sink.blocks, whole)
		})
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		half := within(whole, 1, 150)
		after := chainsync.Anchor{Slot: 150, Root: half[len(half)-1].Root}
		sink := new(fakeSink)
		if _, err := chainsync.Forward(t.Context(), config(netOf(3, nil)), after, sink); err != nil {
			t.Fatal(err)
		}
		checkStored(t, sink.blocks, within(whole, 151, lastSlot))

		sink = &fakeSink{backward: true}
		below := chainsync.Anchor{Slot: 151, Root: half[len(half)-1].Root}
		if _, err := chainsync.Backfill(t.Context(), config(netOf(3, nil)), below, 50, sink); err != nil {
			t.Fatal(err)
		}
		checkStored(t, sink.blocks, within(whole, 50, 150))
	})
}

// TestPeersComeLater has no peer at first, and waits for one.
func TestPeersComeLater(t *testing.T) {
	t.Parallel()
	for _, d := range directions {
		synctest.Test(t, func(t *testing.T) {
			net, began := netOf(2, nil), time.Now()
			cfg, sink := config(net), new(fakeSink)
			cfg.Wait = time.Minute
			cfg.Peers = func() []chainsync.Peer {
				if time.Since(began) < 30*time.Second {
					return nil
				}
				return net.peers()
			}
			if _, err := d.run(t.Context(), cfg, sink); err != nil {
				t.Fatal(err)
			}
			checkStored(t, sink.blocks, whole)
		})
	}
}

// TestPaused makes no requests while it is paused.
func TestPaused(t *testing.T) {
	t.Parallel()
	for _, d := range directions {
		synctest.Test(t, func(t *testing.T) {
			net, began := netOf(2, nil), time.Now()
			cfg, sink := config(net), new(fakeSink)
			cfg.Paused = func() bool { return time.Since(began) < time.Hour }
			if _, err := d.run(t.Context(), cfg, sink); err != nil {
				t.Fatal(err)
			}
			checkStored(t, sink.blocks, whole)
			for id, p := range net {
				for _, r := range p.requests {
					if r.at < time.Hour {
						t.Errorf("%s was asked after %v", id, r.at)
					}
				}
			}
		})
	}
}

// TestSinkAndVerify end a sync by their errors, and are called in order.
func TestSinkAndVerify(t *testing.T) {
	t.Parallel()
	for _, d := range directions {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(netOf(3, nil))
			if _, err := d.run(t.Context(), cfg, &fakeSink{err: errBroken}); !errors.Is(err, errBroken) {
				t.Errorf("error %v of the sink", err)
			}
			cfg.Verify = func(context.Context, []*beacon.Block) ([]ssz.Root, error) { return nil, errBroken }
			sink := new(fakeSink)
			if _, err := d.run(t.Context(), cfg, sink); !errors.Is(err, errBroken) || len(sink.blocks) > 0 {
				t.Errorf("error %v of Verify, %d blocks stored", err, len(sink.blocks))
			}
		})
	}
}

// TestWrongSignatures has a peer change what roots do not cover.
func TestWrongSignatures(t *testing.T) {
	t.Parallel()
	wrong := make(map[*beacon.Block]bool)
	var signed []*beacon.Block
	for _, b := range whole {
		other := *b
		wrong[&other] = true
		signed = append(signed, &other)
	}
	for _, d := range directions {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(netOf(3, func(p *fakePeer) { p.chain = signed }))
			cfg.Verify = func(_ context.Context, blocks []*beacon.Block) (roots []ssz.Root, err error) {
				for _, b := range blocks {
					if wrong[b] {
						roots = append(roots, b.Root)
					}
				}
				return roots, nil
			}
			blamed := make(map[peer.ID]error)
			cfg.Blame = func(b chainsync.Blame) { blamed[b.Peer] = b.Err }
			sink := new(fakeSink)
			if _, err := d.run(t.Context(), cfg, sink); err != nil {
				t.Fatal(err)
			}
			checkStored(t, sink.blocks, whole)
			for _, b := range sink.blocks {
				if wrong[b] {
					t.Errorf("slot %d is stored with a wrong signature", b.Slot)
				}
			}
			if err := blamed[names(1)[0]]; len(blamed) != 1 || !errors.Is(err, chainsync.ErrWrongBlock) {
				t.Errorf("blamed %v", blamed)
			}
		})
	}
}

// TestCancelled leaves no request behind: synctest would find it.
func TestCancelled(t *testing.T) {
	t.Parallel()
	for _, d := range directions {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
			defer cancel()
			_, err := d.run(ctx, config(netOf(3, nil)), &fakeSink{took: time.Hour})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	net := netOf(1, nil)
	for name, change := range map[string]func(*chainsync.Config){
		"no client":         func(c *chainsync.Config) { c.Client = nil },
		"no network":        func(c *chainsync.Config) { c.Network = nil },
		"no peers":          func(c *chainsync.Config) { c.Peers = nil },
		"negative MaxBytes": func(c *chainsync.Config) { c.MaxBytes = -1 },
		"negative Wait":     func(c *chainsync.Config) { c.Wait = -1 },
	} {
		cfg := config(net)
		change(cfg)
		if _, err := chainsync.Forward(t.Context(), cfg, chainsync.Anchor{}, new(fakeSink)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	_, err := chainsync.Backfill(t.Context(), config(net), chainsync.Anchor{Slot: 9}, 1, new(fakeSink))
	if err == nil {
		t.Error("backfill from nothing: no error")
	}
}

// TestHedging has each peer pause before the last block of some answers: such batches are asked of another peer as
// well, but little is downloaded twice, and nobody is blamed.
func TestHedging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const last ssz.Slot = 6000
		chain := chainOf(ssz.Root{}, 0, slots(1, last)...)
		net := make(fakeNet)
		for _, id := range names(4) {
			p := newPeer(chain)
			p.perSec = 20 * mbit
			p.script = func(r request) *answer {
				a := &answer{blocks: within(chain, r.first, r.last)}
				if r.n%16 == 2 {
					a.pause = 20 * time.Second
				}
				return a
			}
			net[id] = p
		}
		var blamed []peer.ID
		cfg, sink := config(net), new(fakeSink)
		cfg.Blame = func(b chainsync.Blame) { blamed = append(blamed, b.Peer) }
		if _, err := chainsync.Forward(t.Context(), cfg, chainsync.Anchor{}, sink); err != nil {
			t.Fatal(err)
		}
		checkStored(t, sink.blocks, chain)
		sent := int64(0)
		for _, p := range net {
			sent += p.sent
		}
		// The last batch may be on its way twice when a tenth is reached, and single blocks are asked for as well.
		part := float64(sent)/float64(len(chain)*blockSize) - 1
		t.Logf("%.3f of what was downloaded was in vain", part)
		if part < .02 || part > .14 {
			t.Errorf("%.3f of what was downloaded was in vain, want up to a tenth", part)
		}
		if len(blamed) > 0 {
			t.Errorf("%v are blamed", blamed)
		}
	})
}

// TestMemory has the first batch stall, and the others wait for it.
func TestMemory(t *testing.T) {
	t.Parallel()
	for _, d := range directions {
		synctest.Test(t, func(t *testing.T) {
			const most = 64 * 2 * blockSize
			net := netOf(6, nil)
			sink := &fakeSink{took: time.Second}
			cfg := config(net)
			cfg.MaxBytes = most
			held := int64(0)
			cfg.Progress = func(p chainsync.Progress) {
				sent := make(map[ssz.Slot]bool)
				for _, p := range net {
					p.mu.Lock()
					maps.Copy(sent, p.slots)
					p.mu.Unlock()
				}
				held = max(held, (int64(len(sent))-int64(p.Blocks))*2*blockSize)
			}
			if _, err := d.run(t.Context(), cfg, sink); err != nil {
				t.Fatal(err)
			}
			checkStored(t, sink.blocks, whole)
			// Each request in flight may exceed it by a block, and the first by a quarter.
			if bound := int64(most + most/4 + 12*2*blockSize); held > bound {
				t.Errorf("%d bytes were held, want at most %d", held, bound)
			}
			t.Logf("%d bytes held of %d", held, most)
		})
	}
}
