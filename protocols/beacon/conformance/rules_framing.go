package conformance

import "github.com/seed-2dd5877b/reqresp/protocols/beacon"

// framing is the demands on streams and chunks. What answers look like is looked at in a sample of
// each protocol.
func framing() []demand {
	const small = "a small request"
	return []demand{
		{id: "M1-close", of: all, sampled: true, try: tryEnd,
			asked: small, expected: "an answer, then the end of the stream"},
		{id: "M4-count", of: all, sampled: true, try: trySample(partCount, false),
			asked: small, expected: "no more chunks than were asked for, exactly one of what is single"},
		{id: "M8-last", of: all, sampled: true, try: trySample(partResult, false),
			asked: small, expected: "nothing after an error, whose message is of 256 bytes at most"},
		{id: "M8-codes", of: all, sampled: true, try: tryCodes,
			asked: small, expected: "result 0 to 3, or 128 and more"},
		{id: "M8-unavailable", of: answersWithout3, sampled: true, try: tryUnavailable,
			asked: small, expected: "no code 3, which is not specified here"},
		{id: "M9-length", of: all, sampled: true, try: trySample(partLength, true),
			asked: small, expected: "lengths within the bounds of the type"},
		{id: "M9-minimal", severity: Should, of: all, sampled: true, try: trySample(partMinimal, true),
			asked: small, expected: "lengths of no more bytes than they need"},
		{id: "M13-chunks", of: all, sampled: true, try: trySample(partPayload, true),
			asked: small, expected: "one object in each chunk, in snappy frames"},
		{id: "M14-empty", of: withoutBytes, sampled: true, try: trySample(partCount, false),
			asked: "nothing but the end of the stream", expected: "a chunk, or code 3"},
		{id: "S10-context", of: withContext, sampled: true, try: trySample(partContext, true),
			asked: small, expected: "each chunk with the digest of a fork that has it"},
		{id: "M15-version", of: all, try: tryNoVersion,
			asked: "a version that there is not", expected: "no agreement on a protocol"},
	}
}

// answersWithout3 are the protocols for which the specs do not mention code 3.
func answersWithout3(p *beacon.Protocol) bool {
	return named("status", "goodbye", "ping", "metadata", updatesByRange)(p)
}

// malformed is the demands on how requests are read. Their requests break a rule themselves, so who is not
// to be hostile sends few of them, by ping and one by a list of roots: Prysm counts two of those, and bans
// after six.
func malformed() []demand {
	butPing := except(all, named("ping"))
	butList := except(butPing, second(blocksByRoot))
	never := rows(all)
	return []demand{
		{id: "M5-open", of: withRequest, rough: all, hostile: all, try: tryOpen,
			asked: "half a request, and no end", expected: "no success before it is complete"},
		{id: "M6-short", of: withRequest, rough: all, hostile: butList, try: tryBad(short, code1),
			asked: "a request that lacks its last byte", expected: "code 1"},
		{id: "M9-claim", severity: Should, of: withRequest, rough: all, hostile: never, try: tryBad(claim, unserved),
			asked: "a request that claims 10 MiB", expected: "an error, or a reset"},
		{id: "M9-varint", severity: Should, of: withRequest, rough: all, hostile: never,
			try:   tryBad(longVarint, unserved),
			asked: "a request whose length has 11 bytes", expected: "an error, or a reset"},
		{id: "M10-compressed", of: withRequest, rough: all, hostile: never, try: tryBad(padded, unserved),
			asked: "a request of more bytes than max_compressed_len", expected: "an error, or a reset"},
		{id: "M11-trailing", of: withRequest, rough: all, hostile: butPing, try: tryBad(trailing, code1),
			asked: "a request and a byte after it", expected: "code 1"},
		{id: "M11-early", of: withRequest, rough: all, hostile: never, try: tryBad(half, code1),
			asked: "half a request", expected: "code 1"},
		{id: "M13-frames", of: withRequest, rough: all, hostile: never, try: tryBad(unframed, code1),
			asked: "a request without snappy frames", expected: "code 1"},
		{id: "M14-bytes", of: withoutBytes, rough: all, hostile: never, try: tryBad(stray, code1),
			asked: "bytes where none belong", expected: "code 1"},
	}
}

