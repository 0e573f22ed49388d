package plugin

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// clientTrace returns the hooks that score what peers answer.
func (s *scores) clientTrace() *reqresp.ClientTrace {
	return &reqresp.ClientTrace{Done: func(info reqresp.OutboundInfo, r reqresp.Result) {
		if class, what := faultOf(info.Spec.Name, r.Err); what != "" {
			s.Penalize(info.Peer, class, fmt.Sprintf("%s: %s", what, info.Spec.Name))
		}
	}}
}

// faultOf returns what a peer did wrong that was asked by a method, and how grave that is: nothing
// if it is not to blame. A peer that says it was asked too much never is, nor one that finds a request
// invalid, as some say the same by that and without a word. What breaks the protocol is not
// fatal, for it may be this node that does not know a fork as it should.
func faultOf(method string, err error) (score.Class, string) {
	if err == nil || beacon.IsRateLimited(err) || method == "goodbye" {
		return 0, "" // Many hang up in place of an answer to a goodbye.
	}
	switch reqresp.ReasonOf(err) {
	case reqresp.ReasonViolation:
		return score.LowTolerance, "invalid answer"
	case reqresp.ReasonTimeout:
		// Neither a deadline of the caller's nor a dial, which may fail for many reasons.
		if f, ok := errors.AsType[*reqresp.Failure](err); ok && f.Phase > reqresp.PhaseDial && errors.Is(err, reqresp.ErrTimeout) {
			return score.HighTolerance, "no answer in time"
		}
	case reqresp.ReasonReset:
		// A server that stops says so, as this module's does.
		if s, ok := errors.AsType[*network.StreamError](err); !ok || s.ErrorCode != network.StreamShutdown {
			return score.HighTolerance, "answer broken off"
		}
	case reqresp.ReasonVerdict:
		if e, ok := errors.AsType[*reqresp.Error](err); ok && e.Code == reqresp.CodeServerError {
			return score.HighTolerance, "server error"
		}
	default:
		// The connection or this node is to blame, or it cannot be told.
	}
	return 0, ""
}

// unnegotiated bans a peer that leaves streams without a protocol, again and again. No honest peer does: it
// sends the protocol with the stream's first bytes.
func (s *scores) unnegotiated(id peer.ID) {
	s.Penalize(id, score.Fatal, "streams left in negotiation")
}

// answered scores an answer to a sync by the blocks that were good enough to be stored.
func (s *scores) answered(from peer.ID, stored uint64) {
	if stored > 0 {
		s.Reward(from, "blocks stored")
	}
}

// synced scores a peer by how a sync with it ended. That it leaves out blocks shows only beside what is
// stored, and may be a reorganisation of its chain for a few tries.
func (s *scores) synced(from peer.ID, err error) {
	if errors.Is(err, rangesync.ErrGap) {
		s.Penalize(from, score.MidTolerance, "left out blocks")
	}
}
