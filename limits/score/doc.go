// Package score keeps scores of peers: how they behaved, from -100 to 100. A stranger has zero, and every score returns
// to it with a half-life.
//
//	book, err := score.New(nil)
//	…
//	limiter, err := limits.New(&limits.Options{Scores: book})
//	srv := reqresp.NewServer(host, &reqresp.ServerOptions{
//		Limiter:    limiter,
//		Trace:      book.Trace(),
//		Middleware: []reqresp.Middleware{book.Middleware()},
//	})
//
// # Penalties and rewards
//
// A penalty has a [Class], which says how many of them are tolerated. What a peer loses by one class within a window of
// time is capped; what has decayed of it meanwhile can be lost again. So a minute in which every answer comes late,
// which may well be the node's own fault, costs each peer a little and bans nobody. A peer that goes on for many
// windows is banned all the same. Requests that no correct peer sends have no cap: some twenty-five of them within a
// minute ban. Useful answers are rewarded, within a cap too. [Book.Trace]
// penalises what peers do wrong as they ask; who asks them judges their answers. Being throttled is no fault, and never
// told here.
//
// # Consequences
//
// A score becomes a weight, continuously, with which package limits shares what it has: a bad peer fades before it is
// ever banned. At a threshold a peer is to be disconnected, at a lower one it is banned for some time;
// [Options].Observe is told, and whoever owns the connection says goodbye. [Book.Gater] keeps banned peers out,
// [Book.Middleware] reads nothing of them where it does not, [Book.AppScore] is for gossipsub, and [Book.Snapshot] lets
// scores and bans survive a restart. Trusted peers are exempt. An operator bans by [Book.Ban], for a time of choice,
// and lifts bans by [Book.Forgive].
//
// # Memory
//
// Scores next to zero are forgotten as room is needed; see [Config].MaxPeers. A record takes up to 450 bytes, and the
// reason of a ban.
package score
