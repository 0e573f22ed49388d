package lightclient_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/lightclient"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// simulate runs f with a client's host and those of peers that serve chains, in the slot after the real chain's head.
func simulate(t *testing.T, chains []beacon.Chain, f func(t *testing.T, c *beacon.Client, peers []peer.ID)) {
	t.Helper()
	n := beacontest.FuluNetwork()
	o := simtest.Options{Hosts: 1 + len(chains), At: n.TimeAt(beacontest.FuluHead + 1)}
	simtest.Run(t, o, func(t *testing.T, sim *simtest.Network) {
		client, servers := sim.Hosts[0], sim.Hosts[1:]
		simtest.Introduce(client, servers...)
		var peers []peer.ID
		for i, h := range servers {
			serve(t, h, n, chains[i])
			peers = append(peers, h.ID())
		}
		f(t, serve(t, client, n, beacon.NoChain).Client(), peers)
	})
}

func serve(t *testing.T, h host.Host, n *ssz.Network, chain beacon.Chain) *beacon.Server {
	t.Helper()
	s := beacon.NewServer(h, n, chain, nil)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Stop(ctx)
	})
	return s
}

func always(peers ...peer.ID) func() []peer.ID { return func() []peer.ID { return peers } }

// trustedRoot is the root of the real chain's first bootstrap.
func trustedRoot() ssz.Root { return beacontest.Fulu().Bootstraps[0].Root }

// checkInStep checks that a client knows what is final and the head that the last update of the real chain has.
func checkInStep(t *testing.T, v lightclient.View) {
	t.Helper()
	r := minimalRecording()
	if v.Checkpoint != r.finalized || v.Finalized.Root != r.finalized.Root {
		t.Errorf("finalized %v, want %v", v.Checkpoint, r.finalized)
	}
	if want := beacontest.Fulu().Optimistic.Slot; v.Head.Slot != want {
		t.Errorf("head in slot %d, want %d", v.Head.Slot, want)
	}
}

// A recorder counts what is asked of peers.
type recorder struct {
	lightclient.Caller
	periods    [][2]uint64 // start and count
	bootstraps []peer.ID
}

func (r *recorder) LightClientBootstrap(
	ctx context.Context, to peer.ID, root ssz.Root,
) (*beacon.LightClientBootstrap, error) {
	r.bootstraps = append(r.bootstraps, to)
	return r.Caller.LightClientBootstrap(ctx, to, root)
}

func (r *recorder) LightClientUpdatesByRange(
	ctx context.Context, to peer.ID, start, count uint64,
) iter.Seq2[*beacon.LightClientUpdate, error] {
	r.periods = append(r.periods, [2]uint64{start, count})
	return r.Caller.LightClientUpdatesByRange(ctx, to, start, count)
}

// TestSyncFollowsCommitteesToThePresent asks for the three periods before the current one and for none beyond.
func TestSyncFollowsCommitteesToThePresent(t *testing.T) {
	simulate(t, []beacon.Chain{beacontest.Fulu()}, func(t *testing.T, client *beacon.Client, peers []peer.ID) {
		r := &recorder{Caller: client}
		c := lightclient.NewClient(beacontest.FuluNetwork(), r, trustedRoot(), always(peers...), nil)
		if c.View() != (lightclient.View{}) {
			t.Errorf("view before the first sync: %v", c.View())
		}
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkInStep(t, c.View())
		if want := [][2]uint64{{0, 3}}; !slices.Equal(r.periods, want) {
			t.Errorf("asked for periods %v, want %v", r.periods, want)
		}
		// Nothing is new.
		if err := c.Sync(t.Context()); err != nil || len(r.bootstraps) != 1 {
			t.Errorf("second sync: %v, %d bootstraps asked for", err, len(r.bootstraps))
		}
		checkInStep(t, c.View())
	})
}

