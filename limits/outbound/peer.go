package outbound

import (
	"maps"
	"math"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// A peerState is what one peer was asked for, and what it refused.
type peerState struct {
	all      map[string][]Quota // of all clients
	defaults []Quota            // of any peer
	client   string             // whose budgets these are
	budgets  []*budget
	queues   map[string]*queue
	used     time.Time
	pending  int         // requests in flight
	refusals []time.Time // the last maxRefusals
}

// A budget is a quota and what is left of it.
type budget struct {
	Quota
	bucket *rate.Limiter
}

func newBudget(q Quota) *budget {
	return &budget{q, rate.NewLimiter(rate.Limit(float64(q.Items.N)/q.Items.Per.Seconds()), int(q.Items.Burst))}
}

// missing returns the tokens that the bucket lacks.
func (b *budget) missing(now time.Time) float64 {
	return float64(b.bucket.Burst()) - b.bucket.TokensAt(now)
}

// burst is that of the quota, or less if the peer grants less.
func (b *budget) burst(q *queue) float64 {
	if q.granted > 0 {
		return min(q.granted, float64(b.Items.Burst))
	}
	return float64(b.Items.Burst)
}

// reset has the budget be as the peer grants it, and lack some tokens.
func (b *budget) reset(q *queue, now time.Time, missing float64) {
	full, burst := newBudget(b.Quota).bucket, b.burst(q)
	part := rate.Limit(burst / float64(b.Items.Burst))
	b.bucket = rate.NewLimiter(full.Limit()*part, max(int(burst), 1))
	take(b.bucket, now, int(math.Ceil(min(missing, owed*float64(b.bucket.Burst())))))
}

// start begins with the budgets of a client, which are full.
func (s *peerState) start(client string) {
	s.client, s.budgets = client, nil
	for _, q := range s.all[client] {
		s.budgets = append(s.budgets, newBudget(q))
	}
}

// change goes on with other budgets, as the peer's client is known now. What was asked for so far counts, though for no
// more than take lets a peer owe: peers say who they are, and may say something else each time.
func (s *peerState) change(client string, now time.Time) {
	old := *s
	s.start(client)
	for name, q := range maps.Clone(old.queues) {
		for _, method := range old.methodsOf(name) {
			if q.granted > 0 {
				s.adopt(method)
			}
			s.queue(method).follow(q)
		}
	}
	for _, b := range s.budgets {
		asked := 0.0
		for _, o := range old.budgets {
			if b.overlaps(o.Quota) {
				asked += o.missing(now)
			}
		}
		q := new(queue) // nothing is learned of a budget for all methods
		if len(b.Methods) > 0 {
			q = s.queue(b.Methods[0])
		}
		b.reset(q, now, asked)
	}
}

// methodsOf returns the methods that share the queue of one.
func (s *peerState) methodsOf(method string) []string {
	if b := s.budgetOf(method); b != nil {
		return b.Methods
	}
	return []string{method}
}

// owed is how many bursts are counted to a full budget at most.
const owed = 2

// overlaps reports whether some requests count to both quotas alike.
func (b Quota) overlaps(o Quota) bool {
	if len(b.Methods) == 0 {
		return len(o.Methods) == 0
	}
	return slices.ContainsFunc(b.Methods, func(m string) bool { return slices.Contains(o.Methods, m) })
}

// budgetOf returns a method's own budget, or nil.
func (s *peerState) budgetOf(method string) *budget {
	for _, b := range s.budgets {
		if slices.Contains(b.Methods, method) {
			return b
		}
	}
	return nil
}

// take counts a request to the budgets that it belongs to, if they have enough for it. Else it returns how long that
// takes.
func (s *peerState) take(now time.Time, method string, items int) time.Duration {
	if wait := s.delay(now, method, items); wait > 0 {
		return wait
	}
	own := s.budgetOf(method)
	for _, b := range s.budgets {
		take(b.bucket, now, min(b.cost(b == own, items), owed*b.bucket.Burst()))
	}
	s.queue(method).asked = items
	s.pending++
	return 0
}

// delay returns how long it takes until the budgets have enough for a request, zero if they do.
func (s *peerState) delay(now time.Time, method string, items int) time.Duration {
	s.grow(now, method)
	wait := max(s.queue(method).until.Sub(now), s.rest(now, method), 0)
	own := s.budgetOf(method)
	for _, b := range s.budgets {
		if n := b.cost(b == own, items); n > 0 {
			wait = max(wait, delay(b.bucket, now, n))
		}
	}
	return wait
}

// cost returns what a request costs the quota, which may be its method's own.
func (b Quota) cost(own bool, items int) int {
	switch {
	case own:
		return items
	case len(b.Methods) == 0:
		return 1
	}
	return 0
}

// delay returns how long it takes until a bucket has n tokens, or is full.
func delay(l *rate.Limiter, now time.Time, n int) time.Duration {
	missing := float64(min(n, l.Burst())) - l.TokensAt(now)
	if missing <= 1e-6 { // of rounding
		return 0
	}
	return time.Duration(missing/float64(l.Limit())*float64(time.Second)) + 1
}

// take takes n tokens whether they are there or not.
func take(l *rate.Limiter, now time.Time, n int) {
	for ; n > 0; n -= l.Burst() {
		l.ReserveN(now, min(n, l.Burst()))
	}
}

// A queue is where requests wait that one budget delays.
type queue struct {
	head    chan struct{} // is full while one of them is at the head
	until   time.Time     // when the peer may be asked again after it was asked too much
	backoff time.Duration // that it was last left alone for

	asked     int           // items of the request sent last
	granted   float64       // the burst that the peer grants, as far as it has shown; zero if it has not
	changed   time.Time     // when that has changed
	growAfter time.Duration // how long after that it grows
	refused   time.Time     // when the peer last refused
}

// queue returns that of a method, which methods with one budget share.
func (s *peerState) queue(method string) *queue {
	if b := s.budgetOf(method); b != nil {
		method = b.Methods[0]
	}
	q := s.queues[method]
	if q == nil {
		q = &queue{head: make(chan struct{}, 1)}
		s.queues[method] = q
	}
	return q
}

// Backoff after a peer said that it was asked too much: that of deployed clients, and twice as long each time in a row.
const (
	firstBackoff = 5 * time.Second
	maxBackoff   = 2 * time.Minute
)

// follow has what is known of another queue hold for this one.
func (q *queue) follow(other *queue) {
	if other.until.After(q.until) {
		q.until, q.backoff = other.until, other.backoff
	}
	if other.refused.After(q.refused) {
		q.refused = other.refused
	}
	if other.granted > 0 && (q.granted == 0 || other.granted < q.granted) {
		q.granted, q.changed, q.growAfter = other.granted, other.changed, other.growAfter
	}
}

func (q *queue) backOff(now time.Time) {
	q.backoff = min(max(2*q.backoff, firstBackoff), maxBackoff)
	q.until = now.Add(q.backoff)
}
