package throttled

import "math"

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
