package outbound

import (
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// A tab is what one peer was asked for.
type tab struct {
	client   string // whose budgets these are
	budgets  []Budget
	limiters []*rate.Limiter // of the budgets
	lines    map[string]*line
	used     time.Time
	pending  int         // requests under way
	refusals []time.Time // the last maxRefusals
}

// keep has the tab keep to the budgets of a client, from full.
func (t *tab) keep(client string, budgets []Budget) {
	t.client, t.budgets = client, budgets
	t.limiters = make([]*rate.Limiter, len(budgets))
	for i, b := range budgets {
		t.limiters[i] = b.Items.limiter()
	}
}

// change has the tab keep to other budgets, as the peer's client is known now. What was asked for so
// far counts, though for no more than take lets a peer owe: peers say who they are, and may say
// something else each time.
func (t *tab) change(client string, budgets []Budget, now time.Time) {
	old := *t
	t.keep(client, budgets)
	for name, l := range maps.Clone(old.lines) {
		for _, method := range old.methodsOf(name) {
			if l.granted > 0 {
				t.adopt(method)
			}
			t.line(method).follow(l)
		}
	}
	for i, b := range t.budgets {
		asked := 0.0
		for j, o := range old.budgets {
			if b.overlaps(o) {
				asked += missing(old.limiters[j], now)
			}
		}
		l := new(line) // nothing is learned of a budget for all methods
		if len(b.Methods) > 0 {
			l = t.line(b.Methods[0])
		}
		t.limiters[i] = l.limiter(b, now, asked)
	}
}

// methodsOf returns the methods that have the line of one.
func (t *tab) methodsOf(method string) []string {
	if i := t.budgetOf(method); i >= 0 {
		return t.budgets[i].Methods
	}
	return []string{method}
}

// owed is how many bursts are counted to a full budget at most.
const owed = 2

// overlaps reports whether some requests count to both budgets alike.
func (b Budget) overlaps(o Budget) bool {
	if len(b.Methods) == 0 {
		return len(o.Methods) == 0
	}
	return slices.ContainsFunc(b.Methods, func(m string) bool { return slices.Contains(o.Methods, m) })
}

// budgetOf returns the index of a method's own budget, or -1.
func (t *tab) budgetOf(method string) int {
	return slices.IndexFunc(t.budgets, func(b Budget) bool { return slices.Contains(b.Methods, method) })
}

// take counts a request to the budgets that it belongs to, if they have enough for it. Else it
// returns how long that takes.
func (t *tab) take(now time.Time, method string, items int) time.Duration {
	if wait := t.delay(now, method, items); wait > 0 {
		return wait
	}
	own := t.budgetOf(method)
	for i, b := range t.budgets {
		force(t.limiters[i], now, min(b.cost(i == own, items), owed*t.limiters[i].Burst()))
	}
	t.line(method).asked = items
	t.pending++
	return 0
}

// delay returns how long it takes until the budgets have enough for a request, zero if they do.
func (t *tab) delay(now time.Time, method string, items int) time.Duration {
	t.grow(now, method)
	wait := max(t.line(method).until.Sub(now), t.rest(now, method), 0)
	own := t.budgetOf(method)
	for i, b := range t.budgets {
		if n := b.cost(i == own, items); n > 0 {
			wait = max(wait, delay(t.limiters[i], now, n))
		}
	}
	return wait
}

// cost returns what a request costs the budget, which may be its method's own.
func (b Budget) cost(own bool, items int) int {
	switch {
	case own:
		return items
	case len(b.Methods) == 0:
		return 1
	}
	return 0
}

// maxDelay is longer than anybody waits.
const maxDelay = 1 << 62

// delay returns how long it takes until a bucket has n tokens, or is full.
func delay(l *rate.Limiter, now time.Time, n int) time.Duration {
	missing := float64(min(n, l.Burst())) - l.TokensAt(now)
	if missing <= 1e-6 { // of rounding
		return 0
	}
	return time.Duration(min(missing/float64(l.Limit())*float64(time.Second), maxDelay)) + 1
}

// force takes n tokens whether they are there or not.
func force(l *rate.Limiter, now time.Time, n int) {
	for ; n > 0; n -= l.Burst() {
		l.ReserveN(now, min(n, l.Burst()))
	}
}

// A line is where requests wait that one budget delays.
type line struct {
	turn    chan struct{} // is full while one of them is first
	until   time.Time     // when the peer may be asked again after it was asked too much
	backoff time.Duration // that it was last left alone for

	asked     int           // items of the request sent last
	granted   float64       // the burst that the peer grants, as far as it has shown; zero if it has not
	changed   time.Time     // when that has changed
	growAfter time.Duration // how long after that it grows
	refused   time.Time     // when the peer last refused
}

// line returns that of a method, which methods with one budget share.
func (t *tab) line(method string) *line {
	if i := t.budgetOf(method); i >= 0 {
		method = t.budgets[i].Methods[0]
	}
	l := t.lines[method]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		t.lines[method] = l
	}
	return l
}

// Backoff after a peer said that it was asked too much: that of deployed clients,
// and twice as long each time in a row.
const (
	firstBackoff = 5 * time.Second
	maxBackoff   = 2 * time.Minute
)

// follow has what is known of another line hold for this one.
func (l *line) follow(other *line) {
	if other.until.After(l.until) {
		l.until, l.backoff = other.until, other.backoff
	}
	if other.refused.After(l.refused) {
		l.refused = other.refused
	}
	if other.granted > 0 && (l.granted == 0 || other.granted < l.granted) {
		l.granted, l.changed, l.growAfter = other.granted, other.changed, other.growAfter
	}
}

func (l *line) backOff(now time.Time) {
	l.backoff = min(max(2*l.backoff, firstBackoff), maxBackoff)
	l.until = now.Add(l.backoff)
}
