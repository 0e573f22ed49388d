package beacon_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// offeredInHeze returns the protocols that a server of a chain serves in Heze.
func offeredInHeze(t *testing.T, chain beacon.Chain) (ids []string) {
	t.Helper()
	simulate(t, func(t *testing.T, _, server host.Host) {
		serveOn(t, server, beacontest.Network(), chain, beacon.ServerOptions{Now: inSlot(beacontest.Head)})
		for _, id := range server.Mux().Protocols() {
			if rest, ok := strings.CutPrefix(string(id), beacon.ProtocolPrefix+"/"); ok {
				ids = append(ids, rest)
			}
		}
	})
	slices.Sort(ids)
	return ids
}

// A wrapper, for metrics or a cache, hides nothing of what a chain holds.
func TestWrappedChainHoldsWhatTheChainDoes(t *testing.T) {
	full := offeredInHeze(t, fullChain())
	if wrapped := offeredInHeze(t, struct{ beacon.Chain }{fullChain()}); !slices.Equal(wrapped, full) {
		t.Errorf("offers %q, want %q", wrapped, full)
	}
	var lacks []string
	blocks := offeredInHeze(t, beacontest.BlocksOnly{Chain: fullChain()})
	for _, id := range full {
		if !slices.Contains(blocks, id) {
			lacks = append(lacks, id)
		}
	}
	want := []string{
		"inclusion_lists_by_indices/1/ssz_snappy", "light_client_bootstrap/1/ssz_snappy",
		"light_client_finality_update/1/ssz_snappy", "light_client_optimistic_update/1/ssz_snappy",
		"light_client_updates_by_range/1/ssz_snappy",
	}
	if !slices.Equal(lacks, want) {
		t.Errorf("of blocks alone it does not offer %q, want %q", lacks, want)
	}
}

// A confusedChain yields blocks where it is asked for blob sidecars, and sidecars where it is asked for blocks.
type confusedChain struct{ *beacontest.Chain }

func (c confusedChain) Sources() beacon.Sources { return beacontest.SourcesOf(c) }

func (c confusedChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return c.Chain.BlobSidecarsByRange(ctx, start, count)
}

func (c confusedChain) BlobSidecarsByRoot(ctx context.Context, ids []ssz.BlobIdentifier) iter.Seq2[beacon.Ref, error] {
	return c.Chain.BlocksByRoot(ctx, []ssz.Root{ids[0].BlockRoot})
}

func TestObjectsOfAnotherKindAreNotSent(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		srv := serveOn(t, server, beacontest.Network(), confusedChain{fullChain()},
			beacon.ServerOptions{Now: inSlot(beacontest.Head), Logger: logger})
		ids := ssz.BlobSidecarsByRootRequest{{BlockRoot: fullChain().Blobs[0].Root}}
		checkAnswers(t, client, server, []unheld{
			{
				"blob sidecars for blocks", "beacon_blocks_by_range",
				encode(&ssz.BeaconBlocksByRangeRequest{StartSlot: 33, Count: 1, Step: 1}), reqresp.CodeServerError,
			},
			{"a block for blob sidecars", "blob_sidecars_by_root", encode(&ids), reqresp.CodeServerError},
		})
		must(0, srv.Stop(t.Context()))
		for _, want := range []string{"ref of a blob sidecar of slot 33 for a block", "for a blob sidecar"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q: %s", want, log.String())
			}
		}
	})
}

// An agedChain holds the kinds of objects from slots of their own on.
type agedChain struct {
	beacon.Chain
	from map[beacon.Kind]ssz.Slot
	err  error
}

func (c agedChain) Sources() beacon.Sources {
	s := c.Chain.Sources()
	s.Earliest = func(_ context.Context, kind beacon.Kind) (ssz.Slot, error) { return c.from[kind], c.err }
	return s
}

func TestEarliestSlotFollowsThoseOfAllKindsHeld(t *testing.T) {
	const blobs, columns, envelopes = beacon.KindBlobSidecar, beacon.KindDataColumnSidecar,
		beacon.KindExecutionPayloadEnvelope
	broken := errors.New("disk failure")
	simulate(t, func(t *testing.T, _, server host.Host) {
		for _, tt := range []struct {
			name string
			from map[beacon.Kind]ssz.Slot
			want ssz.Slot
			err  error
		}{
			{"all held from genesis on", nil, 0, nil},
			{"blobs from within deneb on", map[beacon.Kind]ssz.Slot{blobs: 37}, 37, nil},
			{"blobs from deneb on, before which there are none", map[beacon.Kind]ssz.Slot{blobs: 32}, 0, nil},
			{"no blobs at all, of which fulu has none", map[beacon.Kind]ssz.Slot{blobs: 70}, 48, nil},
			{"columns from within fulu on", map[beacon.Kind]ssz.Slot{blobs: 37, columns: 50}, 50, nil},
			{
				"envelopes from the head on",
				map[beacon.Kind]ssz.Slot{columns: 50, envelopes: beacontest.Head},
				beacontest.Head, nil,
			},
			{"other kinds do not count", map[beacon.Kind]ssz.Slot{beacon.KindBlock: 9, beacon.KindInclusionList: 70}, 0, nil},
			{"what cannot be read", nil, 0, broken},
		} {
			chain := agedChain{fullChain(), tt.from, tt.err}
			srv := beacon.NewServer(server, beacontest.Network(), chain, &beacon.ServerOptions{Now: inSlot(beacontest.Head)})
			status, err := srv.Status(t.Context())
			if status.EarliestAvailableSlot != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%s: got slot %d, %v, want %d, %v", tt.name, status.EarliestAvailableSlot, err, tt.want, tt.err)
			}
		}
	})
}

