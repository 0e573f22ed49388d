package rangesync_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A fuluServer serves the real chain, but for what is withheld or changed.
type fuluServer struct {
	*beacontest.Chain

	withholds func(beacon.Kind, ssz.Root) bool
	lies      func(beacon.Ref) bool
	asked     func(beacon.Kind)
}

func (c *fuluServer) Sources() beacon.Sources { return beacontest.SourcesOf(c) }

func (c *fuluServer) BlobSidecarsByRoot(ctx context.Context, ids []ssz.BlobIdentifier) iter.Seq2[beacon.Ref, error] {
	c.tell(beacon.KindBlobSidecar)
	return c.without(c.Chain.BlobSidecarsByRoot(ctx, ids))
}

func (c *fuluServer) DataColumnSidecarsByRoot(
	ctx context.Context, ids []ssz.DataColumnsByRootIdentifier,
) iter.Seq2[beacon.Ref, error] {
	c.tell(beacon.KindDataColumnSidecar)
	return c.without(c.Chain.DataColumnSidecarsByRoot(ctx, ids))
}

func (c *fuluServer) tell(kind beacon.Kind) {
	if c.asked != nil {
		c.asked(kind)
	}
}

func (c *fuluServer) without(refs iter.Seq2[beacon.Ref, error]) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for ref, err := range refs {
			if c.withholds != nil && c.withholds(ref.Kind, ref.Root) {
				continue
			}
			if !yield(ref, err) {
				return
			}
		}
	}
}

func (c *fuluServer) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	frames, err := c.Chain.AppendFrames(ctx, ref, nil)
	if err != nil || c.lies == nil || !c.lies(ref) {
		return append(dst, frames...), err
	}
	encoded, err := snappy.AppendPayload(nil, bytes.NewReader(frames), ref.Size)
	if err != nil {
		return nil, err
	}
	// The first bytes of a blob, or of a column's first cell, are of a field element, of which the second is free.
	at := 8 + 1
	if ref.Kind == beacon.KindDataColumnSidecar {
		at = 356 + 1
	}
	encoded[at] ^= 1
	return snappy.AppendFrames(dst, encoded), nil
}

// custody are the columns of the syncing node.
var custody = []uint64{0, 17, 64, 127}

// simulateFulu runs f with a store that is empty and with a server of the chain, at a slot.
func simulateFulu(
	t *testing.T, at ssz.Slot, c *fuluServer, f func(t *testing.T, from rangesync.Source, s *store.Store),
) {
	t.Helper()
	t.Parallel()
	n := beacontest.FuluNetwork()
	c.Chain = beacontest.Fulu()
	key := func() []libp2p.Option {
		key, _, err := crypto.GenerateSecp256k1Key(rand.Reader)
		if err != nil {
			panic(err)
		}
		return []libp2p.Option{libp2p.Identity(key)}
	}
	simtest.Pair(t, simtest.Options{Host: key, At: n.TimeAt(at)}, func(t *testing.T, client, server host.Host) {
		srv := beacon.NewServer(server, n, c, nil)
		must(t, srv.Start())
		defer func() { _ = srv.Stop(t.Context()) }()
		s, err := store.Open(memorydb.New(), "")
		must(t, err)
		genesis, root := beacontest.FuluGenesis()
		must(t, s.SetNetwork(t.Context(), store.Network{
			Config: beacontest.FuluConfig(), GenesisTime: uint64(genesis.Unix()), GenesisValidatorsRoot: root,
		}))
		s.SetCustody(custody)
		status, err := c.Status(t.Context())
		must(t, err)
		f(t, rangesync.Source{
			Client: beacon.NewClient(client, beacon.NewFamily(n), nil), Peer: server.ID(), Status: status,
		}, s)
	})
}

