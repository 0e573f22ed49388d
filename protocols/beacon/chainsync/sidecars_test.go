package chainsync_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// sidecarChain is a chain of all forks, of which the payload of one block was revealed too late.
var sidecarChain = sync.OnceValue(func() *beacontest.Chain { return beacontest.NewWithOrphan(orphan) })

// orphan is the slot of the block whose payload the next one does not build on.
const orphan = 8*beacontest.SlotsPerEpoch + 2

// blocksOf returns the blocks of the chain as a client has them.
func blocksOf(c *beacontest.Chain) (blocks []*beacon.Block) {
	n := beacontest.Network()
	for _, item := range c.Blocks {
		header, err := ssz.PeekBlock(item.SSZ)
		if err != nil {
			panic(err)
		}
		blocks = append(blocks, &beacon.Block{
			Slot: item.Slot, Root: item.Root, ParentRoot: header.ParentRoot,
			Fork: n.ForkAt(n.EpochOf(item.Slot)), SSZ: item.SSZ, Frames: item.Frames,
		})
	}
	return blocks
}

// A sidecarPeer answers from the chain, as far as it is let.
type sidecarPeer struct {
	columns []uint64 // of its custody
	head    ssz.Slot
	has     func(chainsync.Object) bool // nil is everything
	err     error
	stall   bool

	mu    sync.Mutex
	asked []chainsync.Object
	wrong map[any]bool // that it has sent
	lies  bool
}

// A sidecarNet is a client of such peers.
type sidecarNet map[peer.ID]*sidecarPeer

func (n sidecarNet) peers() (all []chainsync.Peer) {
	for id, p := range n {
		all = append(all, chainsync.Peer{ID: id, Columns: p.columns, Status: beacon.Status{HeadSlot: p.head}})
	}
	return all
}

// sidecarsOf yields those of some objects that a peer sends.
func sidecarsOf[T any](
	ctx context.Context, p *sidecarPeer, asked []chainsync.Object, object func(chainsync.Object) *T,
) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		p.mu.Lock()
		p.asked = append(p.asked, asked...)
		p.mu.Unlock()
		if err := sleep(ctx, 50*time.Millisecond); err != nil || p.stall {
			<-ctx.Done()
			yield(nil, ctx.Err())
			return
		}
		for _, o := range asked {
			got := object(o)
			if got == nil || p.has != nil && !p.has(o) {
				continue
			}
			if p.lies {
				p.mu.Lock()
				p.wrong[got] = true
				p.mu.Unlock()
			}
			if !yield(got, nil) {
				return
			}
		}
		if p.err != nil {
			yield(nil, p.err)
		}
	}
}

func find(items []*beacontest.Item, o chainsync.Object) *beacontest.Item {
	for _, item := range items {
		if item.Root == o.Root && item.Index == o.Index {
			return item
		}
	}
	return nil
}

func (n sidecarNet) BlobSidecarsByRoot(
	ctx context.Context, to peer.ID, ids []ssz.BlobIdentifier,
) iter.Seq2[*beacon.BlobSidecar, error] {
	var asked []chainsync.Object
	for _, id := range ids {
		asked = append(asked, chainsync.Object{Kind: beacon.KindBlobSidecar, Root: id.BlockRoot, Index: id.Index})
	}
	return sidecarsOf(ctx, n[to], asked, func(o chainsync.Object) *beacon.BlobSidecar {
		if item := find(sidecarChain().Blobs, o); item != nil {
			return &beacon.BlobSidecar{Slot: item.Slot, BlockRoot: item.Root, Index: item.Index}
		}
		return nil
	})
}

func (n sidecarNet) DataColumnSidecarsByRoot(
	ctx context.Context, to peer.ID, ids []ssz.DataColumnsByRootIdentifier,
) iter.Seq2[*beacon.DataColumnSidecar, error] {
	var asked []chainsync.Object
	for _, id := range ids {
		for _, column := range id.Columns {
			asked = append(asked, chainsync.Object{Kind: beacon.KindDataColumnSidecar, Root: id.BlockRoot, Index: column})
		}
	}
	return sidecarsOf(ctx, n[to], asked, func(o chainsync.Object) *beacon.DataColumnSidecar {
		if item := find(sidecarChain().Columns, o); item != nil {
			return &beacon.DataColumnSidecar{Slot: item.Slot, BlockRoot: item.Root, Index: item.Index}
		}
		return nil
	})
}

