// Package api has what a service tells over RPC, as the JSON that go-ethereum's rpc package
// makes of it. Package client calls for it.
//
// There are two namespaces for each service. They are called after it; those of one with the default name are
// Namespace and AdminNamespace. Calls of [Namespace] only read; it is exposed over HTTP where that is
// on. Calls of [AdminNamespace] change something; over HTTP they are exposed only if that is
// asked for, over IPC always.
//
// # What is kept
//
// Bans and scores are kept in the data directory, and so outlive the process. Limits and trust that
// were changed, and that a peer was connected or disconnected, end with the process: the node begins again with what
// its configuration says, as one of go-ethereum does. [Limit] and [Trusted] tell which of them are not the
// configuration's.
package api

import (
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The namespaces of RPC methods.
const (
	Namespace      = "reqresp"
	AdminNamespace = Namespace + AdminSuffix
)

// AdminSuffix is what follows the name of a service in its namespace of calls that change something.
const AdminSuffix = "admin"

// NodeInfo tells who a node is.
type NodeInfo struct {
	PeerID  peer.ID       `json:"peerId"`  // the libp2p host's
	Addrs   []string      `json:"addrs"`   // multiaddrs with the peer id, ready to dial
	Network string        `json:"network"` // its name, empty if it has none
	Status  beacon.Status `json:"status"`  // what peers are told of the chain
	// ENR is the node record, which begins "enr:"; empty if discovery is off.
	ENR string `json:"enr,omitempty"`
	// Refused is how many streams were reset because too many were being served, or because there
	// was no memory for their messages.
	Refused uint64 `json:"refused"`
}

// Retention is how much of its history a node's store keeps of each kind of objects: "all", "spec" for as long as the
// consensus specs have a node serve it, or a number of epochs. It keeps up to SLOTS_PER_HISTORICAL_ROOT slots more, as
// it discards whole files.
type Retention struct {
	Blocks                    string `json:"blocks"`
	BlobSidecars              string `json:"blobSidecars"`
	DataColumnSidecars        string `json:"dataColumnSidecars"`
	ExecutionPayloadEnvelopes string `json:"executionPayloadEnvelopes"`
}

// Peer is a peer that is connected.
type Peer struct {
	PeerID peer.ID `json:"peerId"`
	Addr   string  `json:"addr"` // the multiaddr of its oldest connection
	// Direction is "inbound" or "outbound": the latter if this node dialed.
	Direction string `json:"direction"`
	// Connected is since when.
	Connected time.Time `json:"connected"`
	// Client is its name, one of a fixed list or "other".
	Client string `json:"client"`
	// Agent is what it calls itself, empty if it has not (yet).
	Agent string `json:"agent"`
	// Status is what it last told; nil if it has not.
	Status *beacon.Status `json:"status"`
	// Serving is how many of its requests are being served.
	Serving int `json:"serving"`
	// Score is between -100 and 100. A stranger's is 0.
	Score float64 `json:"score"`
	// Static peers are always dialed again, and never left for lack of room.
	Static bool `json:"static,omitempty"`
	// Trusted peers are never banned or left for lack of room.
	Trusted bool `json:"trusted,omitempty"`
}

// PeerDetails is all that is known of a peer that is connected.
type PeerDetails struct {
	Peer
	// Conns are the multiaddrs of its connections.
	Conns []string `json:"conns"`
	// MetaData is what it last told; nil if it has told none.
	MetaData *MetaData `json:"metadata"`
	// Protocols are those that it says it serves, sorted.
	Protocols []protocol.ID `json:"protocols"`
	// Budgets are what it has left of its quotas.
	Budgets []Budget `json:"budgets"`
}

// Score is how a peer has behaved.
type Score struct {
	PeerID peer.ID `json:"peerId"`
	// Score is between -100 and 100. A stranger's is 0.
	Score float64 `json:"score"`
}

// Ban is a peer that is kept out.
type Ban struct {
	PeerID peer.ID `json:"peerId"`
	// Until is when it ends.
	Until time.Time `json:"until"`
	// Reason is why, in words.
	Reason string `json:"reason"`
}

// Trusted is a peer that is never penalised, banned or left for lack of room.
type Trusted struct {
	PeerID peer.ID `json:"peerId"`
	// Changed tells that the node's configuration does not name it. Its trust is not kept: it ends with
	// the process.
	Changed bool `json:"changed"`
}

// Syncing is a sync that is under way.
type Syncing struct {
	PeerID peer.ID `json:"peerId"` // who is asked
	// Slot is the last that was dealt with, Target the one that it ends at.
	Slot   ssz.Slot `json:"slot"`
	Target ssz.Slot `json:"target"`
	// Blocks and Bytes are what was stored, Bytes being SSZ.
	Blocks uint64 `json:"blocks"`
	Bytes  uint64 `json:"bytes"`
	// Began is when it did.
	Began time.Time `json:"began"`
}

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
