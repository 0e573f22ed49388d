package api

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/config"
)

// Limit is what each peer may use of a method, as rates like 128/10s+256: 128 every ten seconds, in bursts
// of 256.
type Limit struct {
	// Method is its name in the specs, such as "beacon_blocks_by_range" or "ping".
	Method string `json:"method"`
	// Requests, Items (which are response chunks) and Bytes (which are those on the wire) are limited each by
	// itself.
	Requests limits.Rate     `json:"requests"`
	Items    limits.Rate     `json:"items"`
	Bytes    limits.ByteRate `json:"bytes"`
	// Changed tells that the limit is not the one of the node's configuration. The change is not kept: it
	// ends with the process.
	Changed bool `json:"changed"`
}

// Warnings returns an error for each rate that makes requesters wait at the floor; see [limits.Config.Warnings].
func (l Limit) Warnings() []error {
	q := limits.Quota{Requests: l.Requests, Items: l.Items, Bytes: limits.Rate(l.Bytes)}
	return config.Config{Limits: limits.Config{Methods: map[string]limits.Method{l.Method: {Peer: q}}}}.Warnings()
}

// LimitChange is what to change of a method's [Limit]. What is nil stays as it is.
type LimitChange struct {
	Requests *limits.Rate     `json:"requests,omitempty"`
	Items    *limits.Rate     `json:"items,omitempty"`
	Bytes    *limits.ByteRate `json:"bytes,omitempty"`
}

// Budget is what a peer has left of a method's limit. What it owes is negative.
type Budget struct {
	// PeerID is whose it is, and Method of which method.
	PeerID peer.ID `json:"peerId"`
	Method string  `json:"method"`
	// Requests, Items and Bytes are what is left of each of [Limit].
	Requests int64 `json:"requests"`
	Items    int64 `json:"items"`
	Bytes    int64 `json:"bytes"`
	// Active is how many of its requests are served, Waiting how many wait for admission.
	Active  int `json:"active"`
	Waiting int `json:"waiting"`
}

// Method is what has come of a method in one direction, since the node was started.
type Method struct {
	// Method is its name in the specs, such as "beacon_blocks_by_range" or "ping".
	Method string `json:"method"`
	// Direction is "inbound" for what peers ask, "outbound" for what they are asked.
	Direction string `json:"direction"`
	// Protocols are the protocol IDs of all versions.
	Protocols []string `json:"protocols"`
	// Outcomes counts the exchanges that have ended, by how they did: "success", or the name of a
	// reqresp.Reason. Those that never occurred are missing.
	Outcomes map[string]uint64 `json:"outcomes"`
	// Active is how many are under way, Waiting how many of these are made to wait.
	Active  int `json:"active"`
	Waiting int `json:"waiting"`
	// Delay is for how many seconds exchanges were made to wait, all together.
	Delay float64 `json:"delay"`
	// Chunks are those of responses.
	Chunks uint64 `json:"chunks"`
	// WireBytes is the size of requests and responses on the stream, SSZBytes before
	// compression.
	WireBytes uint64 `json:"wireBytes"`
	SSZBytes  uint64 `json:"sszBytes"`
	// FirstByte and Duration are the mean times to the first byte of a response and to the end of
	// an exchange, in seconds. Zero if there was none.
	FirstByte float64 `json:"firstByte"`
	Duration  float64 `json:"duration"`
}

// Ended returns how many exchanges have ended.
func (m *Method) Ended() (n uint64) {
	for _, ended := range m.Outcomes {
		n += ended
	}
	return n
}
