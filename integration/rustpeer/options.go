package rustpeer

import "time"

// Options are the optional settings of a peer. The zero value is ready. A [Gossip] peer has but a Seed.
type Options struct {
	// Seed makes the peer's identity: peers with the same one have the same identity. Zero means a random identity.
	Seed uint8
	// Timeout is the request timeout of the peer's behaviours, in whole milliseconds. Zero means 10 s, which
	// is their own default.
	Timeout time.Duration
	// MaxStreams bounds the requests under way on one connection. Zero means 100, which is libp2p's own default.
	// [Current] only.
	MaxStreams int
	// Versions are the protocol IDs of the protocol versions, most preferred first. Nil means
	// /reqresp-test/versions/2, then /reqresp-test/versions/1. [Current] only.
	Versions []string
	// Hold names the protocols whose requests wait for [Peer.Answer] or [Peer.Drop]. Others are answered at once.
	Hold []string
	// Quiet leaves out all events of requests and responses, for measuring. [Current] only.
	Quiet bool
}

// argument is what the program reads.
func (o Options) argument() map[string]any {
	argument := make(map[string]any)
	if o.Seed != 0 {
		argument["seed"] = o.Seed
	}
	if o.Timeout != 0 {
		argument["timeout_ms"] = o.Timeout.Milliseconds()
	}
	if o.MaxStreams != 0 {
		argument["max_streams"] = o.MaxStreams
	}
	if o.Versions != nil {
		argument["versions"] = o.Versions
	}
	if o.Hold != nil {
		argument["hold"] = o.Hold
	}
	if o.Quiet {
		argument["quiet"] = true
	}
	return argument
}
