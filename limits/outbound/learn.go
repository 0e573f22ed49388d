package outbound

import (
	"math"
	"slices"
	"time"

	"golang.org/x/time/rate"
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
	if i := s.adopt(method); i >= 0 {
		s.shrink(i, q, now, chunks, least)
		s.limiters[i] = q.bucket(s.quotas[i], now, q.granted) // The peer's bucket has nothing left.
		q.growAfter = growAfterRefusal
	}
}

// late takes an answer that the peer has withheld for too long, after so many chunks, for what it grants.
func (s *peerState) late(now time.Time, method string, chunks int) {
	i, q := s.quotaOf(method), s.queue(method)
	if i < 0 || now.Before(q.until) {
		return
	}
	s.shrink(i, q, now, chunks, float64(s.quotas[i].Items.Burst)/leastAfterLate)
	s.limiters[i] = q.bucket(s.quotas[i], now, missing(s.limiters[i], now))
	q.growAfter = max(q.growAfter, growAfterDelay)
}

// adopt returns the index of the method's own quota. Where there is none it takes the default. It returns -1 if there
// is none there either.
func (s *peerState) adopt(method string) int {
	if i := s.quotaOf(method); i >= 0 {
		return i
	}
	for _, b := range s.defaults {
		if slices.Contains(b.Methods, method) {
			s.quotas = append(slices.Clip(s.quotas), Quota{Methods: []string{method}, Items: b.Items})
			s.limiters = append(s.limiters, bucket(b.Items))
			return len(s.quotas) - 1
		}
	}
	return -1
}

// shrink has a quota grant what the peer has granted at once, but no less than a burst of floor.
func (s *peerState) shrink(i int, q *queue, now time.Time, chunks int, floor float64) {
	before := q.burst(s.quotas[i])
	used := max(missing(s.limiters[i], now)-float64(q.asked), 0) + float64(chunks)
	if used < 1 {
		used = before // Nothing was granted, which tells nothing but that half of it is to be tried.
	}
	q.granted, q.changed = max(min(used*margin, before/2), min(floor, before)), now
}

// grow has the quota of a method recover, if it is time to.
func (s *peerState) grow(now time.Time, method string) {
	q := s.queue(method)
	i := s.quotaOf(method)
	if q.granted == 0 || i < 0 || now.Sub(q.changed) < q.growAfter {
		return
	}
	q.granted, q.changed = q.granted*growth, now
	if q.granted >= float64(s.quotas[i].Items.Burst) {
		q.granted, q.growAfter = 0, 0
	}
	s.limiters[i] = q.bucket(s.quotas[i], now, missing(s.limiters[i], now))
}

// missing returns the tokens that a bucket lacks.
func missing(l *rate.Limiter, now time.Time) float64 { return float64(l.Burst()) - l.TokensAt(now) }

// burst is that of a quota, or less if the peer grants less.
func (q *queue) burst(b Quota) float64 {
	if q.granted > 0 {
		return min(q.granted, float64(b.Items.Burst))
	}
	return float64(b.Items.Burst)
}

// bucket returns the bucket of a quota as the peer grants it, which lacks some tokens.
func (q *queue) bucket(b Quota, now time.Time, missing float64) *rate.Limiter {
	burst := q.burst(b)
	part := burst / float64(b.Items.Burst)
	lim := rate.NewLimiter(bucket(b.Items).Limit()*rate.Limit(part), max(int(burst), 1))
	take(lim, now, int(math.Ceil(min(missing, owed*float64(lim.Burst())))))
	return lim
}

// batch returns how many of some items to ask for at once: half a burst where the peer has shown what it grants, as
// servers count in batches of their own.
func (s *peerState) batch(method string, items int) int {
	i := s.quotaOf(method)
	if i < 0 {
		return items
	}
	most := s.limiters[i].Burst()
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
	isSmall := func(b Quota) bool { return b.Small && slices.Contains(b.Methods, method) }
	return slices.ContainsFunc(s.quotas, isSmall) || slices.ContainsFunc(s.defaults, isSmall)
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
