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

// DefaultMethods returns what may be used of the methods of the beacon chain, in
// a map that belongs to the caller. Requesters that limit themselves to what deployed
// servers grant are not delayed by them.
func DefaultMethods() map[string]Method {
	return map[string]Method{
		// What deployed requesters keep to is 5 in 15 s. As a budget outlives
		// the connection, the burst leaves room for some handshakes in a row.
		"status": {Peer: Quota{Requests: Rate{N: 5, Per: 15 * time.Second, Burst: 10}}},
		// One ends a connection, so it is the rate of reconnecting. Whoever leaves waits for
		// the answer, briefly.
		"goodbye": {Peer: Quota{Requests: Rate{N: 5, Per: 10 * time.Second, Burst: 10}}},
		// Peers ping every 15 to 30 s, and when their metadata changes.
		"ping": {Peer: Quota{Requests: Rate{N: 2, Per: 10 * time.Second, Burst: 5}}},
		// Asked for after a ping.
		"metadata": {Peer: Quota{Requests: Rate{N: 2, Per: 5 * time.Second, Burst: 5}}},
		// Deployed requesters keep to 128 blocks in 10 s, in batches of 32 to
		// 128. Bytes hold today's blocks to about twice that, and the small
		// ones of the first forks, of which 1024 may be asked for at once, get
		// four times as many.
		"beacon_blocks_by_range": {Peer: Quota{
			Requests: defaultRequests,
			Items:    Rate{N: 512, Per: 10 * time.Second, Burst: 1024},
			Bytes:    defaultBytes,
		}},
		// Each block is a random access. The burst is two requests of the most
		// roots allowed since Deneb, which is all that may run at a time.
		"beacon_blocks_by_root": {Peer: Quota{
			Requests: defaultRequests,
			Items:    Rate{N: 128, Per: 10 * time.Second, Burst: 256},
			Bytes:    defaultBytes,
		}},
	}
}