// A lookingChain looks for the earliest slot of its columns in steps: each answer is earlier than the one before.
type lookingChain struct {
	beacon.Chain
	slot *atomic.Uint64
}

func (c lookingChain) Sources() beacon.Sources {
	s := c.Chain.Sources()
	s.Earliest = func(_ context.Context, kind beacon.Kind) (ssz.Slot, error) {
		if kind != beacon.KindDataColumnSidecar {
			return 0, nil
		}
		return ssz.Slot(max(c.slot.Add(^uint64(0)), 50)), nil
	}
	return s
}

// A chain may take several answers to find its earliest slot. The owner waits for the last, peers are sent the first.
func TestEarliestSlotIsAskedForUntilItIsFound(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		n, chain := beacontest.Network(), lookingChain{fullChain(), new(atomic.Uint64)}
		srv := serveOn(t, server, n, chain, beacon.ServerOptions{Now: inSlot(beacontest.Head)})
		chain.slot.Store(60)
		c := beacon.NewClient(client, beacon.NewFamily(n), nil)
		ours := beacon.Status{ForkDigest: n.DigestAt(n.EpochOf(beacontest.Head))}
		if got := must(c.Status(t.Context(), server.ID(), ours)).EarliestAvailableSlot; got != 59 {
			t.Errorf("a peer is sent earliest slot %d, want 59", got)
		}
		if got := must(srv.Status(t.Context())).EarliestAvailableSlot; got != 50 {
			t.Errorf("earliest slot %d in the end, want 50", got)
		}
	})
}

// An indexedChain knows what its blocks say of their blobs, but for those before a slot.
type indexedChain struct {
	lookedChain
	from ssz.Slot
}

func (c *indexedChain) Sources() beacon.Sources {
	return beacon.Sources{BlobCommitments: func(ctx context.Context, ref beacon.Ref) (ssz.BlobCommitments, error) {
		if ref.Slot < c.from {
			return ssz.BlobCommitments{}, beacon.ErrUnavailable
		}
		b := c.bySlot[ref.Slot]
		return beacontest.FuluNetwork().PeekBlobCommitments(b.Fork, bytes.NewReader(b.SSZ), int64(len(b.SSZ)))
	}}
}

func TestBlocksWhoseCommitmentsAreKnownAreNotRead(t *testing.T) {
	simulate(t, func(t *testing.T, _, server host.Host) {
		for name, tt := range map[string]struct {
			from  ssz.Slot
			looks int64
		}{"all are known": {0, 0}, "some are not": {210, 6}} { // of slots 201, which has blobs, to 209
			chain := &indexedChain{lookedChain{memoryChain: fuluChain(215)}, tt.from}
			srv := beacon.NewServer(server, beacontest.FuluNetwork(), chain, &beacon.ServerOptions{Now: fuluNow(215)})
			want := must(beacon.NewServer(server, beacontest.FuluNetwork(), fuluChain(215),
				&beacon.ServerOptions{Now: fuluNow(215)}).Status(t.Context()))
			if got := must(srv.Status(t.Context())); got != want {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
			if got := chain.looks.Load(); got != tt.looks {
				t.Errorf("%s: %d blocks were read, want %d", name, got, tt.looks)
			}
		}
	})
}

// A readAheadChain reads the blocks of a range four at a time, by a reader of the range that each ref carries.
type readAheadChain struct {
	*memoryChain
	reads int
}

type rangeReader struct {
	refs []beacon.Ref // to be read, ascending
	read map[ssz.Root][]byte
}

func (c *readAheadChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		r := &rangeReader{read: make(map[ssz.Root][]byte)}
		for ref := range c.memoryChain.BlocksByRange(ctx, start, count) {
			r.refs = append(r.refs, ref)
		}
		for _, ref := range slices.Clone(r.refs) {
			ref.Handle = r
			if !yield(ref, nil) {
				return
			}
		}
	}
}

func (c *readAheadChain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	r := ref.Handle.(*rangeReader)
	if r.read[ref.Root] == nil {
		c.reads++
		n := min(4, len(r.refs))
		for _, next := range r.refs[:n] {
			frames, err := c.memoryChain.AppendFrames(ctx, next, nil)
			if err != nil {
				return dst, err
			}
			r.read[next.Root] = frames
		}
		r.refs = r.refs[n:]
	}
	frames := r.read[ref.Root]
	delete(r.read, ref.Root)
	return append(dst, frames...), nil
}

func TestChainReadsARangeAhead(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		chain := &readAheadChain{memoryChain: devChain()}
		serve(t, server, chain, beacon.ServerOptions{})
		connect(t, client, server)
		blocks, err := collect(newClient(client).BlocksByRange(t.Context(), server.ID(), 50, 10))
		if err != nil || !slices.Equal(slotsOf(blocks), slotRange(50, 59)) {
			t.Fatalf("slots %d, %v", slotsOf(blocks), err)
		}
		if chain.reads != 3 {
			t.Errorf("%d reads of four blocks each, want 3", chain.reads)
		}
	})
}
