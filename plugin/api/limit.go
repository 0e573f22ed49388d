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
	Requests config.Rate     `json:"requests"`
	Items    config.Rate     `json:"items"`
	Bytes    config.ByteRate `json:"bytes"`
	// Changed tells that the limit is not the one of the node's configuration. The change is not kept: it
	// ends with the process.
	Changed bool `json:"changed"`
}

// Warnings returns an error for each rate that makes requesters wait at the floor; see [limits.Config.Warnings].
func (l Limit) Warnings() []error {
	q := limits.Quota{Requests: limits.Rate(l.Requests), Items: limits.Rate(l.Items), Bytes: limits.Rate(l.Bytes)}
	return config.Config{Limits: limits.Config{Methods: map[string]limits.Method{l.Method: {Peer: q}}}}.Warnings()
}

// LimitChange is what to change of a method's [Limit]. What is nil stays as it is.
type LimitChange struct {
	Requests *config.Rate     `json:"requests,omitempty"`
	Items    *config.Rate     `json:"items,omitempty"`
	Bytes    *config.ByteRate `json:"bytes,omitempty"`
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
