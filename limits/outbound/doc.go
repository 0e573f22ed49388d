// Package outbound paces what is asked of peers, so that their limits are never
// met: deployed servers answer them with errors, strikes and bans.
//
//	pacer, err := outbound.New(&outbound.Options{IsLimited: beacon.IsRateLimited})
//	…
//	client := beacon.NewClient(host, family, &beacon.ClientOptions{Pacer: pacer})
//
// A peer whose client is known is asked for what that grants without being told otherwise,
// see [BudgetsOf], and every other for no more than the strictest of Prysm, Lighthouse,
// Lodestar and Teku does, see [Budgets]. Peers that withhold their answers when they are
// asked too much, as the consensus specs want it, are not held back from here. A peer that
// says all the same that it was asked too much is left alone for a while, longer
// each time. That is no fault of the peer's.
//
// How many requests are in flight is bounded by reqresp.Client, which asks the pacer last:
// what a request was granted is not saved up while it waits for something else.
package outbound
