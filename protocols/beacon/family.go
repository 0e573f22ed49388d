package beacon

import (
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// ProtocolPrefix begins every protocol ID of the consensus specs' Req/Resp
// domain.
const ProtocolPrefix = "/eth2/beacon_chain/req"

// Empty is the request of protocols that ask without saying anything: no byte
// is sent, not even a header.
type Empty struct{}

// A BlocksByRangeRequest asks for blocks by slot. A response longer than Count is
// a violation.
type BlocksByRangeRequest struct {
	ssz.BeaconBlocksByRangeRequest
}

// MaxChunks returns Count, as far as an int goes.
func (r *BlocksByRangeRequest) MaxChunks() int {
	return int(min(r.Count, reqresp.DefaultMaxChunks))
}

// A BlocksByRootRequest asks for blocks by root. A response with more blocks than Roots
// is a violation.
type BlocksByRootRequest struct {
	Roots ssz.BeaconBlocksByRootRequest
}

// MaxChunks returns the number of roots.
func (r *BlocksByRootRequest) MaxChunks() int { return len(r.Roots) }

// A Family is the beacon chain's protocols on one network. The types on the wire
// depend on the network's preset and on its schedule of forks, so each network
// has a family of its own.
type Family struct {
	// StatusV1 and StatusV2 exchange views of the chain.
	StatusV1 reqresp.Unary[ssz.StatusV1, ssz.StatusV1]
	// StatusV2 adds the earliest slot available. It is preferred where supported.
	StatusV2 reqresp.Unary[Status, Status]
	// Goodbye says why a peer is being left.
	Goodbye reqresp.Unary[ssz.Goodbye, ssz.Goodbye]
	// Ping exchanges metadata sequence numbers.
	Ping reqresp.Unary[ssz.Ping, ssz.Ping]
	// MetaDataV2 asks for subnets.
	MetaDataV2 reqresp.Unary[Empty, ssz.MetaDataV2]
	// MetaDataV3 adds the custody group count. It is preferred where supported.
	MetaDataV3 reqresp.Unary[Empty, ssz.MetaDataV3]
	// BlocksByRange is beacon_blocks_by_range/2.
	BlocksByRange reqresp.Stream[BlocksByRangeRequest, Block]
	// BlocksByRoot is beacon_blocks_by_root/2.
	BlocksByRoot reqresp.Stream[BlocksByRootRequest, Block]

	network *ssz.Network
	codec   *codec
}

// smallTimeouts suit exchanges of a few bytes. A peer slower than this is of no
// use; deployed clients wait 5 to 10 s.
var smallTimeouts = reqresp.Timeouts{Total: 20 * time.Second}

// NewFamily returns the protocols as spoken on a network.
func NewFamily(network *ssz.Network) *Family {
	c := &codec{network: network, rootsShape: network.BeaconBlocksByRootShape(0)}
	f := reqresp.Family{Prefix: ProtocolPrefix, Codec: c}
	small := reqresp.Limits{MaxRequest: 4 << 10, MaxResponse: 4 << 10, Timeouts: smallTimeouts}
	blocks := reqresp.Limits{MaxRequest: 64 << 10, MaxResponse: reqresp.DefaultMaxResponse}
	return &Family{
		StatusV1:      reqresp.NewUnary[ssz.StatusV1, ssz.StatusV1](f, "status", small, 1),
		StatusV2:      reqresp.NewUnary[Status, Status](f, "status", small, 2),
		Goodbye:       reqresp.NewUnary[ssz.Goodbye, ssz.Goodbye](f, "goodbye", small, 1),
		Ping:          reqresp.NewUnary[ssz.Ping, ssz.Ping](f, "ping", small, 1),
		MetaDataV2:    reqresp.NewUnary[Empty, ssz.MetaDataV2](f, "metadata", small, 2),
		MetaDataV3:    reqresp.NewUnary[Empty, ssz.MetaDataV3](f, "metadata", small, 3),
		BlocksByRange: reqresp.NewStream[BlocksByRangeRequest, Block](f, "beacon_blocks_by_range", blocks, 2),
		BlocksByRoot:  reqresp.NewStream[BlocksByRootRequest, Block](f, "beacon_blocks_by_root", blocks, 2),
		network:       network,
		codec:         c,
	}
}

// Network returns the network that the family is for.
func (f *Family) Network() *ssz.Network { return f.network }

// Specs returns the protocols, those that are preferred first. Names and IDs are the
// same on every network.
func (f *Family) Specs() []*reqresp.Spec {
	return []*reqresp.Spec{
		f.StatusV2.Spec(), f.StatusV1.Spec(), f.Goodbye.Spec(), f.Ping.Spec(), f.MetaDataV3.Spec(), f.MetaDataV2.Spec(),
		f.BlocksByRange.Spec(), f.BlocksByRoot.Spec(),
	}
}
