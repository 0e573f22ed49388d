// Package conformance checks whether a peer keeps the rules of the consensus specs' Req/Resp domain. It sends requests
// whose answers the specs prescribe, and reports for each rule what it saw.
//
// Rules are data, see [Rules]: one for each demand of the specs and each protocol that the demand applies to. [Run]
// tests one peer, of any client. It paces its requests well within the default limits of deployed clients, sends none
// that they ban for at once, and sends those that may cost score last. A rule is skipped if the peer does not offer the
// protocol, holds no object to test with, or withholds its answer for longer than a run waits, which the specs allow. A
// peer must serve again what it has served once. A rule is left out, with the reason, if it cannot be observed from
// outside, or needs a hostile request and [Options] do not allow those.
//
// The ID of a rule begins with its subject. P is the offer of a protocol. M1 to M15 apply to all protocols: streams and
// chunks (M1 to M8), the ssz_snappy encoding (M9 to M12), lists of chunks (M13), messages without bytes (M14) and
// protocol IDs (M15). S1 to S10 apply to some: the handshake (S1), ranges (S2), roots (S3), invalid payloads (S4),
// sidecars (S5), light clients (S6), blocks by head (S7), inclusion lists (S8), availability (S9) and fork digests
// (S10).
//
//	for result := range conformance.Run(ctx, host, network, peerID, nil) {
//		fmt.Println(result.Rule.ID, result.Outcome, result.Saw)
//	}
package conformance
