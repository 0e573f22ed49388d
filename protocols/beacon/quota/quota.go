// Package quota has the default limits of the beacon chain's methods, for both sides: what a server lets each
// peer use, for package limits, and what deployed clients grant, for package outbound.
//
//	limiter, err := limits.New(&limits.Options{Config: limits.Config{Methods: quota.Served()}})
//	pacer, err := outbound.New(&outbound.Options{Quotas: quota.Granted(), IsLimited: beacon.IsRateLimited})
package quota

import (
	"slices"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
)

// Methods that have much in common.
var (
	blocks    = []string{"beacon_blocks_by_range", "beacon_blocks_by_root", "beacon_blocks_by_head"}
	envelopes = []string{"execution_payload_envelopes_by_range", "execution_payload_envelopes_by_root"}
	blobs     = []string{"blob_sidecars_by_range", "blob_sidecars_by_root"}
	columns   = []string{"data_column_sidecars_by_range", "data_column_sidecars_by_root"}
	light     = []string{
		"light_client_bootstrap", "light_client_updates_by_range",
		"light_client_finality_update", "light_client_optimistic_update",
	}
	small = []string{
		"status", "goodbye", "ping", "metadata", "execution_proof_status",
		"light_client_finality_update", "light_client_optimistic_update",
	}
)

// Small returns the methods whose response chunks have no more than 4 KiB; see [limits.Config.Warnings]. The
// slice is the caller's.
func Small() []string { return slices.Clone(small) }

const mib = 1 << 20

// Rates of several methods.
var (
	// requests is what the most generous of the deployed servers grants. Stricter ones stall requesters that ask
	// in small batches.
	requests = limits.Rate{N: 10, Per: time.Second, Burst: 20}
	// blockBytes is 16 Mbit/s: some 25 of today's blocks each second, of 60 to 90 KiB on the wire. The burst is
	// 256 of the larger ones, which is two full requests at a time.
	blockBytes = limits.Rate{N: 2 * mib, Per: time.Second, Burst: 24 * mib}
	// sidecarBytes is 32 Mbit/s, which leaves room for the sidecars of the blocks that a peer can get, and little more.
	sidecarBytes = limits.Rate{N: 4 * mib, Per: time.Second, Burst: 48 * mib}
)

// few limits a method by requests.
func few(n uint64, per time.Duration, burst uint64) limits.Method {
	return limits.Method{Peer: limits.Quota{Requests: limits.Rate{N: n, Per: per, Burst: burst}}}
}

// many limits a method by items in 10 s, and by bytes.
func many(n, burst uint64, bytes limits.Rate) limits.Method {
	items := limits.Rate{N: n, Per: 10 * time.Second, Burst: burst}
	return limits.Method{Peer: limits.Quota{Requests: requests, Items: items, Bytes: bytes}}
}

// Served returns what each peer may use of each method by default, in a map that is the caller's. Requesters that
// keep to what deployed servers grant are not delayed. A peer whose burst is used up is never delayed for as long
// as requesters wait; see [limits.Config.Warnings].
func Served() map[string]limits.Method {
	return map[string]limits.Method{
		// Deployed requesters keep to 5 in 15 s. As a budget outlives the connection, the burst leaves room for some
		// handshakes in a row.
		"status": few(5, 15*time.Second, 10),
		// One ends a connection, so it is the rate of reconnecting. A peer that leaves waits for the answer, briefly.
		"goodbye": few(5, 10*time.Second, 10),
		// Peers ping every 15 to 30 s, and when their metadata changes.
		"ping": few(3, 10*time.Second, 5),
		// Asked for after a ping.
		"metadata": few(2, 5*time.Second, 5),
		// Deployed requesters keep to 128 blocks in 10 s, in batches of 32 to 128. Bytes hold today's blocks to about
		// twice that, and the small ones of the first forks, of which 1024 may be asked for at once, get four times as
		// many.
		"beacon_blocks_by_range": many(512, 1024, blockBytes),
		// Each block is a random access. The burst is two requests of the most roots allowed since Deneb, which is all
		// that may run at a time.
		"beacon_blocks_by_root": many(128, 256, blockBytes),
		"beacon_blocks_by_head": many(128, 256, blockBytes),
		// The most that Electra allows in a request is 1152, of 128 KiB.
		"blob_sidecars_by_range": many(1152, 2304, sidecarBytes),
		"blob_sidecars_by_root":  many(1152, 2304, sidecarBytes),
		// The most in a request is 16384, of a few KiB today.
		"data_column_sidecars_by_range": many(16384, 32768, sidecarBytes),
		"data_column_sidecars_by_root":  many(16384, 32768, sidecarBytes),
		// As blocks, which they belong to.
		"execution_payload_envelopes_by_range": many(128, 256, blockBytes),
		"execution_payload_envelopes_by_root":  many(128, 256, blockBytes),
		// Ten times the most in a request, of up to 8 KiB.
		"inclusion_lists_by_indices": many(160, 320, blockBytes),
		// Those of EIP-8025, which this module does not speak yet. The most in a request is 512.
		"execution_proofs_by_range": many(512, 1024, blockBytes),
		"execution_proofs_by_root":  many(512, 1024, blockBytes),
		"execution_proof_status":    few(5, 15*time.Second, 10),
		// Asked for once, at the start.
		"light_client_bootstrap": few(5, 15*time.Second, 10),
		// Of some 25 KiB, and one for each day: 128 are four months.
		"light_client_updates_by_range": many(128, 256, blockBytes),
		// Once a slot.
		"light_client_finality_update":   few(3, 12*time.Second, 5),
		"light_client_optimistic_update": few(3, 12*time.Second, 5),
	}
}
