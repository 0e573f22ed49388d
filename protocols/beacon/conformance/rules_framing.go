package conformance

import "github.com/seed-2dd5877b/reqresp/protocols/beacon"

// framing is the demands on streams and chunks. What answers look like is looked at in a sample of
// each protocol.
func framing() []demand {
	const small = "a small request"
	return []demand{
		{
			id: "M1-close", severity: Must, of: all, asked: small, expected: "an answer, then the end of the stream",
			sampled: true, try: tryEnd,
		},
		{
			id: "M4-count", severity: Must, of: all, asked: small, expected: "no more chunks than were asked for, exactly one of what is single",
			sampled: true, try: trySample(partCount, false),
		},
		{
			id: "M8-last", severity: Must, of: all, asked: small, expected: "nothing after an error, whose message is of 256 bytes at most",
			sampled: true, try: trySample(partResult, false),
		},
		{
			id: "M8-codes", severity: Must, of: all, asked: small, expected: "result 0 to 3, or 128 and more",
			sampled: true, try: tryCodes,
		},
		{
			id: "M8-unavailable", severity: Must, of: answersWithout3, asked: small, expected: "no code 3, which is not specified here",
			sampled: true, try: tryUnavailable,
		},
		{
			id: "M9-length", severity: Must, of: all, asked: small, expected: "lengths within the bounds of the type",
			sampled: true, try: trySample(partLength, true),
		},
		{
			id: "M9-minimal", severity: Should, of: all, asked: small, expected: "lengths of no more bytes than they need",
			sampled: true, try: trySample(partMinimal, true),
		},
		{
			id: "M13-chunks", severity: Must, of: all, asked: small, expected: "one object in each chunk, in snappy frames",
			sampled: true, try: trySample(partPayload, true),
		},
		{
			id: "M14-empty", severity: Must, of: withoutBytes, asked: "nothing but the end of the stream", expected: "a chunk, or code 3",
			sampled: true, try: trySample(partCount, false),
		},
		{
			id: "S10-context", severity: Must, of: withContext, asked: small, expected: "each chunk with the digest of a fork that has it",
			sampled: true, try: trySample(partContext, true),
		},
		{
			id: "M15-version", severity: Must, of: all, asked: "a version that there is not", expected: "no agreement on a protocol",
			try: tryNoVersion,
		},
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
		{
			id: "M5-open", severity: Must, of: withRequest, asked: "half a request, and no end", expected: "no success before it is complete",
			rough: all, hostile: all, try: tryOpen,
		},
		{
			id: "M6-short", severity: Must, of: withRequest, asked: "a request that lacks its last byte", expected: "code 1",
			rough: all, hostile: butList, try: tryBad(short, code1),
		},
		{
			id: "M9-claim", severity: Should, of: withRequest, asked: "a request that claims 10 MiB", expected: "an error, or a reset",
			rough: all, hostile: never, try: tryBad(claim, unserved),
		},
		{
			id: "M9-varint", severity: Should, of: withRequest, asked: "a request whose length has 11 bytes", expected: "an error, or a reset",
			rough: all, hostile: never, try: tryBad(longVarint, unserved),
		},
		{
			id: "M10-compressed", severity: Must, of: withRequest, asked: "a request of more bytes than max_compressed_len", expected: "an error, or a reset",
			rough: all, hostile: never, try: tryBad(padded, unserved),
		},
		{
			id: "M11-trailing", severity: Must, of: withRequest, asked: "a request and a byte after it", expected: "code 1",
			rough: all, hostile: butPing, try: tryBad(trailing, code1),
		},
		{
			id: "M11-early", severity: Must, of: withRequest, asked: "half a request", expected: "code 1",
			rough: all, hostile: never, try: tryBad(half, code1),
		},
		{
			id: "M13-frames", severity: Must, of: withRequest, asked: "a request without snappy frames", expected: "code 1",
			rough: all, hostile: never, try: tryBad(unframed, code1),
		},
		{
			id: "M14-bytes", severity: Must, of: withoutBytes, asked: "bytes where none belong", expected: "code 1",
			rough: all, hostile: never, try: tryBad(stray, code1),
		},
	}
}

// pressure is the demands on who is asked for too much.
func pressure() []demand {
	stays := except(all, named("goodbye"))
	return []demand{
		{
			id: "M3-third", severity: May, of: stays, asked: "three times at once", expected: "three answers in good order, at most a penalty",
			hostile: all, try: tryThree,
		},
		{
			id: "M7-limit", severity: Must, of: stays, asked: "eight times without a pause", expected: "eight answers, however late: no error and no reset",
			hostile: all, try: tryBurst,
		},
	}
}
