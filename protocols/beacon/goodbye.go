package beacon

import "fmt"

// A GoodbyeReason tells why a peer is being left. Reasons up to 3 are the consensus
// specs', those from 128 on are what deployed clients use.
type GoodbyeReason uint64

// Reasons to say goodbye.
const (
	// GoodbyeClientShutdown says that the node stops.
	GoodbyeClientShutdown GoodbyeReason = 1
	// GoodbyeIrrelevantNetwork says that the peer is of another network, fork or
	// chain.
	GoodbyeIrrelevantNetwork GoodbyeReason = 2
	// GoodbyeFault says that the peer, or this node, failed.
	GoodbyeFault GoodbyeReason = 3
	// GoodbyeUnableToVerifyNetwork says that the peer's status could not be learnt.
	GoodbyeUnableToVerifyNetwork GoodbyeReason = 128
	// GoodbyeTooManyPeers says that there is no room.
	GoodbyeTooManyPeers GoodbyeReason = 129
	// GoodbyeBadScore says that the peer behaved badly.
	GoodbyeBadScore GoodbyeReason = 250
	// GoodbyeBanned says that the peer is banned.
	GoodbyeBanned GoodbyeReason = 251
)

// String returns the reason in words, or its number where it has none.
func (r GoodbyeReason) String() string {
	switch r {
	case GoodbyeClientShutdown:
		return "client shut down"
	case GoodbyeIrrelevantNetwork:
		return "irrelevant network"
	case GoodbyeFault:
		return "fault or error"
	case GoodbyeUnableToVerifyNetwork:
		return "unable to verify network"
	case GoodbyeTooManyPeers:
		return "too many peers"
	case GoodbyeBadScore:
		return "bad score"
	case GoodbyeBanned:
		return "banned"
	}
	return fmt.Sprintf("reason %d", uint64(r))
}
