package limits

import "slices"

// A queue is where paces of one account wait for their turn, in order of
// arrival.
type queue []*pace

// isFirst reports whether nobody waits before p.
func (q queue) isFirst(p *pace) bool {
	return len(q) == 0 || q[0] == p
}

func (q *queue) leave(p *pace) {
	if i := slices.Index(*q, p); i >= 0 {
		*q = slices.Delete(*q, i, i+1)
	}
}

func (q queue) nudge() {
	if len(q) > 0 {
		q[0].wakeUp()
	}
}
