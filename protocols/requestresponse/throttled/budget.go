package throttled

import (
	"context"
	"math"
)

// A recvBudget is how many requests we let a peer send.
//
// The peer counts for itself, and what it sends need not arrive. So two numbers are
// kept: the peer has no more than remaining, and no less than remaining minus doubt.
// Credit is due when the peer may have none left. As long as nothing gets lost there is
// no doubt.
type recvBudget struct {
	remaining uint16
	doubt     uint16
	// owed is credit, counted in remaining, that is yet to be granted.
	owed uint16
	// grant is the one that is being delivered.
	grant *grant
	// granting tells that a goroutine delivers what is owed. It ends with cancel.
	granting bool
	cancel   context.CancelFunc
}

// A grant is credit on its way to a peer.
type grant struct {
	id     uint64
	credit uint16
	// free is how many requests the peer may send that do not prove the grant's
	// arrival.
	free uint16
	// arrived is closed when a request proves it. It stands for an acknowledgement.
	arrived chan struct{}
}

func newRecvBudget() *recvBudget { return &recvBudget{remaining: 1} }

// receive counts one request, and reports whether the peer had credit for it.
func (r *recvBudget) receive() bool {
	if r.remaining == 0 {
		return false
	}
	r.remaining--
	r.doubt = min(r.doubt, r.remaining)
	r.prove()
	return true
}

// prove takes a request as proof that the last grant has arrived, if it cannot have
// been sent without.
func (r *recvBudget) prove() {
	switch g := r.grant; {
	case g == nil:
	case g.free > 0:
		g.free--
	default:
		close(g.arrived)
		r.grant = nil
	}
}

// lose counts a stream on which a request may have been lost.
func (r *recvBudget) lose() { r.doubt = min(addSaturating(r.doubt, 1), r.remaining) }

// suspect puts everything in doubt, as the end of one of several connections does. It
// may have taken requests along, or be all that the peer has seen of the others' end,
// with which it begins anew.
func (r *recvBudget) suspect() {
	r.remaining = max(1, r.remaining)
	r.doubt = r.remaining
}

// replenish gives new credit up to limit, if the peer may have none left, and reports
// whether it did. No more than limit stays in doubt: a peer that loses one request
// after the other is never left without credit, but cannot hoard what it did not lose.
func (r *recvBudget) replenish(limit uint16) bool {
	if r.remaining > r.doubt {
		return false
	}
	credit := min(limit, math.MaxUint16-r.remaining)
	r.doubt = min(r.doubt, limit)
	r.remaining = addSaturating(r.doubt, credit)
	r.owe(credit)
	return true
}

// owe adds to what is to be granted, which is never more than the peer may have.
func (r *recvBudget) owe(credit uint16) { r.owed = min(addSaturating(r.owed, credit), r.remaining) }

// next takes what is owed as the next grant. There is none if nothing is, or if the
// peer has spent it already.
func (r *recvBudget) next(id uint64) *grant {
	credit := min(r.owed, r.remaining)
	r.owed = 0
	if credit == 0 {
		return nil
	}
	r.grant = &grant{id: id, credit: credit, free: r.remaining - credit, arrived: make(chan struct{})}
	return r.grant
}

// disconnected returns the budget for the next connection, on which the peer begins
// with one.
func (r *recvBudget) disconnected() *recvBudget {
	if r.cancel != nil {
		r.cancel()
	}
	return &recvBudget{remaining: max(1, r.remaining-r.doubt)}
}

// connected owes the peer all that it does not begin with.
func (r *recvBudget) connected() { r.owe(r.remaining - 1) }

// A sendBudget is how many requests a peer lets us send.
type sendBudget struct {
	remaining uint16
	// grant is the last grant that was accepted, if one was.
	grant   uint64
	granted bool
}

// newSendBudget returns the budget that both sides assume at first.
func newSendBudget() *sendBudget { return &sendBudget{remaining: 1} }

// spend takes credit for one request, and reports whether there was any.
func (s *sendBudget) spend() bool {
	if s.remaining == 0 {
		return false
	}
	s.remaining--
	return true
}

// add adds credit, and reports whether there was none before.
func (s *sendBudget) add(credit uint16) (resumed bool) {
	resumed = s.remaining == 0 && credit > 0
	s.remaining = addSaturating(s.remaining, credit)
	return resumed
}

// accept adds the credit of a grant, unless it is one that was sent again.
func (s *sendBudget) accept(grant uint64, credit uint16) (resumed bool) {
	if s.granted && grant <= s.grant {
		return false
	}
	s.grant, s.granted = grant, true
	return s.add(credit)
}

func addSaturating(a, b uint16) uint16 { return a + min(b, math.MaxUint16-a) }
