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
