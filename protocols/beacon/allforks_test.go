package beacon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// fullChain goes through all forks, one in each epoch of eight slots, and has everything.
var fullChain = sync.OnceValue(beacontest.New)

// inSlot is a clock that stands in a slot of the full chain.
func inSlot(slot ssz.Slot) func() time.Time {
	return func() time.Time { return beacontest.Network().TimeAt(slot) }
}

// withFullChain serves the full chain in the slot of its head.
func withFullChain(t *testing.T, f func(t *testing.T, c *beacon.Client, client, server host.Host)) {
	t.Helper()
	simulate(t, func(t *testing.T, client, server host.Host) {
		serveOn(t, server, beacontest.Network(), fullChain(), beacon.ServerOptions{Now: inSlot(beacontest.Head)})
		f(t, beacon.NewClient(client, beacon.NewFamily(beacontest.Network()), nil), client, server)
	})
}

// wireOf returns the chunks of some items, with the digests of their slots.
func wireOf(items ...*beacontest.Item) (wire []byte) {
	n := beacontest.Network()
	for _, i := range items {
		wire = append(wire, chunkOf(n.DigestAt(n.EpochOf(i.Slot)), i.SSZ)...)
	}
	return wire
}

// keep returns the items of a list that a condition is true of.
func keep(items []*beacontest.Item, condition func(*beacontest.Item) bool) (kept []*beacontest.Item) {
	for _, i := range items {
		if condition(i) {
			kept = append(kept, i)
		}
	}
	return kept
}

func between(first, last ssz.Slot) func(*beacontest.Item) bool {
	return func(i *beacontest.Item) bool { return i.Slot >= first && i.Slot <= last }
}

func id(name string, version int) protocol.ID {
	return protocol.ID(fmt.Sprintf("%s/%s/%d/ssz_snappy", beacon.ProtocolPrefix, name, version))
}

type marshaler interface {
	MarshalSSZTo(dst []byte) ([]byte, error)
}

// encode returns a request's payload.
func encode(request marshaler) []byte {
	return payload(must(request.MarshalSSZTo(nil)))
}

// descending returns a list backwards.
func descending(items []*beacontest.Item) []*beacontest.Item {
	items = slices.Clone(items)
	slices.Reverse(items)
	return items
}

// Slots of the full chain in which forks begin.
const (
	altairSlot = beacontest.SlotsPerEpoch * ssz.Slot(ssz.Altair)
	denebSlot  = beacontest.SlotsPerEpoch * ssz.Slot(ssz.Deneb)
	fuluSlot   = beacontest.SlotsPerEpoch * ssz.Slot(ssz.Fulu)
	gloasSlot  = beacontest.SlotsPerEpoch * ssz.Slot(ssz.Gloas)
	hezeSlot   = beacontest.SlotsPerEpoch * ssz.Slot(ssz.Heze)
)

// An answer is what a request to the full chain is answered with.
type answer struct {
	name    string
	id      protocol.ID
	request []byte
	want    []byte
}

