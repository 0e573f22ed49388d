package api

import (
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Status is a node's view of the chain, as it tells peers: [beacon.Status] in the spelling of JSON-RPC.
type Status struct {
	ForkDigest            ssz.ForkDigest `json:"forkDigest"`     // of the current epoch
	FinalizedRoot         ssz.Root       `json:"finalizedRoot"`  // of the finalized checkpoint; zero at genesis
	FinalizedEpoch        ssz.Epoch      `json:"finalizedEpoch"` // of the finalized checkpoint
	HeadRoot              ssz.Root       `json:"headRoot"`
	HeadSlot              ssz.Slot       `json:"headSlot"`
	EarliestAvailableSlot ssz.Slot       `json:"earliestAvailableSlot"` // the first that it serves
}

// StatusOf returns a status, nil if there is none.
func StatusOf(s *beacon.Status) *Status { return (*Status)(s) }

// MetaData is what a node offers besides the chain: [ssz.MetaDataV3] in the spelling of JSON-RPC.
type MetaData struct {
	// SeqNumber increases whenever another field changes.
	SeqNumber uint64 `json:"seqNumber"`
	// Attnets and Syncnets have a bit for every subnet to which the node is subscribed, the first being
	// the least of the first byte.
	Attnets  hexutil.Bytes `json:"attnets"`
	Syncnets hexutil.Bytes `json:"syncnets"`
	// CustodyGroupCount is how many groups of data columns the node keeps.
	CustodyGroupCount uint64 `json:"custodyGroupCount"`
}

// MetaDataOf returns metadata, nil if there is none.
func MetaDataOf(md *ssz.MetaDataV3) *MetaData {
	if md == nil {
		return nil
	}
	return &MetaData{md.SeqNumber, md.Attnets[:], md.Syncnets[:], md.CustodyGroupCount}
}
