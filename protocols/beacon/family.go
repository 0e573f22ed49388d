package beacon

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// ProtocolPrefix begins every protocol ID of the consensus specs' Req/Resp
// domain.
const ProtocolPrefix = "/eth2/beacon_chain/req"

// Empty is the request of protocols that ask without saying anything: no byte
// is sent, not even a header.
type Empty struct{}

// A Family is the beacon chain's protocols on one network. The types on the wire
// depend on the network's preset and on its schedule of forks, so each network
// has a family of its own. Its descriptors are for whoever wants one protocol alone: a [Client] has
// a method for each that also checks the answers. An object that a handler sends needs
// its Digest and SSZ; Frames, where they are not nil, are those of the SSZ and sent as they are.
type Family struct {
	// StatusV1 and StatusV2 exchange views of the chain.
	StatusV1 reqresp.Unary[ssz.StatusV1, ssz.StatusV1]
	// StatusV2 adds the earliest slot available. It is preferred where supported.
	StatusV2 reqresp.Unary[Status, Status]
	// Goodbye says why a peer is being left.
	Goodbye reqresp.Unary[ssz.Goodbye, ssz.Goodbye]
	// Ping exchanges metadata sequence numbers.
	Ping reqresp.Unary[ssz.Ping, ssz.Ping]
	// MetaDataV1 asks for attestation subnets.
	MetaDataV1 reqresp.Unary[Empty, ssz.MetaDataV1]
	// MetaDataV2 adds sync committee subnets.
	MetaDataV2 reqresp.Unary[Empty, ssz.MetaDataV2]
	// MetaDataV3 adds the custody group count. It is preferred where supported.
	MetaDataV3 reqresp.Unary[Empty, ssz.MetaDataV3]

	// BlocksByRangeV1 is beacon_blocks_by_range/1, for blocks of phase0. It is deprecated.
	BlocksByRangeV1 reqresp.Stream[ssz.BeaconBlocksByRangeRequest, Block]
	// BlocksByRange is beacon_blocks_by_range/2.
	BlocksByRange reqresp.Stream[ssz.BeaconBlocksByRangeRequest, Block]
	// BlocksByRootV1 is beacon_blocks_by_root/1, for blocks of phase0. It is deprecated.
	BlocksByRootV1 reqresp.Stream[ssz.BeaconBlocksByRootRequest, Block]
	// BlocksByRoot is beacon_blocks_by_root/2.
	BlocksByRoot reqresp.Stream[ssz.BeaconBlocksByRootRequest, Block]
	// BlocksByHead is beacon_blocks_by_head/1: a block and its ancestors.
	BlocksByHead reqresp.Stream[ssz.BeaconBlocksByHeadRequest, Block]

	// BlobSidecarsByRange is blob_sidecars_by_range/1.
	BlobSidecarsByRange reqresp.Stream[ssz.BlobSidecarsByRangeRequest, BlobSidecar]
	// BlobSidecarsByRoot is blob_sidecars_by_root/1.
	BlobSidecarsByRoot reqresp.Stream[ssz.BlobSidecarsByRootRequest, BlobSidecar]
	// DataColumnSidecarsByRange is data_column_sidecars_by_range/1.
	DataColumnSidecarsByRange reqresp.Stream[ssz.DataColumnSidecarsByRangeRequest, DataColumnSidecar]
	// DataColumnSidecarsByRoot is data_column_sidecars_by_root/1.
	DataColumnSidecarsByRoot reqresp.Stream[ssz.DataColumnSidecarsByRootRequest, DataColumnSidecar]

	// LightClientBootstrap is light_client_bootstrap/1.
	LightClientBootstrap reqresp.Unary[ssz.LightClientBootstrapRequest, LightClientBootstrap]
	// LightClientUpdatesByRange is light_client_updates_by_range/1.
	LightClientUpdatesByRange reqresp.Stream[ssz.LightClientUpdatesByRangeRequest, LightClientUpdate]
	// LightClientFinalityUpdate is light_client_finality_update/1.
	LightClientFinalityUpdate reqresp.Unary[Empty, LightClientUpdate]
	// LightClientOptimisticUpdate is light_client_optimistic_update/1.
	LightClientOptimisticUpdate reqresp.Unary[Empty, LightClientUpdate]

	// ExecutionPayloadEnvelopesByRange is execution_payload_envelopes_by_range/1.
	ExecutionPayloadEnvelopesByRange reqresp.Stream[ssz.ExecutionPayloadEnvelopesByRangeRequest, ExecutionPayloadEnvelope]
	// ExecutionPayloadEnvelopesByRoot is execution_payload_envelopes_by_root/1.
	ExecutionPayloadEnvelopesByRoot reqresp.Stream[ssz.ExecutionPayloadEnvelopesByRootRequest, ExecutionPayloadEnvelope]
	// InclusionListsByIndices is inclusion_lists_by_indices/1.
	InclusionListsByIndices reqresp.Stream[ssz.InclusionListsByIndicesRequest, InclusionList]

	network   *ssz.Network
	protocols []*Protocol
	hooks     *hooks
}

// NewFamily returns the protocols as spoken on a network.
func NewFamily(network *ssz.Network) *Family {
	f := &Family{network: network, hooks: new(hooks)}
	f.protocols = slices.Concat(
		f.nodeProtocols(),
		f.blockProtocols(),
		f.blobProtocols(),
		f.columnProtocols(),
		f.lightClientProtocols(),
		f.payloadProtocols(),
		f.inclusionListProtocols(),
	)
	for _, p := range f.protocols {
		p.resolve(network)
		p.spec = p.declare(reqresp.Family{Prefix: ProtocolPrefix, Codec: &codec{protocol: p, hooks: f.hooks}}, p)
	}
	return f
}

// Network returns the network that the family is for.
func (f *Family) Network() *ssz.Network { return f.network }

// Protocols returns the table of the family: one row for each protocol ID, of phase0 to heze. Names
// and IDs are the same on every network. The caller owns the slice.
func (f *Family) Protocols() []*Protocol { return slices.Clone(f.protocols) }

// Protocol returns the row of a protocol ID.
func (f *Family) Protocol(id protocol.ID) (*Protocol, bool) {
	for _, p := range f.protocols {
		if p.ID() == id {
			return p, true
		}
	}
	return nil, false
}

// Specs returns the protocols' descriptions, in the order of Protocols.
func (f *Family) Specs() []*reqresp.Spec {
	specs := make([]*reqresp.Spec, len(f.protocols))
	for i, p := range f.protocols {
		specs[i] = p.spec
	}
	return specs
}
