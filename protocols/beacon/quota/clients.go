package quota

import (
	"slices"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/outbound"
)

const ten = 10 * time.Second

// Granted returns what deployed clients grant by default, by the client's name in lower case, less a little, as
// requests do not arrive as evenly as they are sent. The empty name is for every other client: no more than the
// strictest of Prysm, Lighthouse, Lodestar and Teku grants. Clients that withhold their answers, as the consensus
// specs want it, have no quotas: nobody can ask them for too much. The map is the caller's.
func Granted() map[string][]outbound.Quota {
	return map[string][]outbound.Quota{
		"":           strictest(),
		"lighthouse": lighthouse(),
		"lodestar":   lodestar(),
		"prysm":      prysm(),
		"teku":       teku(),
		"nimbus":     {},
		"reqresp":    {},
	}
}

// shared is a quota that methods share.
func shared(n uint64, per time.Duration, burst uint64, methods ...string) []outbound.Quota {
	return []outbound.Quota{{Methods: slices.Clone(methods), Items: limits.Rate{N: n, Per: per, Burst: burst}}}
}

// each is a quota of its own for each method.
func each(n uint64, per time.Duration, burst uint64, methods ...string) (all []outbound.Quota) {
	for _, m := range methods {
		all = append(all, shared(n, per, burst, m)...)
	}
	return all
}

// smallAs is each, for methods with small answers.
func smallAs(n uint64, per time.Duration, burst uint64, methods ...string) []outbound.Quota {
	all := each(n, per, burst, methods...)
	for i := range all {
		all[i].Small = true
	}
	return all
}

func strictest() []outbound.Quota {
	return slices.Concat(
		shared(60, time.Minute, 18),                     // Teku: 100 in 60 s. Prysm: 10 in a second with a burst of 20.
		shared(60, 30*time.Second, 120, blocks...),      // Prysm: 64 in 30 s with a burst of 128, for all together
		shared(60, 30*time.Second, 120, envelopes...),   // Prysm, as blocks
		shared(360, 30*time.Second, 720, blobs...),      // Prysm: 384 in 30 s. Lighthouse: no more than 768 at once by root.
		shared(3840, 30*time.Second, 15360, columns...), // Prysm: 4096 in 30 s with a burst of 16384
		strictSmall(),
		each(1, 11*time.Second, 1, light...), // Lighthouse: 1 in 10 s, of each
	)
}

// strictSmall returns the quotas of small messages, of which Lighthouse and Lodestar grant the least.
func strictSmall() []outbound.Quota {
	return slices.Concat(
		smallAs(4, 15*time.Second, 4, "status"),  // 5 in 15 s
		smallAs(1, 11*time.Second, 1, "goodbye"), // 1 in 10 s
		smallAs(1, 6*time.Second, 1, "ping"),     // 2 in 10 s
		smallAs(1, 3*time.Second, 1, "metadata"), // 2 in 5 s
	)
}

// Lighthouse counts each method by itself, and has no bound on all requests.
func lighthouse() []outbound.Quota {
	return slices.Concat(
		strictSmall(),
		each(120, ten, 120, blocks...),      // 128 in 10 s
		each(120, ten, 120, envelopes...),   // as blocks, as nothing else is known
		each(720, ten, 720, blobs...),       // 896 by range, no more than 768 by root
		each(15360, ten, 15360, columns...), // 16384
		each(1, 11*time.Second, 1, light...),
	)
}

// Lodestar counts each method by itself, and has no bound on all requests.
func lodestar() []outbound.Quota {
	return slices.Concat(
		strictSmall(),
		each(120, ten, 120, blocks...),                       // 128 in 10 s
		each(120, ten, 120, envelopes...),                    // as blocks, as nothing else is known
		each(720, ten, 720, blobs...),                        // 768 until electra
		each(15360, ten, 15360, columns...),                  // 16384
		each(4, 15*time.Second, 4, "light_client_bootstrap"), // 5 in 15 s
		each(120, ten, 120, "light_client_updates_by_range"), // 128 in 10 s
		each(1, 7*time.Second, 1, "light_client_finality_update", "light_client_optimistic_update"), // 2 in 12 s
	)
}

// Prysm counts kinds of objects, and all requests.
func prysm() []outbound.Quota {
	return slices.Concat(
		shared(9, time.Second, 16), // 10 in a second with a burst of 20
		shared(60, 30*time.Second, 120, blocks...),
		shared(60, 30*time.Second, 120, envelopes...),
		shared(360, 30*time.Second, 1080, blobs...),
		shared(3840, 30*time.Second, 15360, columns...),
		smallAs(1, 2*time.Second, 1, "goodbye"),                    // 1 in a second
		smallAs(4, 5*time.Second, 4, "status", "ping", "metadata"), // 1 in a second with a burst of 5
		each(4, 5*time.Second, 4, light...),
	)
}

// Teku counts what a minute has seen. A burst and what follows it are within one.
func teku() []outbound.Quota {
	return slices.Concat(
		shared(70, time.Minute, 20),                     // 100
		shared(340, time.Minute, 120, blocks...),        // 500
		shared(60, 30*time.Second, 120, envelopes...),   // as unknown peers, as nothing else is known
		shared(1200, time.Minute, 720, blobs...),        // 2000
		shared(3840, 30*time.Second, 15360, columns...), // as unknown peers
		strictSmall(),
		each(1, 11*time.Second, 1, light...),
	)
}