// checkSidecars verifies that the store has the sidecars of some blocks in its custody, byte for byte, and no others.
func checkSidecars(t *testing.T, s *store.Store, of func(*beacontest.Item, beacon.Kind) bool) (count uint64) {
	t.Helper()
	c, sources := beacontest.Fulu(), s.Sources()
	for _, kind := range []struct {
		kind  beacon.Kind
		items []*beacontest.Item
		refs  iter.Seq2[beacon.Ref, error]
	}{
		{beacon.KindBlobSidecar, c.Blobs, sources.Blobs.BlobSidecarsByRange(t.Context(), 0, math.MaxInt64)},
		{
			beacon.KindDataColumnSidecar, c.Columns,
			sources.Columns.DataColumnSidecarsByRange(t.Context(), 0, math.MaxInt64, slices.Collect(everyColumn)),
		},
	} {
		want := slices.DeleteFunc(slices.Clone(kind.items), func(i *beacontest.Item) bool {
			return !of(i, kind.kind) || kind.kind == beacon.KindDataColumnSidecar && !slices.Contains(custody, i.Index)
		})
		count += uint64(len(want))
		for ref, err := range kind.refs {
			must(t, err)
			if len(want) == 0 || ref.Root != want[0].Root || ref.Index != want[0].Index {
				t.Fatalf("%v %d of slot %d is stored", kind.kind, ref.Index, ref.Slot)
			}
			if frames, err := s.AppendFrames(t.Context(), ref, nil); err != nil || !bytes.Equal(frames, want[0].Frames) {
				t.Fatalf("%v %d of slot %d: frames differ, %v", kind.kind, ref.Index, ref.Slot, err)
			}
			want = want[1:]
		}
		if len(want) > 0 {
			t.Fatalf("%v %d of slot %d is not stored", kind.kind, want[0].Index, want[0].Slot)
		}
	}
	return count
}

func everyColumn(yield func(uint64) bool) {
	for i := range uint64(beacon.NumberOfColumns) {
		if !yield(i) {
			return
		}
	}
}

// fuluChain are the blocks of the chain that can be sent.
func fuluChain() []*beacon.Block { return beacontest.FuluBlocks()[1:] }

// Blocks are stored with all that belongs to them, as far as peers have to serve it and the store keeps it.
func TestSidecarsAreStoredWithTheirBlocks(t *testing.T) {
	cfg := beacontest.FuluNetwork().Config()
	ended := ssz.Slot(8 * (cfg.MinEpochsForBlobSidecarsRequests + 50))
	tests := []struct {
		name      string
		at        ssz.Slot
		batch     uint64
		retention map[beacon.Kind]store.Retention
		of        func(*beacontest.Item, beacon.Kind) bool
	}{
		{
			name: "all", at: beacontest.FuluHead + 1,
			of: func(*beacontest.Item, beacon.Kind) bool { return true },
		},
		{
			name: "in small batches", at: beacontest.FuluHead + 1, batch: 7,
			of: func(*beacontest.Item, beacon.Kind) bool { return true },
		},
		{
			name: "outside the window", at: ended,
			of: func(*beacontest.Item, beacon.Kind) bool { return false },
		},
		{
			name: "outside the window in part", at: 8*(ssz.Slot(cfg.MinEpochsForDataColumnSidecarsRequests)+15) + 2,
			of: func(i *beacontest.Item, _ beacon.Kind) bool { return i.Slot >= 15*8 },
		},
		{
			name: "outside the retention", at: beacontest.FuluHead + 1,
			retention: map[beacon.Kind]store.Retention{
				beacon.KindBlobSidecar: 20, beacon.KindDataColumnSidecar: 5, beacon.KindExecutionPayloadEnvelope: 1,
			},
			of: func(i *beacontest.Item, kind beacon.Kind) bool {
				return kind == beacon.KindBlobSidecar && i.Slot >= (26-20)*8 || i.Slot >= (26-5)*8
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := false
			simulateFulu(t, tt.at, &fuluServer{asked: func(beacon.Kind) { asked = true }}, func(t *testing.T, from rangesync.Source, s *store.Store) {
				var told rangesync.Progress
				result, err := rangesync.Run(t.Context(), from, s, &rangesync.Options{
					From: 1, Batch: tt.batch, Retention: tt.retention, Progress: func(p rangesync.Progress) { told = p },
				})
				must(t, err)
				checkStored(t, s, fuluChain())
				want := checkSidecars(t, s, tt.of)
				if result.Sidecars != want || told.Sidecars != want || result.Lacking != 0 {
					t.Errorf("result %+v, progress %+v, want %d sidecars", result, told, want)
				}
				if asked != (want > 0) {
					t.Errorf("peer was asked for sidecars: %v", asked)
				}
			})
		})
	}
}

