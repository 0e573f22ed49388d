package conformance

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
		{id: "M2-close", severity: Must, of: all, expected: "the requester closes its side after the request", leftOut: asker},
		{id: "M2-once", severity: Should, of: all, expected: "the requester sends its request at once", leftOut: asker},
		{id: "M3-two", severity: Must, of: all, expected: "the requester has two requests at a time at most", leftOut: asker},
		{id: "M3-third", severity: May, of: named("goodbye"), expected: "at most a penalty for three goodbyes at once", leftOut: leaves},
		{id: "M4-reset", severity: Should, of: all, expected: "the requester resets what it waits for no more", leftOut: asker},
		{id: "M7-limit", severity: Must, of: named("goodbye"), expected: "no error and no reset for one goodbye after another", leftOut: leaves},
		{id: "M7-promptly", severity: Must, of: all, expected: "each chunk is sent in full, delays lie between chunks", leftOut: slow},
		{id: "M10-response", severity: Must, of: all, expected: "no more of a response is read than max_compressed_len", leftOut: asker},
		{id: "M12-response", severity: Must, of: all, expected: "a bad response is ignored and held against the peer", leftOut: asker},
		{id: "S1-dialer", severity: Must, of: named("status"), expected: "the dialer tells its status first", leftOut: asker},
		{id: "S2-limit", severity: May, of: byRange, expected: "fewer are sent than are held", leftOut: free},
		{id: "S2-reorg", severity: May, of: byRange, expected: "an answer ends early as fork choice changes its mind", leftOut: free},
		{id: "S3-old", severity: May, of: byRoot, expected: "code 3 for what is older than has to be served", leftOut: free},
		{id: "S3-gossip", severity: Should, of: byRoot, expected: "objects are served as soon as they pass on gossip", leftOut: gossip},
		{id: "S3-invalid", severity: Should, of: byRoot, expected: "objects of blocks that fail the state transition are not served", leftOut: invalid},
		{id: "S4-payload", severity: Should, of: objects, expected: "an invalid execution payload is not held against who serves it", leftOut: asker},
		{id: "S5-verify", severity: Should, of: sidecars, expected: "sidecars are verified before the next is read", leftOut: asker},
		{id: "S7-old", severity: May, of: named(blocksByHead), expected: "code 3 or nothing for a root that is older than has to be served", leftOut: free},
		{id: "S8-old", severity: May, of: named(listsByIndices), expected: "code 3 or nothing for older slots", leftOut: free},
		{id: "S8-max", severity: Must, of: named(listsByIndices), expected: "no more lists than members", leftOut: bitfield},
		{id: "S8-equivocators", severity: Should, of: named(listsByIndices), expected: "lists of equivocators are not served", leftOut: gossip},
	}
}
