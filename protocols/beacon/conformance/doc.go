// Package conformance holds a peer against the rules of the consensus specs' Req/Resp domain: it asks
// for things whose answers the specs prescribe, and tells of each rule what was seen.
//
// Rules are data, see [Rules]: every demand of the specs for every protocol that it is of. [Run] asks
// one peer, whoever it is, and paces itself: it stays well within what deployed clients grant a peer,
// asks for nothing that they ban for at once, and leaves what they may take amiss to the end. A rule
// whose protocol the peer does not offer, or for which it holds nothing, is skipped; so is one whose answer
// the peer withholds for longer than a run waits, as the specs let it. What the peer has shown once, it has
// to serve again. A rule that cannot be seen from outside is left out, and tells why; so is one that takes a
// hostile request, unless [Options] ask for it.
//
//	for result := range conformance.Run(ctx, host, network, peerID, nil) {
//		fmt.Println(result.Rule.ID, result.Outcome, result.Saw)
//	}
package conformance
