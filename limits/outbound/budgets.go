package outbound

import (
	"fmt"
	"time"
)

// A Rate is how much may be asked for every so often, and at once.
type Rate struct {
	// N is how much, at least 1.
	N int
	// Per is in what time, at least 1 ms.
	Per time.Duration
	// Burst is the most at once, at least 1.
	Burst int
}

// A Budget is what a peer is asked for, by some methods together.
type Budget struct {
	// Methods are those which share the budget. A method has one budget at most. A budget
	// without any is of all methods, which count by requests.
	Methods []string
	// Items limits what is asked for: blocks, sidecars, or requests where each
	// is answered by one chunk. For ranges of sidecars a server may count slots as
	// well; whoever asks counts them in.
	Items Rate
}

// validate returns an error that names what is outside its range.
func validate(budgets []Budget) error {
	seen := make(map[string]bool)
	for _, b := range budgets {
		r := b.Items
		if r.N < 1 || r.Burst < 1 || r.Per < time.Millisecond {
			return fmt.Errorf("outbound: budget of %v: %d per %v with a burst of %d: want at least 1 per 1ms with a burst of 1",
				b.Methods, r.N, r.Per, r.Burst)
		}
		for _, m := range b.Methods {
			if seen[m] {
				return fmt.Errorf("outbound: method %q has two budgets: want one at most", m)
			}
			seen[m] = true
		}
	}
	return nil
}

// Methods that servers count together, or alike.
var (
	blocks    = []string{"beacon_blocks_by_range", "beacon_blocks_by_root", "beacon_blocks_by_head"}
	envelopes = []string{"execution_payload_envelopes_by_range", "execution_payload_envelopes_by_root"}
	blobs     = []string{"blob_sidecars_by_range", "blob_sidecars_by_root"}
	columns   = []string{"data_column_sidecars_by_range", "data_column_sidecars_by_root"}
	light     = []string{
		"light_client_bootstrap", "light_client_updates_by_range",
		"light_client_finality_update", "light_client_optimistic_update",
	}
)

// Budgets returns the budgets that are kept to with peers of whom nothing is known, which are
// the caller's. Each is a little less than the strictest of Prysm, Lighthouse, Lodestar and Teku
// grants by default, burst included, as requests do not arrive as evenly as they are sent.
func Budgets() []Budget {
	return append([]Budget{
		// Teku: 100 in 60 s. Prysm: 10 in a second with a burst of 20.
		{nil, Rate{60, time.Minute, 18}},
		// Prysm: 64 in 30 s with a burst of 128, for both together.
		{blocks, Rate{60, 30 * time.Second, 120}},
		{envelopes, Rate{60, 30 * time.Second, 120}},
		// Prysm: 384 in 30 s. Lighthouse: no more than 768 at once by root.
		{blobs, Rate{360, 30 * time.Second, 720}},
		// Prysm: 4096 in 30 s with a burst of 16384.
		{columns, Rate{3840, 30 * time.Second, 15360}},
	}, append(small(), each(Rate{1, 11 * time.Second, 1}, light...)...)...) // Lighthouse: 1 in 10 s, of each.
}

// small returns the budgets of small messages, of which Lighthouse and Lodestar grant the least.
func small() []Budget {
	return []Budget{
		{[]string{"status"}, Rate{4, 15 * time.Second, 4}},  // 5 in 15 s
		{[]string{"goodbye"}, Rate{1, 11 * time.Second, 1}}, // 1 in 10 s
		{[]string{"ping"}, Rate{1, 6 * time.Second, 1}},     // 2 in 10 s
		{[]string{"metadata"}, Rate{1, 3 * time.Second, 1}}, // 2 in 5 s
	}
}

// each returns a budget for each method.
func each(r Rate, methods ...string) (all []Budget) {
	for _, m := range methods {
		all = append(all, Budget{[]string{m}, r})
	}
	return all
}
