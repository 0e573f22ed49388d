package score

import (
	"math"
	"time"
)

// A record is one peer's score. The zero record is a stranger's.
type record struct {
	score   float64 // at the time updated
	updated time.Time
	banned  time.Time // until when
	reason  string    // why
	byHand  bool      // the ban is one of Book.Ban
	last    Action    // that was last reported
	trusted bool
	windows [classes]window
}

// A window is what one class changed a score by since it began, less what has decayed of that: sum is of the time at
// which the record was updated.
type window struct {
	began time.Time
	sum   float64
}

// negligible is a score that may be forgotten. It weighs what a stranger's does, give or take a tenth.
const negligible = 0.5

// slack is how far above a threshold a score may be and count as at it. Penalties follow each other in time, so that
// the first has decayed a little when the last comes: two of LowTolerance within 20 s reach the threshold of
// Disconnect.
const slack = 0.25

// at returns the score at a time. It stands still until a ban ends, and goes on from half of what disconnects: a peer
// that returns from a ban is not disconnected at once.
func (r *record) at(now time.Time, c *Config) float64 {
	score := r.score
	if r.banned.After(r.updated) && !r.isBanned(now) {
		score = max(score, c.Disconnect/2)
	}
	return score * r.decay(now, c)
}

// decay returns what is left at a time of a score of one.
func (r *record) decay(now time.Time, c *Config) float64 {
	since := r.updated
	if r.banned.After(since) {
		since = r.banned
	}
	d := now.Sub(since)
	if d <= 0 || r.updated.IsZero() {
		return 1
	}
	return math.Exp2(-float64(d) / float64(c.HalfLife))
}

// update brings the record up to a time.
func (r *record) update(now time.Time, c *Config) {
	score, left := r.at(now, c), r.decay(now, c)
	for i := range r.windows {
		r.windows[i].sum *= left
	}
	r.score, r.updated = score, now
}

func (r *record) isBanned(now time.Time) bool { return now.Before(r.banned) }

// until returns when the ban ends by the clock of now, which may have been set since the ban began.
func (r *record) until(now time.Time) time.Time { return now.Add(r.banned.Sub(now)) }

// add changes the score as one of a class does, so far as the cap of its window lets it: what has decayed of earlier
// ones may be added again. The reason is that of a ban which comes of it.
func (r *record) add(now time.Time, class Class, reason string, c *Config) {
	r.update(now, c)
	delta, w := change[class], &r.windows[class]
	if now.Sub(w.began) >= c.Window {
		*w = window{began: now}
	}
	room := max(c.cap(class)-math.Abs(w.sum), 0)
	delta = min(max(delta, -room), room)
	w.sum += delta
	r.score = min(max(r.score+delta, -Max), Max)
	if class == Fatal {
		r.score = -Max
	}
	if r.isBanned(now) {
		return // which does not prolong it
	}
	if r.score <= c.Ban+slack {
		r.banned, r.reason, r.byHand = now.Add(c.BanFor), shorten(reason), false
	}
}

// action returns what is to be done about the peer.
func (r *record) action(now time.Time, c *Config) Action {
	switch {
	case r.trusted:
		return Keep
	case r.isBanned(now):
		return Ban
	case r.at(now, c) <= c.Disconnect+slack:
		return Disconnect
	}
	return Keep
}
