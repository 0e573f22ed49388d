package chainsync

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const (
	// maxInFlight is MAX_CONCURRENT_REQUESTS of the consensus specs, for each peer and protocol.
	maxInFlight = 2
	// A request that takes less than quick grows the peer's batches by growth slots, and one that takes longer than slow
	// halves them.
	quick, slow = time.Second, 4 * time.Second
	growth      = 8
	// rateWeight is the weight of one answer in a peer's mean rate.
	rateWeight = 0.25

	maxFailures  = 6
	firstBackoff = 2 * time.Second
	maxBackoff   = 30 * time.Second
	// patience is for how long a peer may refuse. Deployed clients have replenished several times by then.
	patience = 5 * time.Minute
	// A peer that names a head and answers range after range with nothing is given up after maxEmpty answers in a row,
	// or after manyEmpty that took as long as patience.
	maxEmpty, manyEmpty = 1024, 16
)

// A source is a peer of the pool, and what is known of it.
type source struct {
	Peer
	present  bool
	inFlight int
	size     float64  // slots to ask for at a time
	rate     float64  // bytes/s of one request; zero if nothing is known
	lacks    ssz.Slot // it has nothing below this slot
	given    error    // why it was given up; nil if it was not

	rest     time.Time // it is not asked before
	backoff  time.Duration
	unproven bool // it has brought nothing since it was left alone
	failures int  // in a row
	refusals int  // since it last gave anything
	refused  time.Time
	empty    int // answers in a row
	since    time.Time

	blocks, bytes uint64
	blamed        int
}

// usable reports whether a source may be asked at all.
func (p *source) usable() bool { return p.present && p.given == nil }

// serves reports whether a source may have all of some slots.
func (p *source) serves(first, last ssz.Slot) bool {
	return p.usable() && first >= max(p.Status.EarliestAvailableSlot, p.lacks) && last <= p.Status.HeadSlot
}

// took notes how long an answer of some bytes took, and adapts the size of batches.
func (p *source) took(d time.Duration, bytes int64, most uint64) {
	if rate := float64(bytes) / max(d.Seconds(), 1e-3); p.rate == 0 {
		p.rate = rate
	} else {
		p.rate += rateWeight * (rate - p.rate)
	}
	switch {
	case d > slow:
		p.shrink()
	case d < quick:
		p.size = min(p.size+growth, float64(most))
	}
}

func (p *source) shrink() { p.size = max(p.size/2, 1) }

// gave notes that a request was answered.
func (p *source) gave() { p.backoff, p.unproven, p.failures, p.refusals = 0, false, 0, 0 }

// pause has a source left alone for a while, longer each time in a row.
func (p *source) pause(now time.Time) {
	p.backoff = min(max(2*p.backoff, firstBackoff), maxBackoff)
	p.rest, p.unproven = now.Add(p.backoff), true
}

// failed notes an error that is no violation of the protocol, and gives the source up if asking again is of no use.
// Delay is for how long the pacer keeps away from it.
func (p *source) failed(now time.Time, err error, delay time.Duration) {
	p.pause(now)
	if beacon.IsRateLimited(err) {
		if p.refusals == 0 {
			p.refused = now
		}
		p.refusals++
		if now.Add(delay).Sub(p.refused) >= patience {
			p.given = &LimitedError{Peer: p.ID, Refusals: p.refusals, For: now.Sub(p.refused), Err: err}
		}
		return
	}
	p.failures++
	p.shrink()
	if !isTransient(err) || p.failures > maxFailures {
		p.given = err
	}
}

// nothing notes an empty answer, and reports whether there were too many in a row.
func (p *source) nothing(now time.Time) (tooMany bool) {
	if p.empty == 0 {
		p.since = now
	}
	p.empty++
	return p.empty >= maxEmpty || p.empty >= manyEmpty && now.Sub(p.since) >= patience
}

// isTransient reports whether asking again may help: the peer did not break a rule, and did not say that it cannot.
func isTransient(err error) bool {
	if e, ok := errors.AsType[*reqresp.Error](err); ok {
		return e.Code == reqresp.CodeServerError
	}
	f, ok := errors.AsType[*reqresp.Failure](err)
	if ok && f.Phase == reqresp.PhaseQueue && errors.Is(err, context.DeadlineExceeded) {
		return false // The pacer would hold the request back for longer than the caller has.
	}
	return ok && !errors.Is(err, reqresp.ErrViolation) && !errors.Is(err, reqresp.ErrUnsupported)
}

// isUnavailable reports whether err says that a peer lacks what it was asked for.
func isUnavailable(err error) bool {
	e, ok := errors.AsType[*reqresp.Error](err)
	return ok && e.Code == reqresp.CodeResourceUnavailable
}

// better reports whether p is asked before q: by how much is asked of it already, by score, by speed.
func (p *source) better(q *source) bool {
	switch {
	case p.inFlight != q.inFlight:
		return p.inFlight < q.inFlight
	case p.Score != q.Score:
		return p.Score > q.Score
	}
	return p.rate > q.rate
}

// faster reports whether p is asked before q for what others wait for.
func (p *source) faster(q *source) bool {
	if p.rate != q.rate {
		return p.rate > q.rate
	}
	return p.better(q)
}

// batchOf returns how many of some slots to ask a source for at once: no more than it sends in the time between quick
// and slow, or in which all sources together send what is held.
func (s *syncer) batchOf(p *source, slots uint64) uint64 {
	count := min(uint64(p.size), slots, s.fair())
	if p.rate > 0 {
		count = min(count, uint64(s.sends(p)))
	}
	if s.Pacer != nil {
		count = uint64(s.Pacer.Batch(p.ID, byRange, int(min(max(count, 1), math.MaxInt32))))
	}
	return max(count, 1)
}

// sends returns the blocks that a source sends in answer to one request while others wait for it.
func (s *syncer) sends(p *source) float64 {
	bytes := s.slotBytes() / 2 // on the wire; the rest is SSZ
	held := float64(s.MaxBytes) / 2 / max(s.rates, p.rate)
	return p.rate * min((slow/2).Seconds(), held) / bytes
}

// holdsUp reports whether others would wait for a source: it is slow, or has brought nothing of late.
func (s *syncer) holdsUp(p *source) bool { return p.unproven || p.rate > 0 && s.sends(p) < 1 }

// fair returns for how many slots there is memory in each request that may be in flight, with half of it left for what
// waits to be stored.
func (s *syncer) fair() uint64 {
	n := 0
	for _, p := range s.sources {
		if p.usable() {
			n++
		}
	}
	return uint64(max(1, float64(s.MaxBytes)/1/float64(max(n, 1)*maxInFlight)/s.slotBytes()))
}

// survey takes note of how fast all sources are together.
func (s *syncer) survey(now time.Time) {
	s.rates = 0
	for _, p := range s.sources {
		if p.usable() && !p.unproven && !now.Before(p.rest) {
			s.rates += p.rate * maxInFlight
		}
	}
}

// free reports whether a source may be asked for some slots now.
func (s *syncer) free(p *source, now time.Time, slots uint64) bool {
	return p.usable() && p.inFlight < maxInFlight && !now.Before(p.rest) &&
		(s.Pacer == nil || s.Pacer.Delay(p.ID, byRange, int(slots)) <= 0)
}
