package beacon_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// errDiscarded is how a chain may say that it does not hold something any more.
var errDiscarded = fmt.Errorf("pruned: %w", beacon.ErrDiscarded)

// A discardingChain is the full chain, which discards some slots once it was asked for what is in them, as
// chains are reorganized and pruned.
type discardingChain struct {
	*beacontest.Chain
	from, to ssz.Slot
	listing  bool // blocks are discarded before they are listed
}

func (c *discardingChain) discarded(slot ssz.Slot) bool { return slot >= c.from && slot <= c.to }

func (c *discardingChain) BlocksByRange(
	ctx context.Context, start ssz.Slot, count uint64,
) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for ref, err := range c.Chain.BlocksByRange(ctx, start, count) {
			if c.listing && c.discarded(ref.Slot) {
				yield(beacon.Ref{}, errDiscarded)
				return
			}
			if !yield(ref, err) {
				return
			}
		}
	}
}

func (c *discardingChain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	if c.discarded(ref.Slot) && (ref.Kind != beacon.KindInclusionList || ref.Index == 1) {
		return dst, errDiscarded
	}
	return c.Chain.AppendFrames(ctx, ref, dst)
}

// Whatever a chain discards while it is sent, no peer is told of a server error, and nothing is logged.
func TestWhatIsDiscardedMeanwhileIsNoServerError(t *testing.T) {
	c := fullChain()
	at := func(items []*beacontest.Item, slots ...ssz.Slot) (found []*beacontest.Item) {
		for _, slot := range slots {
			found = append(found, keep(items, between(slot, slot))...)
		}
		return found
	}
	root := func(slot ssz.Slot) ssz.Root { return at(c.Blocks, slot)[0].Root }
	d, f, g := denebSlot, fuluSlot, gloasSlot
	roots := ssz.BeaconBlocksByRootRequest{root(d), root(d + 1), root(d + 2)}
	blobs := ssz.BlobSidecarsByRootRequest{
		{BlockRoot: root(d)},
		{BlockRoot: root(d + 1), Index: 1},
		{BlockRoot: root(d + 2), Index: 1},
	}
	columns := ssz.DataColumnSidecarsByRootRequest{
		{BlockRoot: root(f), Columns: []uint64{2}},
		{BlockRoot: root(f + 1), Columns: []uint64{1, 3}},
		{BlockRoot: root(f + 2), Columns: []uint64{0}},
	}
	column := func(slot ssz.Slot, index uint64) []*beacontest.Item {
		return keep(c.Columns, func(i *beacontest.Item) bool { return i.Slot == slot && i.Index == index })
	}
	envelopes := ssz.ExecutionPayloadEnvelopesByRootRequest{root(g), root(g + 1), root(g + 2)}
	bootstrap := ssz.LightClientBootstrapRequest(root(d + 1))
	lists := &ssz.InclusionListsByIndicesRequest{Slot: beacontest.Head, DependentRoot: c.Dependent, Indices: [2]byte{7}}
	head := func(slot ssz.Slot) []byte {
		return encode(&ssz.BeaconBlocksByHeadRequest{BeaconRoot: root(slot), Count: 3})
	}
	const no = reqresp.CodeResourceUnavailable
	simulate(t, func(t *testing.T, client, server host.Host) {
		for _, tt := range []struct {
			name     string
			from, to ssz.Slot // discarded
			listing  bool
			method   string
			version  int
			request  []byte
			want     []byte
			code     reqresp.Code
		}{
			{"the first of a range", d, d, false, "beacon_blocks_by_range", 2, payload(uints(uint64(d), 3, 1)), nil, no},
			{
				"the second of a range", d + 1, d + 1, false, "beacon_blocks_by_range", 2, payload(uints(uint64(d), 3, 1)),
				wireOf(at(c.Blocks, d)...), 0,
			},
			{
				"the first of a range, before it is listed", d, d, true, "beacon_blocks_by_range", 2,
				payload(uints(uint64(d), 3, 1)), nil, no,
			},
			{
				"the second, before it is listed", d + 1, d + 1, true, "beacon_blocks_by_range", 2, payload(uints(uint64(d), 3, 1)),
				wireOf(at(c.Blocks, d)...), 0,
			},
			{"by root", d + 1, d + 1, false, "beacon_blocks_by_root", 2, encode(&roots), wireOf(at(c.Blocks, d, d+2)...), 0},
			{"all by root", d, d + 2, false, "beacon_blocks_by_root", 2, encode(&roots), nil, 0},
			{"the head", d + 3, d + 3, false, "beacon_blocks_by_head", 1, head(d + 3), nil, 0},
			{"an ancestor", d + 2, d + 2, false, "beacon_blocks_by_head", 1, head(d + 3), wireOf(at(c.Blocks, d+3)...), 0},
			{
				"an ancestor, before it is listed", d + 2, d + 2, true, "beacon_blocks_by_head", 1, head(d + 3),
				wireOf(at(c.Blocks, d+3)...), 0,
			},
			{"the first blobs", d, d, false, "blob_sidecars_by_range", 1, blobRange(d, 3), nil, no},
			{"the next blobs", d + 1, d + 1, false, "blob_sidecars_by_range", 1, blobRange(d, 3), wireOf(at(c.Blobs, d)...), 0},
			{"blocks of blobs", d, d, true, "blob_sidecars_by_range", 1, blobRange(d, 3), nil, no},
			{
				"blobs by root", d + 1, d + 1, false, "blob_sidecars_by_root", 1, encode(&blobs),
				wireOf(at(c.Blobs, d)[0], at(c.Blobs, d+2)[1]), 0,
			},
			{"the first columns", f, f, false, "data_column_sidecars_by_range", 1, columnRange(f, 3, 0, 1, 2, 3), nil, no},
			{
				"the next columns", f + 1, f + 1, false, "data_column_sidecars_by_range", 1, columnRange(f, 3, 0, 1, 2, 3),
				wireOf(at(c.Columns, f)...), 0,
			},
			{
				"columns by root", f + 1, f + 1, false, "data_column_sidecars_by_root", 1, encode(&columns),
				wireOf(column(f, 2)[0], column(f+2, 0)[0]), 0,
			},
			{"the first envelope", g, g, false, "execution_payload_envelopes_by_range", 1, blobRange(g, 3), nil, no},
			{
				"the next envelope", g + 1, g + 1, false, "execution_payload_envelopes_by_range", 1, blobRange(g, 3),
				wireOf(at(c.Envelopes, g)...), 0,
			},
			{
				"envelopes by root", g + 1, g + 1, false, "execution_payload_envelopes_by_root", 1, encode(&envelopes),
				wireOf(at(c.Envelopes, g, g+2)...), 0,
			},
			{"a bootstrap", d + 1, d + 1, false, "light_client_bootstrap", 1, encode(&bootstrap), nil, no},
			{"the first update", 0, 10, false, "light_client_updates_by_range", 1, payload(uints(0, 2)), nil, no},
			{
				"the next update", 11, 100, false, "light_client_updates_by_range", 1, payload(uints(0, 2)),
				wireOf(c.Updates[0]), 0,
			},
			{"the finality update", 0, 100, false, "light_client_finality_update", 1, nil, nil, no},
			{"the optimistic update", 0, 100, false, "light_client_optimistic_update", 1, nil, nil, no},
			{
				"an inclusion list", 0, 100, false, "inclusion_lists_by_indices", 1, encode(lists),
				wireOf(c.Lists[16], c.Lists[18]), 0,
			},
		} {
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			chain := &discardingChain{c, tt.from, tt.to, tt.listing}
			srv := serveOn(t, server, beacontest.Network(), chain, beacon.ServerOptions{
				Now:    inSlot(beacontest.Head),
				Logger: logger,
			})
			got, err := ask(t, client, server, id(tt.method, tt.version), tt.request)
			if err != nil || !bytes.HasPrefix(got, tt.want) {
				t.Errorf("%s: got %d bytes, %.60x, %v, want %d first", tt.name, len(got), got, err, len(tt.want))
			} else if rest := got[len(tt.want):]; tt.code == 0 && len(rest) > 0 {
				t.Errorf("%s: ended with %x", tt.name, rest)
			} else if tt.code != 0 {
				if _, err := readVerdict(rest, tt.code); err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
			}
			must(0, srv.Stop(t.Context()))
			if log.Len() > 0 {
				t.Errorf("%s: logged %s", tt.name, &log)
			}
		}
	})
}

// A prunedChain is pruned up to a slot as soon as a block was sent.
type prunedChain struct {
	*memoryChain
	to ssz.Slot
}

func (c *prunedChain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	c.status.EarliestAvailableSlot = c.to
	return c.memoryChain.AppendFrames(ctx, ref, dst)
}

func TestAncestryEndsWherePruningHasCome(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, &prunedChain{devChain(), 59}, beacon.ServerOptions{})
		request := encode(&ssz.BeaconBlocksByHeadRequest{BeaconRoot: devBlock(60).Root, Count: 10})
		got, err := ask(t, client, server, id("beacon_blocks_by_head", 1), request)
		if want := chunks(60); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v, want the %d of slot 60 alone", len(got), err, len(want))
		}
	})
}
