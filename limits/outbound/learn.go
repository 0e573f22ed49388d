package outbound

import (
	"slices"
	"time"
)

// What is learned from a peer that does not grant what its quota allows. It is asked for no more than it has granted
// at once, less a margin as requests do not arrive as evenly as they are sent, and for no more than half of what it was
// asked for before. Its rate shrinks as its burst, as with deployed servers a setting scales both.
const (
	// margin is the part of what was granted that is asked for from then on.
	margin = 15.0 / 16
	// growth is by how much a quota recovers after some time without a refusal. The next refusal may come of it, so
	// this takes long: Prysm forgets one an hour.
	growth           = 1.25
	growAfterRefusal = 2 * time.Hour
	// A late answer may be the network's fault. A quota recovers from it sooner, and is not lowered for it below a
	// part of what it was.
	growAfterDelay = 10 * time.Minute
	leastAfterLate = 4
	// least is the smallest burst that is learned, which stands for the rate where less than one cannot be asked for.
	least = 1.0 / 16
)

// A peer is asked for nothing that it may refuse once it has refused maxRefusals in refusalsPer: Prysm bans for the
// fifth.
const (
	maxRefusals = 4
	refusalsPer = time.Hour
)

// refused takes a refusal of a request by a method for what the peer grants, after so many chunks.
func (s *peerState) refused(now time.Time, method string, chunks int) {
	s.refusals = append(slices.DeleteFunc(s.refusals, func(at time.Time) bool { return now.Sub(at) >= refusalsPer }), now)
	if over := len(s.refusals) - maxRefusals; over > 0 {
		s.refusals = s.refusals[over:]
	}
	q := s.queue(method)
	q.refused = now
	if now.Before(q.until) {
		return // The request was in flight when the peer was found to be at its limit.
	}
	q.backOff(now)
	if b := s.adopt(method); b != nil {
		b.shrink(q, now, chunks, least)
		b.reset(q, now, q.granted) // The peer's bucket has nothing left.
		q.growAfter = growAfterRefusal
	}
}

// late takes an answer that the peer has withheld for too long, after so many chunks, for what it grants.
func (s *peerState) late(now time.Time, method string, chunks int) {
	b, q := s.budgetOf(method), s.queue(method)
	if b == nil || now.Before(q.until) {
		return
	}
	b.shrink(q, now, chunks, float64(b.Items.Burst)/leastAfterLate)
	b.reset(q, now, b.missing(now))
	q.growAfter = max(q.growAfter, growAfterDelay)
}

// adopt returns the method's own budget. Where there is none it makes one of the default. It returns nil if there is no
// default.
func (s *peerState) adopt(method string) *budget {
	if b := s.budgetOf(method); b != nil {
		return b
	}
	for _, q := range s.defaults {
		if slices.Contains(q.Methods, method) {
			b := newBudget(Quota{Methods: []string{method}, Items: q.Items})
			s.budgets = append(s.budgets, b)
			return b
		}
	}
	return nil
}

// shrink has a budget grant what the peer has granted at once, but no less than a burst of floor.
func (b *budget) shrink(q *queue, now time.Time, chunks int, floor float64) {
	before := b.burst(q)
	used := max(b.missing(now)-float64(q.asked), 0) + float64(chunks)
	if used < 1 {
		used = before // Nothing was granted, which tells nothing but that half of it is to be tried.
	}
	q.granted, q.changed = max(min(used*margin, before/2), min(floor, before)), now
}

// grow has the budget of a method recover, if it is time to.
func (s *peerState) grow(now time.Time, method string) {
	q := s.queue(method)
	b := s.budgetOf(method)
	if q.granted == 0 || b == nil || now.Sub(q.changed) < q.growAfter {
		return
	}
	q.granted, q.changed = q.granted*growth, now
	if q.granted >= float64(b.Items.Burst) {
		q.granted, q.growAfter = 0, 0
	}
	b.reset(q, now, b.missing(now))
}

// batch returns how many of some items to ask for at once: half a burst where the peer has shown what it grants, as
// servers count in batches of their own.
func (s *peerState) batch(method string, items int) int {
	b := s.budgetOf(method)
	if b == nil {
		return items
	}
	most := b.bucket.Burst()
	if s.queue(method).granted > 0 {
		most = max(most/2, 1)
	}
	return min(items, most)
}

// rest returns for how long a method is not used, so that the peer does not refuse too often. A peer that has ever
// refused has no more requests in flight than it may refuse. Methods with small answers go on unless they were refused
// themselves: their quotas are kept to, and nobody is to be taken for gone.
func (s *peerState) rest(now time.Time, method string) time.Duration {
	recent := s.recent(now)
	switch {
	case len(s.refusals) == 0 || s.small(method) && now.Sub(s.queue(method).refused) >= refusalsPer:
		return 0
	case len(recent) >= maxRefusals:
		return recent[0].Add(refusalsPer).Sub(now)
	case len(recent)+s.pending >= maxRefusals:
		return lookAgain // All that are in flight may be refused.
	}
	return 0
}

// small reports whether a method is one with small answers.
func (s *peerState) small(method string) bool {
	isSmall := func(q Quota) bool { return q.Small && slices.Contains(q.Methods, method) }
	return slices.ContainsFunc(s.all[s.client], isSmall) || slices.ContainsFunc(s.defaults, isSmall)
}

// lookAgain is when a request looks again that waits for others to end.
const lookAgain = time.Second

// recent returns when the peer has refused of late.
func (s *peerState) recent(now time.Time) []time.Time {
	for i, at := range s.refusals {
		if now.Sub(at) < refusalsPer {
			return s.refusals[i:]
		}
	}
	return nil
}
