package call

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A method is what can be called: the flags that its request is made of, and how objects are asked for by them.
type method struct {
	flags   []string
	roots   bool   // takes several of --root
	oneEach bool   // no more than one object answers for each slot or root
	indices uint64 // bounds --index; 0 does not
	// counted returns the request as far as the row of the protocol counts the objects that it asks for. Nil checks no
	// maximum.
	counted func(*Request) any
	ask     func(context.Context, *Peer, *Request) iter.Seq2[object, error]
}

// Methods returns the names in the specs of all methods, sorted.
func Methods() []string { return slices.Sorted(maps.Keys(methods)) }

// committee is INCLUSION_LIST_COMMITTEE_SIZE of the specs.
const committee = 16

var (
	byRange = []string{"start-slot", "count"}
	byRoot  = []string{"root"}
)

var methods = map[string]method{
	"status":   {ask: status},
	"ping":     {ask: ping},
	"metadata": {ask: metadata},
	"goodbye":  {ask: goodbye},

	"beacon_blocks_by_range": {
		flags: byRange, oneEach: true,
		counted: func(r *Request) any {
			return &ssz.BeaconBlocksByRangeRequest{StartSlot: r.slot(), Count: r.Count, Step: 1}
		},
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return each(p.client().BlocksByRange(ctx, p.ID, r.slot(), r.Count), p.block)
		},
	},
	"beacon_blocks_by_root": {
		flags: byRoot, roots: true, oneEach: true,
		counted: func(r *Request) any { return (*ssz.BeaconBlocksByRootRequest)(&r.Roots) },
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return each(p.client().BlocksByRoot(ctx, p.ID, r.Roots), p.block)
		},
	},
	"beacon_blocks_by_head": {
		flags: []string{"root", "count"}, oneEach: true,
		counted: func(r *Request) any { return &ssz.BeaconBlocksByHeadRequest{Count: r.Count} },
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return each(p.client().BlocksByHead(ctx, p.ID, r.Roots[0], r.Count), p.block)
		},
	},
	"blob_sidecars_by_range": {
		flags:   byRange,
		counted: func(r *Request) any { return &ssz.BlobSidecarsByRangeRequest{StartSlot: r.slot(), Count: r.Count} },
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return each(p.client().BlobSidecarsByRange(ctx, p.ID, r.slot(), r.Count), p.blob)
		},
	},
	"blob_sidecars_by_root": {
		flags: []string{"root", "index"}, roots: true,
		counted: func(r *Request) any { ids := ssz.BlobSidecarsByRootRequest(r.blobs()); return &ids },
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return each(p.client().BlobSidecarsByRoot(ctx, p.ID, r.blobs()), p.blob)
		},
	},
	"data_column_sidecars_by_range": {
		flags: []string{"start-slot", "count", "index"}, indices: beacon.NumberOfColumns,
		counted: func(r *Request) any {
			return &ssz.DataColumnSidecarsByRangeRequest{StartSlot: r.slot(), Count: r.Count, Columns: r.Indices}
		},
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return each(p.client().DataColumnSidecarsByRange(ctx, p.ID, r.slot(), r.Count, r.Indices), p.column)
		},
	},
	"data_column_sidecars_by_root": {
		flags: []string{"root", "index"}, indices: beacon.NumberOfColumns, roots: true,
		counted: func(r *Request) any { ids := ssz.DataColumnSidecarsByRootRequest(r.columns()); return &ids },
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return each(p.client().DataColumnSidecarsByRoot(ctx, p.ID, r.columns()), p.column)
		},
	},
	"light_client_bootstrap": {
		flags: byRoot,
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return one(func() (object, error) {
				b, err := p.client().LightClientBootstrap(ctx, p.ID, r.Roots[0])
				if err != nil {
					return object{}, err
				}
				return p.chunk(b.Chunk, fmt.Sprint(b.Slot)), nil
			})
		},
	},
	"light_client_updates_by_range": {
		flags:   []string{"start-period", "count"},
		counted: func(r *Request) any { return &ssz.LightClientUpdatesByRangeRequest{Count: r.Count} },
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return each(p.client().LightClientUpdatesByRange(ctx, p.ID, r.StartPeriod, r.Count), p.update)
		},
	},
	"light_client_finality_update": {ask: func(ctx context.Context, p *Peer, _ *Request) iter.Seq2[object, error] {
		return p.latest(ctx, (*beacon.Client).LightClientFinalityUpdate)
	}},
	"light_client_optimistic_update": {ask: func(ctx context.Context, p *Peer, _ *Request) iter.Seq2[object, error] {
		return p.latest(ctx, (*beacon.Client).LightClientOptimisticUpdate)
	}},
	"execution_payload_envelopes_by_range": {
		flags: byRange, oneEach: true,
		counted: func(r *Request) any {
			return &ssz.ExecutionPayloadEnvelopesByRangeRequest{StartSlot: r.slot(), Count: r.Count}
		},
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return each(p.client().ExecutionPayloadEnvelopesByRange(ctx, p.ID, r.slot(), r.Count), p.envelope)
		},
	},
	"execution_payload_envelopes_by_root": {
		flags: byRoot, roots: true, oneEach: true,
		counted: func(r *Request) any { return (*ssz.ExecutionPayloadEnvelopesByRootRequest)(&r.Roots) },
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			return each(p.client().ExecutionPayloadEnvelopesByRoot(ctx, p.ID, r.Roots), p.envelope)
		},
	},
	"inclusion_lists_by_indices": {
		flags: []string{"start-slot", "root", "index"}, indices: committee,
		ask: func(ctx context.Context, p *Peer, r *Request) iter.Seq2[object, error] {
			var members [committee / 8]byte
			for _, index := range r.Indices {
				members[index/8] |= 1 << (index % 8)
			}
			return each(p.client().InclusionListsByIndices(ctx, p.ID, r.slot(), r.Roots[0], members), p.list)
		},
	},
}

func (r *Request) slot() ssz.Slot { return ssz.Slot(r.StartSlot) }

func (r *Request) blobs() (ids []ssz.BlobIdentifier) {
	for _, root := range r.Roots {
		for _, index := range r.Indices {
			ids = append(ids, ssz.BlobIdentifier{BlockRoot: root, Index: index})
		}
	}
	return ids
}

func (r *Request) columns() (ids []ssz.DataColumnsByRootIdentifier) {
	for _, root := range r.Roots {
		ids = append(ids, ssz.DataColumnsByRootIdentifier{BlockRoot: root, Columns: r.Indices})
	}
	return ids
}
