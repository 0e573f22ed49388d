package conformance

import "github.com/seed-2dd5877b/reqresp/protocols/beacon"

// framing is the demands on streams and chunks. What answers look like is looked at in a sample of
// each protocol.
func framing() []demand {
	const small = "a small request"
	return []demand{
		must("M1-close", all, tryEnd, small, "an answer, then the end of the stream").withSample(),
		must("M4-count", all, trySample(partCount, false),
			small, "no more chunks than were asked for, exactly one of what is single").withSample(),
		must("M8-last", all, trySample(partResult, false),
			small, "nothing after an error, whose message is of 256 bytes at most").withSample(),
		must("M8-codes", all, tryCodes, small, "result 0 to 3, or 128 and more").withSample(),
		must("M8-unavailable", answersWithout3, tryUnavailable,
			small, "no code 3, which is not specified here").withSample(),
		must("M9-length", all, trySample(partLength, true),
			small, "lengths within the bounds of the type").withSample(),
		should("M9-minimal", all, trySample(partMinimal, true),
			small, "lengths of no more bytes than they need").withSample(),
		must("M13-chunks", all, trySample(partPayload, true),
			small, "one object in each chunk, in snappy frames").withSample(),
		must("M14-empty", withoutBytes, trySample(partCount, false),
			"nothing but the end of the stream", "a chunk, or code 3").withSample(),
		must("S10-context", withContext, trySample(partContext, true),
			small, "each chunk with the digest of a fork that has it").withSample(),
		must("M15-version", all, tryNoVersion, "a version that there is not", "no agreement on a protocol"),
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
		must("M5-open", withRequest, tryOpen,
			"half a request, and no end", "no success before it is complete").withRough(all, all),
		must("M6-short", withRequest, tryBad(short, code1),
			"a request that lacks its last byte", "code 1").withRough(all, butList),
		should("M9-claim", withRequest, tryBad(claim, unserved),
			"a request that claims 10 MiB", "an error, or a reset").withRough(all, never),
		should("M9-varint", withRequest, tryBad(longVarint, unserved),
			"a request whose length has 11 bytes", "an error, or a reset").withRough(all, never),
		must("M10-compressed", withRequest, tryBad(padded, unserved),
			"a request of more bytes than max_compressed_len", "an error, or a reset").withRough(all, never),
		must("M11-trailing", withRequest, tryBad(trailing, code1),
			"a request and a byte after it", "code 1").withRough(all, butPing),
		must("M11-early", withRequest, tryBad(half, code1), "half a request", "code 1").withRough(all, never),
		must("M13-frames", withRequest, tryBad(unframed, code1),
			"a request without snappy frames", "code 1").withRough(all, never),
		must("M14-bytes", withoutBytes, tryBad(stray, code1),
			"bytes where none belong", "code 1").withRough(all, never),
	}
}

// pressure is the demands on who is asked for too much.
func pressure() []demand {
	stays := except(all, named("goodbye"))
	return []demand{
		may("M3-third", stays, tryThree,
			"three times at once", "three answers in good order, at most a penalty").withHostile(),
		must("M7-limit", stays, tryBurst,
			"eight times without a pause", "eight answers, however late: no error and no reset").withHostile(),
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
		must("M2-close", all, nil, "", "the requester closes its side after the request").without(asker),
		should("M2-once", all, nil, "", "the requester sends its request at once").without(asker),
		must("M3-two", all, nil, "", "the requester has two requests at a time at most").without(asker),
		may("M3-third", named("goodbye"), nil, "", "at most a penalty for three goodbyes at once").without(leaves),
		should("M4-reset", all, nil, "", "the requester resets what it waits for no more").without(asker),
		must("M7-limit", named("goodbye"), nil,
			"", "no error and no reset for one goodbye after another").without(leaves),
		must("M7-promptly", all, nil, "", "each chunk is sent in full, delays lie between chunks").without(slow),
		must("M10-response", all, nil, "", "no more of a response is read than max_compressed_len").without(asker),
		must("M12-response", all, nil, "", "a bad response is ignored and held against the peer").without(asker),
		must("S1-dialer", named("status"), nil, "", "the dialer tells its status first").without(asker),
		may("S2-limit", byRange, nil, "", "fewer are sent than are held").without(free),
		may("S2-reorg", byRange, nil, "", "an answer ends early as fork choice changes its mind").without(free),
		may("S3-old", byRoot, nil, "", "code 3 for what is older than has to be served").without(free),
		should("S3-gossip", byRoot, nil, "", "objects are served as soon as they pass on gossip").without(gossip),
		should("S3-invalid", byRoot, nil,
			"", "objects of blocks that fail the state transition are not served").without(invalid),
		should("S4-payload", objects, nil,
			"", "an invalid execution payload is not held against who serves it").without(asker),
		should("S5-verify", sidecars, nil, "", "sidecars are verified before the next is read").without(asker),
		may("S7-old", named(blocksByHead), nil,
			"", "code 3 or nothing for a root that is older than has to be served").without(free),
		may("S8-old", named(listsByIndices), nil, "", "code 3 or nothing for older slots").without(free),
		must("S8-max", named(listsByIndices), nil, "", "no more lists than members").without(bitfield),
		should("S8-equivocators", named(listsByIndices), nil,
			"", "lists of equivocators are not served").without(gossip),
	}
}
