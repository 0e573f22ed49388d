package beacon

import (
	"fmt"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// ProtocolPrefix begins every protocol ID of the consensus specs' Req/Resp
// domain.
const ProtocolPrefix = "/eth2/beacon_chain/req"

// A Family is the beacon chain's protocols on one network. The types on the wire
// depend on the network's preset and on its schedule of forks, so each network
// has a family of its own.
type Family struct {
	statusV1   reqresp.Unary[ssz.StatusV1, ssz.StatusV1]
	statusV2   reqresp.Unary[Status, Status]
	goodbye    reqresp.Unary[ssz.Goodbye, ssz.Goodbye]
	ping       reqresp.Unary[ssz.Ping, ssz.Ping]
	metaDataV1 reqresp.Unary[struct{}, ssz.MetaDataV1]
	metaDataV2 reqresp.Unary[struct{}, ssz.MetaDataV2]
	metaDataV3 reqresp.Unary[struct{}, ssz.MetaDataV3]

	blocksByRangeV1 reqresp.Stream[ssz.BeaconBlocksByRangeRequest, Block]
	blocksByRange   reqresp.Stream[ssz.BeaconBlocksByRangeRequest, Block]
	blocksByRootV1  reqresp.Stream[ssz.BeaconBlocksByRootRequest, Block]
	blocksByRoot    reqresp.Stream[ssz.BeaconBlocksByRootRequest, Block]
	blocksByHead    reqresp.Stream[ssz.BeaconBlocksByHeadRequest, Block]

	blobSidecarsByRange       reqresp.Stream[ssz.BlobSidecarsByRangeRequest, BlobSidecar]
	blobSidecarsByRoot        reqresp.Stream[ssz.BlobSidecarsByRootRequest, BlobSidecar]
	dataColumnSidecarsByRange reqresp.Stream[ssz.DataColumnSidecarsByRangeRequest, DataColumnSidecar]
	dataColumnSidecarsByRoot  reqresp.Stream[ssz.DataColumnSidecarsByRootRequest, DataColumnSidecar]

	lightClientBootstrap        reqresp.Unary[ssz.LightClientBootstrapRequest, LightClientBootstrap]
	lightClientUpdatesByRange   reqresp.Stream[ssz.LightClientUpdatesByRangeRequest, LightClientUpdate]
	lightClientFinalityUpdate   reqresp.Unary[struct{}, LightClientUpdate]
	lightClientOptimisticUpdate reqresp.Unary[struct{}, LightClientUpdate]

	envelopesByRange        reqresp.Stream[ssz.ExecutionPayloadEnvelopesByRangeRequest, ExecutionPayloadEnvelope]
	envelopesByRoot         reqresp.Stream[ssz.ExecutionPayloadEnvelopesByRootRequest, ExecutionPayloadEnvelope]
	inclusionListsByIndices reqresp.Stream[ssz.InclusionListsByIndicesRequest, InclusionList]

	network   *ssz.Network
	protocols []*Protocol
}

// NewFamily returns the protocols as spoken on a network.
func NewFamily(network *ssz.Network) *Family {
	f := &Family{network: network}
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
		p.spec = p.declare(reqresp.Family{Prefix: ProtocolPrefix, Codec: &codec{protocol: p}}, p)
		if p.asked == nil && p.spec.Kind() == reqresp.KindStream {
			panic(fmt.Sprintf("beacon: the row of %s/%d does not say how many chunks are asked for", p.Name, p.Version))
		}
	}
	return f
}

// Network returns the network that the family is for.
func (f *Family) Network() *ssz.Network { return f.network }

// Protocols returns the table of the family: one row for each protocol ID, of phase0 to heze. Names
// and IDs are the same on every network. The caller owns the rows: the family keeps its own.
func (f *Family) Protocols() []*Protocol {
	rows := make([]*Protocol, len(f.protocols))
	for i, p := range f.protocols {
		rows[i] = new(*p)
	}
	return rows
}

// Protocol returns the row of a protocol, such as version 2 of beacon_blocks_by_range. The caller owns it.
func (f *Family) Protocol(name string, version int) (*Protocol, bool) {
	for _, p := range f.protocols {
		if p.Name == name && p.Version == version {
			return new(*p), true
		}
	}
	return nil, false
}

// rowOf returns the row of a protocol of the family.
func (f *Family) rowOf(spec *reqresp.Spec) *Protocol { return spec.Codec().(*codec).protocol }

// Specs returns the protocols' descriptions, in the order of Protocols.
func (f *Family) Specs() []*reqresp.Spec {
	specs := make([]*reqresp.Spec, len(f.protocols))
	for i, p := range f.protocols {
		specs[i] = p.spec
	}
	return specs
}
