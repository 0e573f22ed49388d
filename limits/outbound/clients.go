package outbound

import (
	"slices"
	"time"
)

// BudgetsOf returns the budgets that are kept to with peers of a client, which are the
// caller's: "lighthouse", "lodestar", "prysm" or "teku", each a little less than what the
// client grants by default. There are none for "reqresp" and "nimbus", which withhold their answers as
// the consensus specs want it, so that nobody can ask them for too much. For every other client
// they are those of [Budgets].
func BudgetsOf(client string) []Budget {
	switch client {
	case "reqresp", "nimbus":
		return nil
	case "lighthouse":
		return lighthouse()
	case "lodestar":
		return lodestar()
	case "prysm":
		return prysm()
	case "teku":
		return teku()
	}
	return Budgets()
}

const ten = 10 * time.Second

// Lighthouse counts each method by itself, and has no bound on all requests.
func lighthouse() []Budget {
	return slices.Concat(small(),
		each(Rate{120, ten, 120}, blocks...),      // 128 in 10 s
		each(Rate{120, ten, 120}, envelopes...),   // as blocks, as nothing else is known
		each(Rate{720, ten, 720}, blobs...),       // 896 by range, no more than 768 by root
		each(Rate{15360, ten, 15360}, columns...), // 16384
		each(Rate{1, 11 * time.Second, 1}, light...),
	)
}

// Lodestar counts each method by itself, and has no bound on all requests.
func lodestar() []Budget {
	return slices.Concat(small(),
		each(Rate{120, ten, 120}, blocks...),                                                                // 128 in 10 s
		each(Rate{120, ten, 120}, envelopes...),                                                             // as blocks, as nothing else is known
		each(Rate{720, ten, 720}, blobs...),                                                                 // 768 until electra
		each(Rate{15360, ten, 15360}, columns...),                                                           // 16384
		each(Rate{4, 15 * time.Second, 4}, "light_client_bootstrap"),                                        // 5 in 15 s
		each(Rate{120, ten, 120}, "light_client_updates_by_range"),                                          // 128 in 10 s
		each(Rate{1, 7 * time.Second, 1}, "light_client_finality_update", "light_client_optimistic_update"), // 2 in 12 s
	)
}

// Prysm counts kinds of objects, and all requests.
func prysm() []Budget {
	return slices.Concat([]Budget{
		{nil, Rate{9, time.Second, 16}}, // 10 in a second with a burst of 20
		{blocks, Rate{60, 30 * time.Second, 120}},
		{envelopes, Rate{60, 30 * time.Second, 120}},
		{blobs, Rate{360, 30 * time.Second, 1080}},
		{columns, Rate{3840, 30 * time.Second, 15360}},
		{[]string{"goodbye"}, Rate{1, 2 * time.Second, 1}}, // 1 in a second
	}, each(Rate{4, 5 * time.Second, 4}, "status", "ping", "metadata"), each(Rate{4, 5 * time.Second, 4}, light...)) // 1 in a second with a burst of 5
}

// Teku counts what a minute has seen. A burst and what follows it are within one.
func teku() []Budget {
	return slices.Concat([]Budget{
		{nil, Rate{70, time.Minute, 20}},               // 100
		{blocks, Rate{340, time.Minute, 120}},          // 500
		{envelopes, Rate{60, 30 * time.Second, 120}},   // as unknown peers, as nothing else is known
		{blobs, Rate{1200, time.Minute, 720}},          // 2000
		{columns, Rate{3840, 30 * time.Second, 15360}}, // as unknown peers
	}, small(), each(Rate{1, 11 * time.Second, 1}, light...))
}
