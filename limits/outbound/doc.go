// Package outbound paces what is asked of peers, so that their limits are never met: deployed servers answer them with
// errors, strikes and bans.
//
//	pacer, err := outbound.New(&outbound.Options{Quotas: quota.Granted(), IsLimited: beacon.IsRateLimited})
//	…
//	client := beacon.NewClient(host, family, &beacon.ClientOptions{Limiter: pacer})
//
// A peer whose client is known is asked for what that client grants by default, and every other peer for what holds for
// unknown clients; see [Options].Quotas, and package quota of the beacon chain for the quotas of its clients. A
// client without quotas, such as one that withholds its answers when it is asked too much, is asked at once.
//
// # Refusals
//
// A peer may grant less than its client does by default, and says so by a refusal. It is then left alone for a while,
// longer each time in a row, and its quota, or one of [Options].Defaults if it has none, shrinks to what it has
// granted at once, by half at least. [Pacer.Batch] says how much to ask for at a time from then on. The quota
// recovers by a quarter after two hours without a refusal. An answer that the peer withholds until it is too late
// shrinks the quota too, to no less than a quarter, from which it recovers every ten minutes.
//
// Deployed servers ban for a few refusals, Prysm for the fifth in an hour. A peer that has refused four times in an
// hour is not asked for anything large until the hour is over; [Pacer.Delay] tells how long that is. None of this is a
// fault of the peer's. What is learned of a peer lasts as long as the pacer, over reconnects as well.
//
// How many requests are in flight is bounded by reqresp.Client, which asks the pacer last: what a request was granted
// is not saved up while it waits for something else.
package outbound
