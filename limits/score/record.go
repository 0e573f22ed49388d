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
	verdict Verdict   // that was last told of
	trusted bool
	windows [classes]window
}

// A window is what one class changed a score by since it began.
type window struct {
	began time.Time
	sum   float64
}

// negligible is a score that may be forgotten. It weighs what a stranger's does,
// give or take a tenth.
const negligible = 0.5

// at returns the score at a time. It stands still until a ban ends, and goes on
// from half of what disconnects: who has served his time is not hung up on as he
// returns.
func (r *record) at(now time.Time, c *Config) float64 {
	score, since := r.score, r.updated
	if r.banned.After(since) {
		since = r.banned
		if !r.isBanned(now) {
			score = max(score, c.Disconnect/2)
		}
	}
	d := now.Sub(since)
	if d <= 0 || score == 0 {
		return score
	}
	return score * math.Exp2(-float64(d)/float64(c.HalfLife))
}

func (r *record) isBanned(now time.Time) bool { return now.Before(r.banned) }

// until returns when the ban ends by the clock of now, which may have been set since the ban began.
func (r *record) until(now time.Time) time.Time { return now.Add(r.banned.Sub(now)) }

// add changes the score as one of a class does, so far as the cap of its window
// lets it. The reason is that of a ban which comes of it.
func (r *record) add(now time.Time, class Class, reason string, c *Config) {
	delta, w := change[class], &r.windows[class]
	if now.Sub(w.began) >= c.Window {
		*w = window{began: now}
	}
	room := max(c.cap(class)-math.Abs(w.sum), 0)
	delta = min(max(delta, -room), room)
	w.sum += delta
	r.score = min(max(r.at(now, c)+delta, -Max), Max)
	if class == Fatal {
		r.score = -Max
	}
	if r.updated = now; r.banned.After(now) {
		return // which does not prolong it
	}
	if r.score <= c.Ban {
		r.banned, r.reason, r.byHand = now.Add(c.BanFor), shorten(reason), false
	}
}

// judge returns what is to be done about the peer.
func (r *record) judge(now time.Time, c *Config) Verdict {
	switch {
	case r.trusted:
		return Keep
	case r.isBanned(now):
		return Ban
	case r.at(now, c) <= c.Disconnect:
		return Disconnect
	}
	return Keep
}
