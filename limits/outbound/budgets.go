package outbound

import "time"

// A Rate is how much may be asked for every so often, and at once.
type Rate struct {
	// N is how much.
	N int
	// Per is in what time.
	Per time.Duration
	// Burst is the most at once.
	Burst int
}

// A Budget is what a peer is asked for, by some methods together.
type Budget struct {
	// Methods are those which share the budget.
	Methods []string
	// Items limits what is asked for: blocks, sidecars, or requests where each
	// is answered by one chunk. For ranges of sidecars a server may count slots as
	// well; whoever asks counts them in.
	Items Rate
}

// all requests of any kind: Prysm grants 10 in a second with a burst of 20, Teku
// 100 in a minute.
var all = Rate{N: 60, Per: time.Minute, Burst: 18}

// Budgets returns the budgets that are kept to by default, which are the caller's.
// Each is a little less than the strictest of the deployed servers grants, burst
// included, as requests do not arrive as evenly as they are sent.
func Budgets() []Budget {
	return []Budget{
		// Prysm: 64 in 30 s with a burst of 128 for both together.
		{[]string{"beacon_blocks_by_range", "beacon_blocks_by_root", "beacon_blocks_by_head"}, Rate{60, 30 * time.Second, 120}},
		// Prysm: as blocks.
		{[]string{"execution_payload_envelopes_by_range", "execution_payload_envelopes_by_root"}, Rate{60, 30 * time.Second, 120}},
		// Prysm: 384 in 30 s. Lighthouse: no more than 768 at once by root.
		{[]string{"blob_sidecars_by_range", "blob_sidecars_by_root"}, Rate{360, 30 * time.Second, 720}},
		// Prysm: 4096 in 30 s with a burst of 16384.
		{[]string{"data_column_sidecars_by_range", "data_column_sidecars_by_root"}, Rate{3840, 30 * time.Second, 15360}},
		// Lighthouse and Lodestar: 5 in 15 s.
		{[]string{"status"}, Rate{4, 15 * time.Second, 4}},
		// Lighthouse and Lodestar: 1 in 10 s. Prysm: a burst of one.
		{[]string{"goodbye"}, Rate{1, 11 * time.Second, 1}},
		// Lighthouse and Lodestar: 2 in 10 s.
		{[]string{"ping"}, Rate{1, 6 * time.Second, 1}},
		// Lighthouse and Lodestar: 2 in 5 s.
		{[]string{"metadata"}, Rate{1, 3 * time.Second, 1}},
		// Lighthouse: 1 in 10 s, of each.
		{[]string{"light_client_bootstrap"}, Rate{1, 11 * time.Second, 1}},
		{[]string{"light_client_updates_by_range"}, Rate{1, 11 * time.Second, 1}},
		{[]string{"light_client_finality_update"}, Rate{1, 11 * time.Second, 1}},
		{[]string{"light_client_optimistic_update"}, Rate{1, 11 * time.Second, 1}},
	}
}
