// Package limits decides how much of a server each peer may use. Its [Limiter] is a [reqresp.Limiter]:
//
//	limiter, err := limits.New(&limits.Options{Config: limits.Config{Methods: quotas}})
//	…
//	srv := reqresp.NewServer(host, &reqresp.ServerOptions{Limiter: limiter})
//
// # Quotas
//
// A [Quota] is set for a method, which is a [reqresp.Spec].Name: versions of a protocol share one. Each peer has a
// budget of its own for each method, of three token buckets: one for requests, of which each takes a token even if its
// answer is empty, one for response chunks, and one for the bytes written. Rate and burst are separate. What was
// reserved for a chunk and not used is given back; what the chunk took beyond is owed.
//
// A method can have a quota for all peers together as well, and the node has one for everything. Peers whose addresses
// share a prefix can have the budgets of a few peers together. An exchange takes from its peer's own budget first, then
// from all that is shared. A [Config] has all of it; [Limiter.Apply] changes it at run time.
//
// # Waiting
//
// The consensus specs forbid a responder to answer with an error or to close the stream because of a rate limit; they
// allow it to withhold the next chunk. So an exchange that is over its quota waits, and keeps a minimum rate: as
// deployed requesters give up after 5 s without a first byte and 10 s without a next chunk, an exchange gets its first
// chunk within 4 s of the end of its request, and one every 8 s from there, even if nothing is left. The 4 s cover
// every wait: for a request of the quota, for an exchange of the peer to end, and for what is shared. An exchange that
// is due goes on overdraft.
//
// The overdraft is bounded, so that a peer which always asks gets no more than its rate in the long run. Each bucket
// lends up to two bursts, or twice what is wanted if that is more, and what is granted while it has lent a little less.
// An exchange that is due and finds this used up is refused with [ErrOverdrawn], or with [ErrOverCapacity] if what is
// shared is used up: its stream is reset with the resource-limit code. They are no fault of a peer
// that keeps to the number of exchanges which may run at a time.
//
// A chunk that costs more than a whole burst is sent when the bucket is full, and owed. Of one chunk no more is owed
// than a burst and what 10 minutes refill. Other chunks and requests wait until the debt is paid, or until they are
// due.
//
// Two exchanges of a peer with a method run at a time, as the specs grant. More of them wait for admission, in order,
// and run on overdraft as well once they are due: up to six at a time. An exchange is refused at once, with
// [ErrQueueFull], where too many wait already. That breaks the specs several times over, and [Scores] is told. It is
// also told of a peer that has twice as many exchanges as may run, once a server has no streams left or one of them was
// refused after its 4 s.
//
// # Sharing
//
// What is shared is given to those that wait for it by weighted fair queueing in bytes: next is the peer that was sent
// the least, in relation to its weight. A peer's weight comes from its score, see [Scores], so that a bad one fades; a
// change counts from the next chunk of each exchange. Exchanges that wait for a prefix or a method hold up only others
// of the same. No peer waits for a slower one, and a peer that does not ask saves nothing up. What a chunk takes beyond
// what the handler reserved for it is expected of the exchange's next one.
//
// So that the minimum rate can be kept, every exchange admitted is promised its part of what is shared, by the mean
// size of its method's chunks. Half of the capacity may be promised; the other half is always shared by weight. An
// exchange that does not fit within its 4 s is refused: no overdraft could keep the minimum rate of all. One that is
// due is admitted only while three quarters of what may be promised are free, so that peers which have more exchanges
// than run at a time keep nobody else out. Small answers need no promise. While a chunk is written nothing is promised:
// a peer that does not read keeps nobody out. If all such peers read again at once, more may be due than was promised,
// by one chunk for each.
//
// # New peers
//
// A peer ID costs nothing, so a new one counts for little: all new peers that wait at a time have a quarter of one
// peer's part together. A peer's weight grows from there to what its score gives, between 5 s and 15 s of useful time:
// that from one chunk that it reads to the next, of which 2 s count at most, and a sixtieth where the chunk waited for
// its turn. So those who make the node short of capacity earn nothing by it, while peers that came before keep their
// part. The weight of a new peer matters only while others wait: it lowers none of its own quotas, and the minimum rate
// holds for it as well. A peer keeps what it has earned for 10 minutes after its last chunk, connected or not, while
// there is room for new peers.
//
// Peers whose addresses share a prefix have the part of [Prefix].Peers of them together. Peers at addresses of
// [PrivateNetworks] belong to no prefix by [HostAddr], as all peers may have such an address: there, only the weight of
// new peers holds back who uses many identities.
//
// # Memory
//
// A peer is tracked from its first request until it uses nothing and all of its buckets are full again, so that
// forgetting it gives it nothing. Disconnecting and returning changes nothing either. Peers that may be forgotten are
// looked for as new ones come. If the bound on tracked peers is reached by peers none of which can be forgotten, those
// are served on, and exchanges of others are refused until there is room. The same holds for prefixes.
//
// # Concurrency
//
// A [Limiter] is safe for concurrent use, has no goroutine and needs no closing. Its peers are spread over many locks,
// none of which is held while an exchange waits.
package limits
