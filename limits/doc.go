// Package limits decides how much of a server each peer may use. Its [Limiter]
// is a [reqresp.Pacer]:
//
//	limiter, err := limits.New(nil)
//	…
//	srv := reqresp.NewServer(host, &reqresp.ServerOptions{Pacer: limiter})
//
// # Quotas
//
// A [Quota] is set for a method, which is a [reqresp.Spec].Name: versions of a
// protocol share one. Every peer has a budget of its own for each method, of
// three token buckets: one for requests, of which each takes a token even if
// its answer is empty, one for response chunks, and one for the bytes written.
// Rate and burst are separate. What was reserved for a chunk and not used is
// given back, what it took beyond is owed.
//
// [DefaultQuotas] has the methods of the beacon chain. [Limiter.SetQuota]
// changes one at run time, for waiting exchanges too.
//
// # Waiting
//
// The consensus specs forbid a responder to answer with an error or to close
// the stream because of a rate limit; what they allow is to withhold the next
// chunk. So an exchange that is over its quota waits, with a floor: as deployed
// requesters give up after 5 s without a first byte and 10 s without a next
// chunk, an exchange that was admitted gets its first chunk after 4 s, and one
// every 8 s from there, even if nothing is left. It then goes into debt, and so
// does a chunk that costs more than a whole burst: such a chunk is sent when
// the bucket is full. A debt delays every further chunk up to the floor, and no
// request is admitted until it is paid. It is bounded by what 10 minutes pay
// off.
//
// Two exchanges of a peer with a method run at a time, as the specs grant. More
// of them wait for admission, in order. Only where too many wait already is an
// exchange refused, with an error that wraps [reqresp.ErrRefused].
//
// # Memory
//
// A peer is tracked from its first request until it uses nothing and every
// bucket of its is full again, so that forgetting it gives it nothing.
// Disconnecting and returning changes nothing either. Peers that may be
// forgotten are looked for as new ones come. If the bound on tracked peers is
// reached by peers none of which can be forgotten, those are served on, and
// exchanges of others are refused until there is room.
//
// # Concurrency
//
// A [Limiter] is safe for concurrent use, has no goroutine and needs no
// closing. Its lock is never held while anything waits.
package limits
