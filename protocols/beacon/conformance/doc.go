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
// The ID of a rule begins with what it is of. P is the offer of a protocol. M1 to M15 are demands on all protocols:
// streams and chunks (M1 to M8), the ssz_snappy encoding (M9 to M12), lists of chunks (M13), messages without bytes
// (M14) and protocol IDs (M15). S1 to S10 are demands on some: the handshake (S1), ranges (S2), roots (S3), invalid
// payloads (S4), sidecars (S5), light clients (S6), blocks by head (S7), inclusion lists (S8), what has to be
// available (S9) and fork digests (S10).
//
//	for result := range conformance.Run(ctx, host, network, peerID, nil) {
//		fmt.Println(result.Rule.ID, result.Outcome, result.Saw)
//	}
package conformance