// TestSyncLeavesLiars has one peer that serves objects which were changed, and an honest one.
func TestSyncLeavesLiars(t *testing.T) {
	honest := beacontest.Fulu()
	for name, lie := range map[string]struct {
		change func(*beacontest.Chain)
		want   error
	}{
		"bootstrap": {func(c *beacontest.Chain) {
			c.Bootstraps = slices.Clone(c.Bootstraps)
			c.Bootstraps[0] = changedItem(c.Bootstraps[0], 4+10)
		}, lightclient.ErrCurrentCommitteeBranch},
		"update": {func(c *beacontest.Chain) {
			c.Updates = slices.Clone(c.Updates)
			c.Updates[1] = changedItem(c.Updates[1], 4+10)
		}, lightclient.ErrNextCommitteeBranch},
		"finality update": {func(c *beacontest.Chain) {
			c.Finality = changedItem(c.Finality, 4+4+7)
		}, lightclient.ErrFinalityBranch},
		"optimistic update": {func(c *beacontest.Chain) {
			c.Optimistic = changedItem(c.Optimistic, 4+4+7)
		}, lightclient.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			liar := *honest
			lie.change(&liar)
			// Peers take turns, so that the liar is the first to be asked at some time.
			chains := []beacon.Chain{&liar, honest, &liar, honest}
			simulate(t, chains, func(t *testing.T, client *beacon.Client, peers []peer.ID) {
				invalid := make(map[peer.ID]error)
				opts := &lightclient.ClientOptions{Invalid: func(id peer.ID, err error) { invalid[id] = err }}
				for range 4 {
					c := lightclient.NewClient(beacontest.FuluNetwork(), client, trustedRoot(), always(peers...), opts)
					if err := c.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
					checkInStep(t, c.View())
					peers = append(peers[1:], peers[0])
				}
				if len(invalid) != 2 {
					t.Errorf("%d peers sent something invalid, want 2", len(invalid))
				}
				for id, err := range invalid {
					if !errors.Is(err, lie.want) || !errors.Is(err, reqresp.ErrViolation) {
						t.Errorf("peer %v: %v, want %v", id, err, lie.want)
					}
				}
			})
		})
	}
}

func changedItem(i *beacontest.Item, at int) *beacontest.Item {
	changed := *i
	changed.SSZ = slices.Clone(i.SSZ)
	changed.SSZ[at] ^= 1
	changed.Frames = snappy.AppendFrames(nil, changed.SSZ)
	return &changed
}

