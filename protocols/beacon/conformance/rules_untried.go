package conformance

// untriedDemands are those that are not tried, with the reason. Those on the requester are kept by the client of
// package beacon, whose tests hold it to them.
func untriedDemands() []demand {
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
		untried(Must, "M2-close", all, "the requester closes its side after the request", asker),
		untried(Should, "M2-once", all, "the requester sends its request at once", asker),
		untried(Must, "M3-two", all, "the requester has two requests at a time at most", asker),
		untried(May, "M3-third", named("goodbye"), "at most a penalty for three goodbyes at once", leaves),
		untried(Should, "M4-reset", all, "the requester resets what it waits for no more", asker),
		untried(Must, "M7-limit", named("goodbye"), "no error and no reset for one goodbye after another", leaves),
		untried(Must, "M7-promptly", all, "each chunk is sent in full, delays lie between chunks", slow),
		untried(Must, "M10-response", all, "no more of a response is read than max_compressed_len", asker),
		untried(Must, "M12-response", all, "a bad response is ignored and held against the peer", asker),
		untried(Must, "S1-dialer", named("status"), "the dialer tells its status first", asker),
		untried(May, "S2-limit", byRange, "fewer are sent than are held", free),
		untried(May, "S2-reorg", byRange, "an answer ends early as fork choice changes its mind", free),
		untried(May, "S3-old", byRoot, "code 3 for what is older than has to be served", free),
		untried(Should, "S3-gossip", byRoot, "objects are served as soon as they pass on gossip", gossip),
		untried(Should, "S3-invalid", byRoot,
			"objects of blocks that fail the state transition are not served", invalid),
		untried(Should, "S4-payload", objects, "an invalid execution payload is not held against who serves it", asker),
		untried(Should, "S5-verify", sidecars, "sidecars are verified before the next is read", asker),
		untried(May, "S7-old", named(blocksByHead),
			"code 3 or nothing for a root that is older than has to be served", free),
		untried(May, "S8-old", named(listsByIndices), "code 3 or nothing for older slots", free),
		untried(Must, "S8-max", named(listsByIndices), "no more lists than members", bitfield),
		untried(Should, "S8-equivocators", named(listsByIndices), "lists of equivocators are not served", gossip),
	}
}