// pressure is the demands on who is asked for too much.
func pressure() []demand {
	stays := except(all, named("goodbye"))
	return []demand{
		{id: "M3-third", severity: May, of: stays, hostile: all, try: tryThree,
			asked: "three times at once", expected: "three answers in good order, at most a penalty"},
		{id: "M7-limit", of: stays, hostile: all, try: tryBurst,
			asked:    "eight times without a pause",
			expected: "eight answers, however late: no error and no reset"},
	}
}

// leftOut is the demands that are not tried, with the reason. Those on who asks are kept by the client
// of package beacon, and held by tests of that.
func leftOut() []demand {
	const (
		asker    = "a rule for who asks, and the peer is asked"
		free     = "leaves it to the peer: nothing is demanded"
		gossip   = "takes an object on gossip at the same time"
		slow     = "not to be told from a slow connection"
		invalid  = "takes a block that the peer has found invalid"
		leaves   = "the peer may hang up after the first"
		bitfield = "a request has no room for more"
	)
	byRoot := named(blocksByRoot, blobsByRoot, columnsByRoot, envelopesByRoot)
	byRange := named(blocksByRange, blobsByRange, columnsByRange, envelopesByRange)
	objects := except(all, named("status", "goodbye", "ping", "metadata"))
	sidecars := named(blobsByRange, blobsByRoot, columnsByRange, columnsByRoot)
	return []demand{
		{id: "M2-close", of: all, expected: "the requester closes its side after the request", leftOut: asker},
		{id: "M2-once", severity: Should, of: all, expected: "the requester sends its request at once", leftOut: asker},
		{id: "M3-two", of: all, expected: "the requester has two requests at a time at most", leftOut: asker},
		{id: "M3-third", severity: May, of: named("goodbye"), leftOut: leaves,
			expected: "at most a penalty for three goodbyes at once"},
		{id: "M4-reset", severity: Should, of: all, leftOut: asker,
			expected: "the requester resets what it waits for no more"},
		{id: "M7-limit", of: named("goodbye"), leftOut: leaves,
			expected: "no error and no reset for one goodbye after another"},
		{id: "M7-promptly", of: all, expected: "each chunk is sent in full, delays lie between chunks", leftOut: slow},
		{id: "M10-response", of: all, leftOut: asker,
			expected: "no more of a response is read than max_compressed_len"},
		{id: "M12-response", of: all, expected: "a bad response is ignored and held against the peer", leftOut: asker},
		{id: "S1-dialer", of: named("status"), expected: "the dialer tells its status first", leftOut: asker},
		{id: "S2-limit", severity: May, of: byRange, expected: "fewer are sent than are held", leftOut: free},
		{id: "S2-reorg", severity: May, of: byRange, leftOut: free,
			expected: "an answer ends early as fork choice changes its mind"},
		{id: "S3-old", severity: May, of: byRoot, leftOut: free,
			expected: "code 3 for what is older than has to be served"},
		{id: "S3-gossip", severity: Should, of: byRoot, leftOut: gossip,
			expected: "objects are served as soon as they pass on gossip"},
		{id: "S3-invalid", severity: Should, of: byRoot, leftOut: invalid,
			expected: "objects of blocks that fail the state transition are not served"},
		{id: "S4-payload", severity: Should, of: objects, leftOut: asker,
			expected: "an invalid execution payload is not held against who serves it"},
		{id: "S5-verify", severity: Should, of: sidecars, leftOut: asker,
			expected: "sidecars are verified before the next is read"},
		{id: "S7-old", severity: May, of: named(blocksByHead), leftOut: free,
			expected: "code 3 or nothing for a root that is older than has to be served"},
		{id: "S8-old", severity: May, of: named(listsByIndices), leftOut: free,
			expected: "code 3 or nothing for older slots"},
		{id: "S8-max", of: named(listsByIndices), expected: "no more lists than members", leftOut: bitfield},
		{id: "S8-equivocators", severity: Should, of: named(listsByIndices), leftOut: gossip,
			expected: "lists of equivocators are not served"},
	}
}