func (n sidecarNet) ExecutionPayloadEnvelopesByRoot(
	ctx context.Context, to peer.ID, roots []ssz.Root,
) iter.Seq2[*beacon.ExecutionPayloadEnvelope, error] {
	var asked []chainsync.Object
	for _, root := range roots {
		asked = append(asked, chainsync.Object{Kind: beacon.KindExecutionPayloadEnvelope, Root: root})
	}
	return sidecarsOf(ctx, n[to], asked, func(o chainsync.Object) *beacon.ExecutionPayloadEnvelope {
		if item := find(sidecarChain().Envelopes, o); item != nil {
			return &beacon.ExecutionPayloadEnvelope{Slot: item.Slot, BlockRoot: item.Root}
		}
		return nil
	})
}

// verify finds what peers have sent that lie.
func (n sidecarNet) verify(_ context.Context, all []chainsync.Sidecars) (wrong []chainsync.Object, err error) {
	is := func(object any) bool {
		for _, p := range n {
			p.mu.Lock()
			bad := p.wrong[object]
			p.mu.Unlock()
			if bad {
				return true
			}
		}
		return false
	}
	for _, s := range all {
		for _, b := range s.Blobs {
			if is(b) {
				wrong = append(wrong, chainsync.Object{Kind: beacon.KindBlobSidecar, Root: b.BlockRoot, Index: b.Index})
			}
		}
		for _, d := range s.Columns {
			if is(d) {
				wrong = append(wrong, chainsync.Object{Kind: beacon.KindDataColumnSidecar, Root: d.BlockRoot, Index: d.Index})
			}
		}
		if s.Envelope != nil && is(s.Envelope) {
			wrong = append(wrong, chainsync.Object{Kind: beacon.KindExecutionPayloadEnvelope, Root: s.Envelope.BlockRoot})
		}
	}
	return wrong, nil
}

// custody are the columns that are downloaded.
var custody = []uint64{0, 1, 3}

// checkSidecars checks that each block has what belongs to it.
func checkSidecars(t *testing.T, all []chainsync.Sidecars, blocks []*beacon.Block) {
	t.Helper()
	for i, b := range blocks {
		blobs, columns, envelope := 0, 0, false
		switch revealed := b.Slot != orphan; {
		case b.Fork >= ssz.Gloas && revealed:
			columns, envelope = len(custody), true
		case b.Fork == ssz.Fulu:
			columns = len(custody)
		case b.Fork == ssz.Deneb, b.Fork == ssz.Electra:
			blobs = beacontest.Blobs
		}
		s := all[i]
		if s.Block != b || len(s.Blobs) != blobs || len(s.Columns) != columns || (s.Envelope != nil) != envelope {
			t.Errorf("slot %d, %v: %d blobs, %d columns, envelope %v", b.Slot, b.Fork, len(s.Blobs), len(s.Columns), s.Envelope)
		}
		for i, c := range s.Columns {
			if c.Index != custody[i] {
				t.Errorf("slot %d: column %d at %d", b.Slot, c.Index, i)
			}
		}
	}
}

// TestFetchSidecars has the first of three peers misbehave.
func TestFetchSidecars(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*sidecarPeer)
		blame  error
	}{
		"all have all":         {func(*sidecarPeer) {}, nil},
		"it has other columns": {func(p *sidecarPeer) { p.columns = []uint64{7, 8} }, nil},
		"it lacks some": {func(p *sidecarPeer) {
			p.has = func(o chainsync.Object) bool { return o.Index == 0 }
		}, nil},
		"it limits the rate": {func(p *sidecarPeer) { p.err = errLimited }, nil},
		"it fails":           {func(p *sidecarPeer) { p.err = errReset }, nil},
		"it stalls":          {func(p *sidecarPeer) { p.stall = true }, nil},
		"it lies":            {func(p *sidecarPeer) { p.lies = true }, chainsync.ErrWrongSidecar},
		"it breaks a rule":   {func(p *sidecarPeer) { p.err = violation(errBroken) }, errBroken},
		"it is behind":       {func(p *sidecarPeer) { p.head = 30 }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				net := make(sidecarNet)
				for _, id := range names(3) {
					net[id] = &sidecarPeer{columns: custody, head: beacontest.Head, wrong: make(map[any]bool)}
				}
				first := names(1)[0]
				tc.change(net[first])
				blocks := blocksOf(sidecarChain())
				var blames []chainsync.Blame
				all, err := chainsync.FetchSidecars(t.Context(), &chainsync.SidecarConfig{
					Client: net, Network: beacontest.Network(), Peers: net.peers, Columns: custody, Verify: net.verify,
					Blame: func(b chainsync.Blame) { blames = append(blames, b) },
				}, blocks)
				if err != nil {
					t.Fatal(err)
				}
				checkSidecars(t, all, blocks)
				for _, b := range blames {
					if b.Peer != first || tc.blame == nil || !errors.Is(b.Err, tc.blame) {
						t.Errorf("blamed %s for %v", b.Peer, b.Err)
					}
				}
				if len(blames) == 0 && tc.blame != nil {
					t.Error("nobody is blamed")
				}
				checkAsked(t, net)
			})
		})
	}
}