// A peer that does not have sidecars costs no blocks, and the result says how many lack theirs.
func TestPeersThatLackSidecars(t *testing.T) {
	blobs := beacontest.FuluBlobs()
	at := func(slot ssz.Slot) ssz.Root {
		i := slices.IndexFunc(fuluChain(), func(b *beacon.Block) bool { return b.Slot == slot })
		return fuluChain()[i].Root
	}
	some, other := at(blobs[3]), at(blobs[15])
	tests := []struct {
		name      string
		withholds func(beacon.Kind, ssz.Root) bool
		lacking   uint64
	}{
		{"all", func(beacon.Kind, ssz.Root) bool { return true }, uint64(len(blobs))},
		{"of a few", func(_ beacon.Kind, root ssz.Root) bool { return root == some || root == other }, 2},
		{"blobs", func(kind beacon.Kind, _ ssz.Root) bool { return kind == beacon.KindBlobSidecar }, 12},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulateFulu(t, beacontest.FuluHead+1, &fuluServer{withholds: tt.withholds}, func(t *testing.T, from rangesync.Source, s *store.Store) {
				result, err := rangesync.Run(t.Context(), from, s, &rangesync.Options{From: 1})
				must(t, err)
				checkStored(t, s, fuluChain())
				want := checkSidecars(t, s, func(i *beacontest.Item, kind beacon.Kind) bool { return !tt.withholds(kind, i.Root) })
				if result.Lacking != tt.lacking || result.Sidecars != want {
					t.Errorf("result %+v, want %d blocks that lack some of their sidecars, %d sidecars", result, tt.lacking, want)
				}
				// What is announced follows.
				if earliest, err := s.Sources().Earliest(t.Context(), beacon.KindBlobSidecar); err != nil || earliest <= blobs[3] {
					t.Errorf("blobs are held from slot %d on, %v", earliest, err)
				}
			})
		})
	}
}

// A wrong sidecar ends the sync with an error that names the peer. Neither it nor its block are stored, and another peer
// goes on from there.
func TestWrongSidecarsAreNotStored(t *testing.T) {
	for _, slot := range []ssz.Slot{beacontest.FuluBlobs()[2], beacontest.FuluBlobs()[16]} {
		t.Run(beacontest.FuluNetwork().ForkAt(beacontest.FuluNetwork().EpochOf(slot)).String(), func(t *testing.T) {
			lies := true
			c := &fuluServer{lies: func(ref beacon.Ref) bool {
				return lies && ref.Slot == slot && (ref.Kind == beacon.KindBlobSidecar || ref.Kind == beacon.KindDataColumnSidecar)
			}}
			simulateFulu(t, beacontest.FuluHead+1, c, func(t *testing.T, from rangesync.Source, s *store.Store) {
				_, err := rangesync.Run(t.Context(), from, s, &rangesync.Options{From: 1})
				e, ok := errors.AsType[*rangesync.SidecarError](err)
				if !ok || e.Peer != from.Peer || !errors.Is(err, chainsync.ErrWrongSidecar) {
					t.Fatalf("error %v", err)
				}
				head, _, _ := s.Head()
				if head >= slot || e.After != head {
					t.Errorf("stored up to slot %d, %v", head, err)
				}
				checkSidecars(t, s, func(i *beacontest.Item, _ beacon.Kind) bool { return i.Slot <= head })

				lies = false
				result, err := rangesync.Run(t.Context(), from, s, nil)
				if err != nil || result.Lacking != 0 {
					t.Errorf("result %+v, %v", result, err)
				}
				checkStored(t, s, fuluChain())
				checkSidecars(t, s, func(*beacontest.Item, beacon.Kind) bool { return true })
			})
		})
	}
}

// A sync that is interrupted while sidecars are downloaded leaves no block without them.
func TestInterruptedSyncLeavesNoBlockWithoutSidecars(t *testing.T) {
	c := new(fuluServer)
	simulateFulu(t, beacontest.FuluHead+1, c, func(t *testing.T, from rangesync.Source, s *store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		asked := 0
		c.asked = func(beacon.Kind) {
			if asked++; asked == 3 {
				cancel()
				time.Sleep(time.Second)
			}
		}
		_, err := rangesync.Run(ctx, from, s, &rangesync.Options{From: 1})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
		head, _, ok := s.Head()
		if !ok || head >= beacontest.FuluHead {
			t.Errorf("stored up to slot %d", head)
		}
		checkSidecars(t, s, func(i *beacontest.Item, _ beacon.Kind) bool { return i.Slot <= head })
	})
}