// everyAnswer has answers of each protocol, byte by byte.
func everyAnswer() []answer {
	c := fullChain()
	blob := func(at int) ssz.BlobIdentifier {
		return ssz.BlobIdentifier{BlockRoot: c.Blobs[at].Root, Index: c.Blobs[at].Index}
	}
	blobs := ssz.BlobSidecarsByRootRequest{
		blob(7),
		{BlockRoot: ssz.Root{9}},
		blob(0),
		{BlockRoot: c.Blobs[0].Root, Index: 5},
	}
	columns := ssz.DataColumnSidecarsByRootRequest{
		{BlockRoot: c.Columns[4*8].Root, Columns: []uint64{3, 127, 0}},
		{BlockRoot: ssz.Root{9}, Columns: []uint64{1}},
		{BlockRoot: c.Columns[0].Root, Columns: []uint64{1}},
	}
	v1 := func(items []*beacontest.Item) (wire []byte) {
		for _, i := range items {
			wire = append(wire, result(0, i.SSZ)...)
		}
		return wire
	}
	notPhase0 := result(1, []byte("version 1 carries blocks of phase0 only"))
	unavailable := result(3, []byte("what was asked for is not available"))
	head := c.Blocks[len(c.Blocks)-1]
	roots := ssz.BeaconBlocksByRootRequest{c.Blocks[1].Root, {9}, c.Blocks[0].Root}
	altairRoots := ssz.BeaconBlocksByRootRequest{c.Blocks[1].Root, c.Blocks[20].Root}
	envelopes := ssz.ExecutionPayloadEnvelopesByRootRequest{c.Envelopes[9].Root, c.Blocks[0].Root, c.Envelopes[0].Root}
	bootstrap, unknown := ssz.LightClientBootstrapRequest(c.Bootstraps[30].Root), ssz.LightClientBootstrapRequest{}
	lists := &ssz.InclusionListsByIndicesRequest{
		Slot: beacontest.Head, DependentRoot: fullChain().Dependent,
		Indices: [2]byte{0x82, 1},
	}
	old, other := *lists, *lists
	old.Slot, other.DependentRoot = beacontest.Head-2, ssz.Root{}
	oddColumns := &ssz.DataColumnSidecarsByRangeRequest{
		StartSlot: gloasSlot - 2, Count: 4,
		Columns: []uint64{3, 1, 100, 3},
	}
	odd := keep(c.Columns, func(i *beacontest.Item) bool { return between(gloasSlot-2, gloasSlot+1)(i) && i.Index%2 == 1 })
	return []answer{
		{"blocks of all forks", id("beacon_blocks_by_range", 2), payload(uints(0, 128, 1)), wireOf(c.Blocks...)},
		{"blocks by root", id("beacon_blocks_by_root", 2), encode(&roots), wireOf(c.Blocks[1], c.Blocks[0])},
		{"phase0 by version 1", id("beacon_blocks_by_range", 1), payload(uints(0, 8, 1)), v1(c.Blocks[:7])},
		{
			"up to altair by version 1", id("beacon_blocks_by_range", 1), payload(uints(4, 9, 1)),
			join(v1(c.Blocks[4:7]), notPhase0),
		},
		{"altair by version 1", id("beacon_blocks_by_range", 1), payload(uints(uint64(altairSlot), 1, 1)), notPhase0},
		{
			"roots by version 1", id("beacon_blocks_by_root", 1), encode(&roots),
			v1([]*beacontest.Item{c.Blocks[1], c.Blocks[0]}),
		},
		{
			"altair root by version 1", id("beacon_blocks_by_root", 1), encode(&altairRoots),
			join(v1(c.Blocks[1:2]), notPhase0),
		},
		{
			"head", id("beacon_blocks_by_head", 1), encode(&ssz.BeaconBlocksByHeadRequest{BeaconRoot: head.Root, Count: 1}),
			wireOf(head),
		},
		{"ancestry", id("beacon_blocks_by_head", 1), encode(&ssz.BeaconBlocksByHeadRequest{
			BeaconRoot: c.Blocks[40].Root,
			Count:      12,
		}), wireOf(descending(c.Blocks[29:41])...)},
		{
			"ancestry to genesis", id("beacon_blocks_by_head", 1),
			encode(&ssz.BeaconBlocksByHeadRequest{BeaconRoot: head.Root, Count: 1 << 63}), wireOf(descending(c.Blocks)...),
		},
		{
			"unknown head", id("beacon_blocks_by_head", 1),
			encode(&ssz.BeaconBlocksByHeadRequest{BeaconRoot: ssz.Root{9}, Count: 3}), nil,
		},
		{"all blobs", id("blob_sidecars_by_range", 1), payload(uints(0, 1000)), wireOf(c.Blobs...)},
		{
			"blobs in the middle", id("blob_sidecars_by_range", 1), payload(uints(uint64(denebSlot+3), 4)),
			wireOf(keep(c.Blobs, between(denebSlot+3, denebSlot+6))...),
		},
		{"blobs before deneb", id("blob_sidecars_by_range", 1), payload(uints(0, uint64(denebSlot))), nil},
		{
			"blobs up to fulu", id("blob_sidecars_by_range", 1), payload(uints(uint64(fuluSlot-2), 20)),
			wireOf(keep(c.Blobs, between(fuluSlot-2, fuluSlot))...),
		},
		{"blobs from fulu on", id("blob_sidecars_by_range", 1), payload(uints(uint64(fuluSlot), 20)), nil},
		{"blobs by root", id("blob_sidecars_by_root", 1), encode(&blobs), wireOf(c.Blobs[7], c.Blobs[0])},
		{"columns", id("data_column_sidecars_by_range", 1), encode(oddColumns), wireOf(odd...)},
		{
			"columns before fulu", id("data_column_sidecars_by_range", 1),
			encode(&ssz.DataColumnSidecarsByRangeRequest{Count: uint64(fuluSlot), Columns: []uint64{1}}), nil,
		},
		{
			"no columns", id("data_column_sidecars_by_range", 1),
			encode(&ssz.DataColumnSidecarsByRangeRequest{StartSlot: fuluSlot, Count: 9}), nil,
		},
		{
			"columns by root", id("data_column_sidecars_by_root", 1), encode(&columns),
			wireOf(c.Columns[4*8+3], c.Columns[4*8], c.Columns[1]),
		},
		{"bootstrap", id("light_client_bootstrap", 1), encode(&bootstrap), wireOf(c.Bootstraps[30])},
		{"no bootstrap", id("light_client_bootstrap", 1), encode(&unknown), unavailable},
		{"updates", id("light_client_updates_by_range", 1), payload(uints(0, 1000)), wireOf(c.Updates...)},
		{"one update", id("light_client_updates_by_range", 1), payload(uints(1, 1)), wireOf(c.Updates[1])},
		{"no updates", id("light_client_updates_by_range", 1), payload(uints(2, 1)), nil},
		{"finality update", id("light_client_finality_update", 1), nil, wireOf(c.Finality)},
		{"optimistic update", id("light_client_optimistic_update", 1), nil, wireOf(c.Optimistic)},
		{
			"envelopes", id("execution_payload_envelopes_by_range", 1), payload(uints(uint64(hezeSlot-3), 8)),
			wireOf(keep(c.Envelopes, between(hezeSlot-3, hezeSlot+4))...),
		},
		{"envelopes before gloas", id("execution_payload_envelopes_by_range", 1), payload(uints(0, uint64(gloasSlot))), nil},
		{
			"envelopes by root", id("execution_payload_envelopes_by_root", 1), encode(&envelopes),
			wireOf(c.Envelopes[9], c.Envelopes[0]),
		},
		{
			"inclusion lists", id("inclusion_lists_by_indices", 1), encode(lists),
			wireOf(keep(c.Lists, func(i *beacontest.Item) bool {
				return i.Slot == beacontest.Head && slices.Contains([]uint64{1, 7, 8}, i.Index)
			})...),
		},
		{"old inclusion lists", id("inclusion_lists_by_indices", 1), encode(&old), unavailable},
		{"inclusion lists of another block", id("inclusion_lists_by_indices", 1), encode(&other), nil},
	}
}