// TestFetchSidecarsWhateverPeersDo has two good peers, and some that are wrong at random.
func TestFetchSidecarsWhateverPeersDo(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			net := make(sidecarNet)
			bad := make(map[peer.ID]bool)
			for i, id := range names(3 + r.IntN(4)) {
				p := &sidecarPeer{columns: custody, head: beacontest.Head, wrong: make(map[any]bool)}
				net[id] = p
				if i < 2 {
					continue
				}
				bad[id] = true
				p.lies, p.stall = r.IntN(3) == 0, r.IntN(3) == 0
				p.head = ssz.Slot(r.IntN(beacontest.Head))
				p.columns = custody[r.IntN(len(custody)):]
				p.err = []error{nil, errReset, errLimited, errNotThere, violation(errBroken)}[r.IntN(5)]
				odd := r.IntN(2) == 0
				p.has = func(o chainsync.Object) bool { return !odd || o.Root[0]%2 == 1 }
			}
			blocks := blocksOf(sidecarChain())
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			all, err := chainsync.FetchSidecars(ctx, &chainsync.SidecarConfig{
				Client: net, Network: beacontest.Network(), Peers: net.peers, Columns: custody, Verify: net.verify,
				Blame: func(b chainsync.Blame) {
					if !bad[b.Peer] {
						t.Errorf("seed %d: %s is blamed for %v", seed, b.Peer, b.Err)
					}
				},
			}, blocks)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			checkSidecars(t, all, blocks)
		})
	}
}

// checkAsked checks that good peers are asked for nothing twice, and for columns of their custody alone.
func checkAsked(t *testing.T, net sidecarNet) {
	t.Helper()
	for id, p := range net {
		seen := make(map[chainsync.Object]bool)
		for _, o := range p.asked {
			if o.Kind == beacon.KindDataColumnSidecar && !slices.Contains(p.columns, o.Index) {
				t.Errorf("%s was asked for %v", id, o)
			}
			if seen[o] && p.err == nil {
				t.Errorf("%s was asked for %v again", id, o)
			}
			seen[o] = true
		}
	}
}

// TestSidecarsThatNobodyHas names what is missing, and keeps what there is.
func TestSidecarsThatNobodyHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		blocks := blocksOf(sidecarChain())
		last := blocks[len(blocks)-1]
		net := make(sidecarNet)
		lacks := chainsync.Object{Kind: beacon.KindExecutionPayloadEnvelope, Root: last.Root}
		for _, id := range names(2) {
			net[id] = &sidecarPeer{columns: custody, head: beacontest.Head, has: func(o chainsync.Object) bool {
				return o.Root != lacks.Root
			}}
		}
		cfg := &chainsync.SidecarConfig{Client: net, Network: beacontest.Network(), Peers: net.peers, Columns: custody}
		all, err := chainsync.FetchSidecars(t.Context(), cfg, blocks)
		if err != nil {
			t.Errorf("error %v, though the last payload may not have been revealed", err)
		}
		checkSidecars(t, all[:len(all)-1], blocks[:len(blocks)-1])

		for _, p := range net {
			p.has = func(o chainsync.Object) bool { return o.Kind != beacon.KindBlobSidecar || o.Index > 0 }
		}
		all, err = chainsync.FetchSidecars(t.Context(), cfg, blocks)
		if !errors.Is(err, chainsync.ErrIncomplete) || len(all) != len(blocks) {
			t.Errorf("error %v, %d blocks", err, len(all))
		}
	})
}

// TestSidecarsFromServers asks real servers.
func TestSidecarsFromServers(t *testing.T) {
	t.Parallel()
	n := beacontest.Network()
	simtest.Run(t, simtest.Options{Hosts: 3, At: n.TimeAt(beacontest.Head + 1)}, func(t *testing.T, sim *simtest.Network) {
		client := sim.Hosts[0]
		var peers []chainsync.Peer
		for _, h := range sim.Hosts[1:] {
			server := beacon.NewServer(h, n, sidecarChain(), nil)
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_ = server.Stop(ctx)
			})
			simtest.Introduce(client, h)
			peers = append(peers, chainsync.Peer{
				ID: h.ID(), Columns: custody, Status: beacon.Status{HeadSlot: beacontest.Head},
			})
		}
		blocks := blocksOf(sidecarChain())
		all, err := chainsync.FetchSidecars(t.Context(), &chainsync.SidecarConfig{
			Client: beacon.NewClient(client, beacon.NewFamily(n), nil), Network: n,
			Peers: func() []chainsync.Peer { return peers }, Columns: custody,
		}, blocks)
		if err != nil {
			t.Fatal(err)
		}
		checkSidecars(t, all, blocks)
	})
}
