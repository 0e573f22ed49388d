package beacon_test

import (
	"bytes"
	"context"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// An endlessSource yields objects without end, each of another block than the one before, and notes
// how many were taken, and how many were asked for by name.
type endlessSource struct {
	*beacontest.Chain
	taken, named int
}

// endless yields refs of an item without end, by range or in a row. How many were taken counts the one that nobody
// wanted any more.
func (s *endlessSource) endless(kind beacon.Kind, item *beacontest.Item) iter.Seq2[beacon.Ref, error] {
	s.taken = 0
	ref := beacon.Ref{Kind: kind, Slot: item.Slot, Size: len(item.SSZ), Handle: item}
	return func(yield func(beacon.Ref, error) bool) {
		for s.taken = 1; ; s.taken++ {
			ref.Root = ssz.Root{byte(s.taken), byte(s.taken >> 8)}
			if !yield(ref, nil) {
				return
			}
		}
	}
}

func (s *endlessSource) Sources() beacon.Sources { return beacontest.SourcesOf(s) }

func (s *endlessSource) BlocksByRange(context.Context, ssz.Slot, uint64) iter.Seq2[beacon.Ref, error] {
	return s.endless(beacon.KindBlock, s.Blocks[0])
}

func (s *endlessSource) BlocksByRoot(_ context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	s.named = len(roots)
	return nothing
}

func (s *endlessSource) BlobSidecarsByRange(context.Context, ssz.Slot, uint64) iter.Seq2[beacon.Ref, error] {
	return s.endless(beacon.KindBlobSidecar, s.Blobs[0])
}

func (s *endlessSource) BlobSidecarsByRoot(_ context.Context, ids []ssz.BlobIdentifier) iter.Seq2[beacon.Ref, error] {
	s.named = len(ids)
	return nothing
}

func (s *endlessSource) DataColumnSidecarsByRange(
	context.Context, ssz.Slot, uint64, []uint64,
) iter.Seq2[beacon.Ref, error] {
	return s.endless(beacon.KindDataColumnSidecar, s.Columns[0])
}

func (s *endlessSource) DataColumnSidecarsByRoot(
	_ context.Context, ids []ssz.DataColumnsByRootIdentifier,
) iter.Seq2[beacon.Ref, error] {
	s.named = 0
	for _, id := range ids {
		s.named += len(id.Columns)
	}
	return nothing
}

func (s *endlessSource) ExecutionPayloadEnvelopesByRange(
	context.Context, ssz.Slot, uint64,
) iter.Seq2[beacon.Ref, error] {
	return s.endless(beacon.KindExecutionPayloadEnvelope, s.Envelopes[0])
}

func (s *endlessSource) ExecutionPayloadEnvelopesByRoot(
	_ context.Context, roots []ssz.Root,
) iter.Seq2[beacon.Ref, error] {
	s.named = len(roots)
	return nothing
}

func (s *endlessSource) LightClientUpdates(context.Context, uint64, uint64) iter.Seq2[beacon.Ref, error] {
	return s.endless(beacon.KindLightClientUpdate, s.Updates[0])
}

func (s *endlessSource) InclusionLists(context.Context, ssz.Slot, ssz.Root, [2]byte) iter.Seq2[beacon.Ref, error] {
	return s.endless(beacon.KindInclusionList, s.Lists[0])
}

// scarceNetwork is the network of the full chain with small maxima.
func scarceNetwork() *ssz.Network {
	n := beacontest.Network()
	cfg := n.Config()
	cfg.MaxRequestBlocks, cfg.MaxRequestBlocksDeneb, cfg.MaxRequestPayloads = 5, 3, 2
	return must(ssz.NewNetwork(cfg, n.GenesisTime(), n.GenesisValidatorsRoot()))
}

// What a peer may ask for has no bound by range. What is taken of a source, and what it is asked for by
// name, has that of the protocol.
func TestSourcesAreAskedForNoMoreThanTheMaxima(t *testing.T) {
	const all = math.MaxUint64
	columns := make([]uint64, 128)
	for i := range columns {
		columns[i] = uint64(i)
	}
	roots := make([]ssz.Root, 4)
	for _, tt := range []struct {
		id      protocol.ID
		request []byte
		want    int // objects taken
		named   int // objects named at most; requests for one more are refused
		tooMany []byte
	}{
		{id: id("beacon_blocks_by_range", 2), request: payload(uints(0, all, 1)), want: 3},
		{id: id("beacon_blocks_by_range", 2), request: payload(uints(0, all, 2)), want: 1},
		{id: id("beacon_blocks_by_range", 1), request: payload(uints(0, all, 1)), want: 3},
		{
			id: id("beacon_blocks_by_root", 2), request: encode((*ssz.BeaconBlocksByRootRequest)(new(roots[:3]))), named: 3,
			tooMany: encode((*ssz.BeaconBlocksByRootRequest)(&roots)),
		},
		{
			id: id("beacon_blocks_by_root", 1), request: encode((*ssz.BeaconBlocksByRootRequest)(new(roots[:3]))), named: 3,
			tooMany: encode((*ssz.BeaconBlocksByRootRequest)(&roots)),
		},
		// the fourth block's first is looked at
		{id: id("blob_sidecars_by_range", 1), request: payload(uints(0, all)), want: 4},
		{
			id: id("blob_sidecars_by_root", 1), request: encode(new(make(ssz.BlobSidecarsByRootRequest, 27))), named: 27,
			tooMany: encode(new(make(ssz.BlobSidecarsByRootRequest, 28))),
		},
		{
			id:      id("data_column_sidecars_by_range", 1),
			request: encode(&ssz.DataColumnSidecarsByRangeRequest{StartSlot: fuluSlot, Count: 1 << 60, Columns: columns}),
			want:    4,
		},
		{
			id:      id("data_column_sidecars_by_root", 1),
			request: encode(&ssz.DataColumnSidecarsByRootRequest{{Columns: columns}, {Columns: columns}, {Columns: columns}}),
			named:   3 * 128,
			tooMany: encode(&ssz.DataColumnSidecarsByRootRequest{
				{Columns: columns},
				{Columns: columns},
				{Columns: columns},
				{Columns: columns[:1]},
			}),
		},
		{id: id("light_client_updates_by_range", 1), request: payload(uints(0, all)), want: 128},
		{id: id("execution_payload_envelopes_by_range", 1), request: payload(uints(0, all)), want: 2},
		{
			id:      id("execution_payload_envelopes_by_root", 1),
			request: encode((*ssz.ExecutionPayloadEnvelopesByRootRequest)(new(roots[:2]))), named: 2,
			tooMany: encode((*ssz.ExecutionPayloadEnvelopesByRootRequest)(new(roots[:3]))),
		},
		{
			id:      id("inclusion_lists_by_indices", 1),
			request: encode(&ssz.InclusionListsByIndicesRequest{Slot: beacontest.Head, Indices: [2]byte{255, 255}}), want: 16,
		},
	} {
		simulate(t, func(t *testing.T, client, server host.Host) {
			source := &endlessSource{Chain: fullChain()}
			now := inSlot(beacontest.Head)
			if tt.id == id("beacon_blocks_by_range", 1) {
				now = inSlot(denebSlot)
			}
			serveOn(t, server, scarceNetwork(), source, beacon.ServerOptions{Now: now})
			if _, err := ask(t, client, server, tt.id, tt.request); err != nil || source.taken != tt.want ||
				source.named != tt.named {
				t.Errorf("%s: %d objects were taken and %d named, %v, want %d and %d", tt.id, source.taken, source.named, err,
					tt.want, tt.named)
			}
			if tt.tooMany == nil {
				return
			}
			source.named = 0
			got, err := ask(t, client, server, tt.id, tt.tooMany)
			if _, verr := readVerdict(got, reqresp.CodeInvalidRequest); err != nil || verr != nil || source.named != 0 {
				t.Errorf("%s: one more than the maximum: %v, %v, %d named", tt.id, err, verr, source.named)
			}
		})
	}
}

// The first block of a range is served however many slots are empty before it, and whatever is asked
// for, and no more blocks are than the maximum.
func TestEmptySlotsDoNotCount(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		blocks := slices.DeleteFunc(slices.Clone(devBlocks()),
			func(b *beacon.Block) bool { return b.Slot > 50 && b.Slot < 80 })
		serveOn(t, server, devNetworkFrom(strings.Replace(devConfig, "MAX_REQUEST_BLOCKS_DENEB: 128",
			"MAX_REQUEST_BLOCKS_DENEB: 2", 1)), newMemoryChain(beacon.Status{}, blocks), beacon.ServerOptions{})
		for _, tt := range []struct {
			start, count uint64
			want         []ssz.Slot
		}{
			{51, math.MaxUint64 - 51, slotRange(80, 81)},
			{51, 30, slotRange(80, 80)},
			{51, 29, nil},
			{50, 31, []ssz.Slot{50, 80}},
		} {
			if got, err := ask(t, client, server, idByRange, payload(uints(tt.start, tt.count, 1))); err != nil ||
				!bytes.Equal(got, chunks(tt.want...)) {
				t.Errorf("%d slots from %d: got %d bytes, %v, want the %d of slots %d", tt.count, tt.start, len(got), err,
					len(chunks(tt.want...)), tt.want)
			}
		}
	})
}