// TestSyncIsNotHeldBackByStalePeers has two peers whose latest updates are old, and one in step.
func TestSyncIsNotHeldBackByStalePeers(t *testing.T) {
	stale := *beacontest.Fulu()
	stale.Finality = beacontest.FuluFinalityUpdates()[12]
	stale.Optimistic = beacontest.FuluOptimisticUpdates()[185]
	chains := []beacon.Chain{&stale, beacontest.Fulu(), &stale}
	simulate(t, chains, func(t *testing.T, client *beacon.Client, peers []peer.ID) {
		c := lightclient.NewClient(beacontest.FuluNetwork(), client, trustedRoot(), always(peers...), nil)
		for range 2 { // the peers that are asked first are not always in step
			if err := c.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		checkInStep(t, c.View())
	})
}

func TestSyncTellsThatNobodyServes(t *testing.T) {
	chains := []beacon.Chain{beacontest.BlocksOnly{Chain: beacontest.Fulu()}, beacon.NoChain}
	simulate(t, chains, func(t *testing.T, client *beacon.Client, peers []peer.ID) {
		n := beacontest.FuluNetwork()
		err := lightclient.NewClient(n, client, trustedRoot(), always(peers...), nil).Sync(t.Context())
		if !errors.Is(err, lightclient.ErrNotServed) || !errors.Is(err, reqresp.ErrUnsupported) {
			t.Errorf("peers that serve nothing: %v", err)
		}
		err = lightclient.NewClient(n, client, trustedRoot(), always(), nil).Sync(t.Context())
		if !errors.Is(err, lightclient.ErrNotServed) {
			t.Errorf("no peers: %v", err)
		}
	})
}

// TestSyncTellsThatNobodyHasTheBlock trusts a block that nobody has a bootstrap of.
func TestSyncTellsThatNobodyHasTheBlock(t *testing.T) {
	simulate(t, []beacon.Chain{beacontest.Fulu()}, func(t *testing.T, client *beacon.Client, peers []peer.ID) {
		c := lightclient.NewClient(beacontest.FuluNetwork(), client, ssz.Root{1}, always(peers...), nil)
		err := c.Sync(t.Context())
		if e, ok := errors.AsType[*reqresp.Error](err); !errors.Is(err, lightclient.ErrNotServed) || !ok ||
			e.Code != reqresp.CodeResourceUnavailable {
			t.Errorf("%v", err)
		}
	})
}

func TestSyncEndsWithItsContext(t *testing.T) {
	simulate(t, []beacon.Chain{beacontest.Fulu()}, func(t *testing.T, client *beacon.Client, peers []peer.ID) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c := lightclient.NewClient(beacontest.FuluNetwork(), client, trustedRoot(), always(peers...), nil)
		if err := c.Sync(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestStatusThatContradictsFinality(t *testing.T) {
	simulate(t, []beacon.Chain{beacontest.Fulu()}, func(t *testing.T, client *beacon.Client, peers []peer.ID) {
		c := lightclient.NewClient(beacontest.FuluNetwork(), client, trustedRoot(), always(peers...), nil)
		other := beacon.Status{FinalizedEpoch: beacontest.FuluFinalized, FinalizedRoot: ssz.Root{1}}
		if err := c.CheckStatus(peers[0], other); err != nil {
			t.Errorf("before anything is known: %v", err)
		}
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		honest, err := beacontest.Fulu().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			status      beacon.Status
			contradicts bool
		}{
			"the same":              {honest, false},
			"another root":          {other, true},
			"the trusted epoch":     {beacon.Status{FinalizedEpoch: 1, FinalizedRoot: trustedRoot()}, false},
			"another trusted block": {beacon.Status{FinalizedEpoch: 1, FinalizedRoot: ssz.Root{1}}, true},
			"an epoch not known":    {beacon.Status{FinalizedEpoch: 2, FinalizedRoot: ssz.Root{1}}, false},
			"a later epoch":         {beacon.Status{FinalizedEpoch: 25, FinalizedRoot: ssz.Root{1}}, false},
		} {
			e, ok := errors.AsType[*lightclient.ContradictionError](c.CheckStatus(peers[0], test.status))
			if ok != test.contradicts {
				t.Errorf("%s: contradicts: %t, want %t", name, ok, test.contradicts)
			}
			if ok && (e.Peer != peers[0] || e.Theirs.Root != test.status.FinalizedRoot || e.Ours == e.Theirs.Root) {
				t.Errorf("%s: %v", name, e)
			}
		}
	})
}

// A past answers with what the real chain's node had in the current slot.
type past struct{ asked [][2]uint64 }

var errNotYet = errors.New("not yet")

func (*past) latest(chunks []beacon.Chunk, kind beacon.Kind) (*beacon.LightClientUpdate, error) {
	r := minimalRecording()
	for _, c := range slices.Backward(chunks) {
		u, err := lightclient.DecodeUpdate(r.network, kind, c)
		must(err)
		if u.SignatureSlot <= r.network.SlotAt(time.Now()) {
			return &beacon.LightClientUpdate{Chunk: c}, nil
		}
	}
	return nil, errNotYet
}

func (*past) LightClientBootstrap(context.Context, peer.ID, ssz.Root) (*beacon.LightClientBootstrap, error) {
	return &beacon.LightClientBootstrap{Chunk: minimalRecording().bootstraps[0]}, nil
}

func (p *past) LightClientUpdatesByRange(
	_ context.Context, _ peer.ID, start, count uint64,
) iter.Seq2[*beacon.LightClientUpdate, error] {
	p.asked = append(p.asked, [2]uint64{start, count})
	return func(yield func(*beacon.LightClientUpdate, error) bool) {
		for period := start; period < start+count; period++ {
			u, err := p.latest(minimalRecording().updates[period:period+1], full)
			if !yield(u, err) || err != nil {
				return
			}
		}
	}
}

func (p *past) LightClientFinalityUpdate(context.Context, peer.ID) (*beacon.LightClientUpdate, error) {
	return p.latest(minimalRecording().finality, finality)
}

func (p *past) LightClientOptimisticUpdate(context.Context, peer.ID) (*beacon.LightClientUpdate, error) {
	return p.latest(minimalRecording().optimistic, optimistic)
}

// TestSyncStaysInStep follows the real chain slot by slot through its forks and periods.
func TestSyncStaysInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := beacontest.FuluNetwork()
		time.Sleep(time.Until(n.TimeAt(27)))
		p := new(past)
		c := lightclient.NewClient(n, p, trustedRoot(), always("a peer"), nil)
		for slot := ssz.Slot(27); slot <= beacontest.FuluHead; slot++ {
			time.Sleep(time.Until(n.TimeAt(slot)))
			if err := c.Sync(t.Context()); err != nil && !errors.Is(err, errNotYet) {
				t.Fatalf("slot %d: %v", slot, err)
			}
			if head, err := p.latest(minimalRecording().optimistic, optimistic); err == nil {
				if want := updateOf(t, n, optimistic, head.Chunk).Attested.Slot; c.View().Head.Slot < want {
					t.Errorf("slot %d: head in slot %d, want %d", slot, c.View().Head.Slot, want)
				}
			}
			if f := n.EpochOf(c.View().Finalized.Slot); slot > 40 && f+5 < n.EpochOf(slot) {
				t.Errorf("slot %d: finalized epoch %d", slot, f)
			}
		}
		checkInStep(t, c.View())
		err := c.CheckStatus("a peer", beacon.Status{FinalizedEpoch: 1, FinalizedRoot: ssz.Root{1}})
		if _, ok := errors.AsType[*lightclient.ContradictionError](err); !ok {
			t.Errorf("the trusted block is forgotten after 26 epochs: %v", err)
		}
		for i, asked := range p.asked {
			if asked[1] != 1 {
				t.Errorf("request %d is for %d periods from %d", i, asked[1], asked[0])
			}
		}
		if len(p.asked) > 4*8 { // once an epoch
			t.Errorf("%d requests for updates in four periods", len(p.asked))
		}
	})
}
