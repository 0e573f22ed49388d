package limits

import "time"

const mib = 1 << 20

// defaultBytes is 16 Mbit/s: some 25 of today's blocks each second, of 60 to 90
// KiB on the wire. The burst is 256 of the larger ones, which is two full
// requests at a time, and twice the largest chunk there can be.
var defaultBytes = Rate{N: 2 * mib, Per: time.Second, Burst: 24 * mib}

// defaultRequests is what the most generous of the deployed servers grants.
// Stricter ones are known to stall requesters which ask in small batches.
var defaultRequests = Rate{N: 10, Per: time.Second, Burst: 20}

// defaultNode is the default of [Config].Node: 128 Mbit/s, in which eight peers
// can sync at full speed, and a little of everything that grows with requests.
var defaultNode = Quota{
	Requests: Rate{N: 1000, Per: time.Second, Burst: 2000},
	Items:    Rate{N: 1 << 15, Per: time.Second, Burst: 1 << 16},
	Bytes:    Rate{N: 16 * mib, Per: time.Second, Burst: 64 * mib},
}

// defaultQuota is the default of [Config].Default.
var defaultQuota = Quota{
	Requests: defaultRequests,
	Items:    Rate{N: 128, Per: 10 * time.Second, Burst: 256},
	Bytes:    defaultBytes,
}

// defaultBlobBytes is 32 Mbit/s, which leaves room for the sidecars of the blocks
// that a peer can get, and little more.
var defaultBlobBytes = Rate{N: 4 * mib, Per: time.Second, Burst: 48 * mib}

// DefaultMethods returns what may be used of the methods of the beacon chain, in
// a map that belongs to the caller. Requesters that limit themselves to what
// deployed servers grant are not delayed by them. Whatever they grant is refilled fast
// enough that nobody who comes back waits at the floor, see [Config.Warnings].
func DefaultMethods() map[string]Method {
	few := func(n uint64, per time.Duration, burst uint64) Method {
		return Method{Peer: Quota{Requests: Rate{N: n, Per: per, Burst: burst}}}
	}
	many := func(n, burst uint64, bytes Rate) Method {
		return Method{Peer: Quota{Requests: defaultRequests, Items: Rate{N: n, Per: 10 * time.Second, Burst: burst}, Bytes: bytes}}
	}
	return map[string]Method{
		// What deployed requesters keep to is 5 in 15 s. As a budget outlives
		// the connection, the burst leaves room for some handshakes in a row.
		"status": few(5, 15*time.Second, 10),
		// One ends a connection, so it is the rate of reconnecting. Whoever leaves waits for
		// the answer, briefly.
		"goodbye": few(5, 10*time.Second, 10),
		// Peers ping every 15 to 30 s, and when their metadata changes.
		"ping": few(3, 10*time.Second, 5),
		// Asked for after a ping.
		"metadata": few(2, 5*time.Second, 5),
		// Deployed requesters keep to 128 blocks in 10 s, in batches of 32 to
		// 128. Bytes hold today's blocks to about twice that, and the small
		// ones of the first forks, of which 1024 may be asked for at once, get
		// four times as many.
		"beacon_blocks_by_range": many(512, 1024, defaultBytes),
		// Each block is a random access. The burst is two requests of the most
		// roots allowed since Deneb, which is all that may run at a time.
		"beacon_blocks_by_root": many(128, 256, defaultBytes),
		"beacon_blocks_by_head": many(128, 256, defaultBytes),
		// The most that Electra allows in a request is 1152, of 128 KiB.
		"blob_sidecars_by_range": many(1152, 2304, defaultBlobBytes),
		"blob_sidecars_by_root":  many(1152, 2304, defaultBlobBytes),
		// The most in a request is 16384, of a few KiB today.
		"data_column_sidecars_by_range": many(16384, 32768, defaultBlobBytes),
		"data_column_sidecars_by_root":  many(16384, 32768, defaultBlobBytes),
		// As blocks, which they belong to.
		"execution_payload_envelopes_by_range": many(128, 256, defaultBytes),
		"execution_payload_envelopes_by_root":  many(128, 256, defaultBytes),
		// Ten times the most in a request, of up to 8 KiB.
		"inclusion_lists_by_indices": many(160, 320, defaultBytes),
		// The most in a request is 512.
		"execution_proofs_by_range": many(512, 1024, defaultBytes),
		"execution_proofs_by_root":  many(512, 1024, defaultBytes),
		"execution_proof_status":    few(5, 15*time.Second, 10),
		// Asked for once, at the start.
		"light_client_bootstrap": few(5, 15*time.Second, 10),
		// Of some 25 KiB, and one for each day: 128 are four months.
		"light_client_updates_by_range": many(128, 256, defaultBytes),
		// Once a slot.
		"light_client_finality_update":   few(3, 12*time.Second, 5),
		"light_client_optimistic_update": few(3, 12*time.Second, 5),
	}
}