func TestEveryProtocolIsServed(t *testing.T) {
	withFullChain(t, func(t *testing.T, _ *beacon.Client, client, server host.Host) {
		asked := make(map[protocol.ID]bool)
		for _, tt := range everyAnswer() {
			asked[tt.id] = true
			got, err := ask(t, client, server, tt.id, tt.request)
			if err != nil || !bytes.Equal(got, tt.want) {
				t.Errorf("%s: got %d bytes, %.60x, %v, want %d, %.60x", tt.name, len(got), got, err, len(tt.want), tt.want)
			}
		}
		for _, p := range beacon.NewFamily(beacontest.Network()).Protocols() {
			offered := slices.Contains(server.Mux().Protocols(), p.ID())
			if p.OfferedAt(beacontest.Head/beacontest.SlotsPerEpoch) != offered || p.Context && !asked[p.ID()] {
				t.Errorf("%s: on offer %v, asked %v", p.ID(), offered, asked[p.ID()])
			}
		}
	})
}

// Each request here breaks a rule of its protocol.
func TestInvalidRequestsOfEveryProtocol(t *testing.T) {
	columns := ssz.DataColumnSidecarsByRootRequest{{Columns: []uint64{128}}}
	withFullChain(t, func(t *testing.T, _ *beacon.Client, client, server host.Host) {
		for _, tt := range []struct {
			name    string
			id      protocol.ID
			request []byte
		}{
			{"count 0 by head", id("beacon_blocks_by_head", 1), encode(&ssz.BeaconBlocksByHeadRequest{})},
			{"count 0 of blobs", id("blob_sidecars_by_range", 1), payload(uints(60, 0))},
			{"overflow of blobs", id("blob_sidecars_by_range", 1), payload(uints(2, 1<<64-1))},
			{"too many blobs", id("blob_sidecars_by_root", 1), payload(make([]byte, 1153*40))},
			{"half a blob", id("blob_sidecars_by_root", 1), payload(make([]byte, 20))},
			{
				"count 0 of columns", id("data_column_sidecars_by_range", 1),
				encode(&ssz.DataColumnSidecarsByRangeRequest{Columns: []uint64{1}}),
			},
			{
				"column 128", id("data_column_sidecars_by_range", 1),
				encode(&ssz.DataColumnSidecarsByRangeRequest{Count: 1, Columns: []uint64{1, 128}}),
			},
			{
				"columns at a wrong offset", id("data_column_sidecars_by_range", 1),
				payload(join(uints(1, 1), unhex("15000000"), uints(1))),
			},
			{"column 128 by root", id("data_column_sidecars_by_root", 1), encode(&columns)},
			{
				"too many roots of columns", id("data_column_sidecars_by_root", 1),
				encode(new(make(ssz.DataColumnSidecarsByRootRequest, 129))),
			},
			{"half a root", id("light_client_bootstrap", 1), payload(make([]byte, 16))},
			{"count 0 of updates", id("light_client_updates_by_range", 1), payload(uints(0, 0))},
			{"overflow of updates", id("light_client_updates_by_range", 1), payload(uints(1<<63, 1<<63+1))},
			{"finality update with a byte", id("light_client_finality_update", 1), unhex("00")},
			{"count 0 of envelopes", id("execution_payload_envelopes_by_range", 1), payload(uints(60, 0))},
			{"too many envelopes", id("execution_payload_envelopes_by_root", 1), payload(make([]byte, 129*32))},
			{"short bits", id("inclusion_lists_by_indices", 1), payload(make([]byte, 41))},
		} {
			got, err := ask(t, client, server, tt.id, tt.request)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if _, err := readVerdict(got, reqresp.CodeInvalidRequest); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	})
}

// ssz of what a sequence yields, for objects of any type.
func drain[T any](seq iter.Seq2[*T, error], ssz func(*T) []byte) (got [][]byte, err error) {
	for object, err := range seq {
		if err != nil {
			return got, err
		}
		got = append(got, ssz(object))
	}
	return got, nil
}

func sszOf(items ...*beacontest.Item) (all [][]byte) {
	for _, i := range items {
		all = append(all, i.SSZ)
	}
	return all
}

// A reading is a call to the server of the full chain, and what it yields.
type reading struct {
	name string
	want [][]byte
	read func() ([][]byte, error)
}

// readings has calls by each protocol. Each is called for every object that a sequence yields.
func readings(ctx context.Context, client *beacon.Client, to peer.ID, each func()) []reading {
	c := fullChain()
	block := func(b *beacon.Block) []byte { each(); return b.SSZ }
	blob := func(b *beacon.BlobSidecar) []byte { each(); return b.SSZ }
	column := func(d *beacon.DataColumnSidecar) []byte { each(); return d.SSZ }
	update := func(l *beacon.LightClientUpdate) []byte { each(); return l.SSZ }
	envelope := func(e *beacon.ExecutionPayloadEnvelope) []byte { each(); return e.SSZ }
	list := func(l *beacon.InclusionList) []byte { each(); return l.SSZ }
	head := c.Blocks[len(c.Blocks)-1].Root
	var roots, payloads []ssz.Root
	for _, i := range c.Blocks {
		roots = append(roots, i.Root)
	}
	for _, i := range c.Envelopes {
		payloads = append(payloads, i.Root)
	}
	var blobs []ssz.BlobIdentifier
	for _, i := range c.Blobs {
		blobs = append(blobs, ssz.BlobIdentifier{BlockRoot: i.Root, Index: i.Index})
	}
	var columns []ssz.DataColumnsByRootIdentifier
	for _, i := range c.Columns {
		if n := len(columns); n == 0 || columns[n-1].BlockRoot != i.Root {
			columns = append(columns, ssz.DataColumnsByRootIdentifier{BlockRoot: i.Root})
		}
		last := &columns[len(columns)-1]
		last.Columns = append(last.Columns, i.Index)
	}
	return []reading{
		{
			"all by root", sszOf(c.Blocks...),
			func() ([][]byte, error) { return drain(client.BlocksByRoot(ctx, to, roots), block) },
		},
		{
			"all blobs by root", sszOf(c.Blobs...),
			func() ([][]byte, error) { return drain(client.BlobSidecarsByRoot(ctx, to, blobs), blob) },
		},
		{"all columns by root", sszOf(c.Columns...), func() ([][]byte, error) {
			return drain(client.DataColumnSidecarsByRoot(ctx, to, columns), column)
		}},
		{"all envelopes by root", sszOf(c.Envelopes...), func() ([][]byte, error) {
			return drain(client.ExecutionPayloadEnvelopesByRoot(ctx, to, payloads), envelope)
		}},
		{
			"by range", sszOf(c.Blocks...),
			func() ([][]byte, error) { return drain(client.BlocksByRange(ctx, to, 0, 128), block) },
		},
		{
			"by head", sszOf(descending(c.Blocks)...),
			func() ([][]byte, error) { return drain(client.BlocksByHead(ctx, to, head, 128), block) },
		},
		{
			"blobs", sszOf(c.Blobs...),
			func() ([][]byte, error) { return drain(client.BlobSidecarsByRange(ctx, to, 0, 100), blob) },
		},
		{"blobs by root", sszOf(c.Blobs[3]), func() ([][]byte, error) {
			return drain(client.BlobSidecarsByRoot(ctx, to, []ssz.BlobIdentifier{{BlockRoot: c.Blobs[3].Root, Index: 1}}), blob)
		}},
		{"columns", sszOf(c.Columns...), func() ([][]byte, error) {
			return drain(client.DataColumnSidecarsByRange(ctx, to, 0, 100, []uint64{0, 1, 2, 3}), column)
		}},
		{"columns by root", sszOf(c.Columns[:2]...), func() ([][]byte, error) {
			return drain(client.DataColumnSidecarsByRoot(ctx, to,
				[]ssz.DataColumnsByRootIdentifier{{BlockRoot: c.Columns[0].Root, Columns: []uint64{0, 1}}}), column)
		}},
		{
			"updates", sszOf(c.Updates...),
			func() ([][]byte, error) { return drain(client.LightClientUpdatesByRange(ctx, to, 0, 9), update) },
		},
		{"finality", sszOf(c.Finality), func() ([][]byte, error) {
			l, err := client.LightClientFinalityUpdate(ctx, to)
			return [][]byte{l.SSZ}, err
		}},
		{"optimistic", sszOf(c.Optimistic), func() ([][]byte, error) {
			l, err := client.LightClientOptimisticUpdate(ctx, to)
			return [][]byte{l.SSZ}, err
		}},
		{"bootstraps", sszOf(c.Bootstraps...), func() (all [][]byte, err error) {
			for _, i := range c.Bootstraps {
				l, err := client.LightClientBootstrap(ctx, to, i.Root)
				if err != nil {
					return all, err
				}
				all = append(all, l.SSZ)
			}
			return all, nil
		}},
		{"envelopes", sszOf(c.Envelopes...), func() ([][]byte, error) {
			return drain(client.ExecutionPayloadEnvelopesByRange(ctx, to, 0, 100), envelope)
		}},
		{"envelopes by root", sszOf(c.Envelopes[5]), func() ([][]byte, error) {
			return drain(client.ExecutionPayloadEnvelopesByRoot(ctx, to, []ssz.Root{c.Envelopes[5].Root}), envelope)
		}},
		{"inclusion lists", sszOf(c.Lists[16:]...), func() ([][]byte, error) {
			return drain(client.InclusionListsByIndices(ctx, to, beacontest.Head, fullChain().Dependent, [2]byte{255, 255}),
				list)
		}},
	}
}

func TestClientsReadEveryProtocol(t *testing.T) {
	withFullChain(t, func(t *testing.T, client *beacon.Client, _, server host.Host) {
		for _, tt := range readings(t.Context(), client, server.ID(), func() {}) {
			got, err := tt.read()
			if err != nil || !slices.EqualFunc(got, tt.want, bytes.Equal) {
				t.Errorf("%s: got %d objects, %v, want %d", tt.name, len(got), err, len(tt.want))
			}
		}
		_, err := client.LightClientBootstrap(t.Context(), server.ID(), ssz.Root{1})
		if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Code != reqresp.CodeResourceUnavailable {
			t.Errorf("no bootstrap: %v", err)
		}
	})
}
