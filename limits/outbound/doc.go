// Package outbound paces what is asked of peers, so that their limits are never
// met: deployed servers answer them with errors, strikes and bans.
//
//	pacer := outbound.New(&outbound.Options{IsLimited: beacon.IsRateLimited})
//	…
//	if err := pacer.Wait(ctx, to, "beacon_blocks_by_range", 64); err != nil {
//		return err
//	}
//	err := call(…)
//	pacer.Done(to, "beacon_blocks_by_range", err)
//
// By default no peer is asked for more than the strictest of Prysm, Lighthouse,
// Lodestar and Teku grants without being told otherwise, see [Budgets]. A peer that
// says all the same that it was asked too much is left alone for a while, longer
// each time. That is no fault of the peer's.
//
// How many requests are in flight is bounded by reqresp.Client.
package outbound