// The ancestry of a block leads along its own branch to the canonical chain, and across empty slots.
func TestAncestryOfAnyBranch(t *testing.T) {
	forked := newMemoryChain(beacon.Status{}, devBlocks())
	for slot := ssz.Slot(61); slot <= headSlot; slot++ {
		delete(forked.bySlot, slot) // what is left is the canonical chain
	}
	forked.status.HeadSlot, forked.status.HeadRoot = 60, devBlock(60).Root
	orphan := newMemoryChain(beacon.Status{}, devBlocks())
	delete(orphan.byRoot, devBlock(61).Root)
	clear(orphan.bySlot)
	for _, tt := range []struct {
		name  string
		chain *memoryChain
		head  ssz.Slot
		count uint64
		want  []ssz.Slot
	}{
		{"of a branch", forked, 84, 3, slotRange(82, 84)},
		{"of a branch and on", forked, 63, 10, slotRange(54, 63)},
		{"of the canonical chain", forked, 60, 4, slotRange(57, 60)},
		{"of a branch whose beginning is missing", orphan, 64, 10, slotRange(62, 64)},
	} {
		simulate(t, func(t *testing.T, client, server host.Host) {
			serve(t, server, tt.chain, beacon.ServerOptions{})
			slices.Reverse(tt.want)
			got, err := ask(t, client, server, id("beacon_blocks_by_head", 1),
				encode(&ssz.BeaconBlocksByHeadRequest{BeaconRoot: devBlock(tt.head).Root, Count: tt.count}))
			if err != nil || !bytes.Equal(got, chunks(tt.want...)) {
				t.Errorf("%s: got %d bytes, %v, want the %d of slots %d", tt.name, len(got), err, len(chunks(tt.want...)), tt.want)
			}
		})
	}
	withFullChain(t, func(t *testing.T, _ *beacon.Client, client, server host.Host) {
		after := fullChain().Blocks[slices.IndexFunc(fullChain().Blocks,
			func(i *beacontest.Item) bool { return i.Slot == hezeSlot-2 })]
		got, err := ask(t, client, server, id("beacon_blocks_by_head", 1),
			encode(&ssz.BeaconBlocksByHeadRequest{BeaconRoot: after.Root, Count: 2}))
		before := keep(fullChain().Blocks, between(hezeSlot-4, hezeSlot-4))
		if want := wireOf(after, before[0]); err != nil || !bytes.Equal(got, want) {
			t.Errorf("across an empty slot: got %d bytes, %v, want %d", len(got), err, len(want))
		}
	})
}
