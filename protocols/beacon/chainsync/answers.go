package chainsync

import (
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// enough is how many peers have to say that slots are empty.
const enough = 2

// ended takes note of what an attempt has brought.
func (s *syncer) ended(a *attempt, now time.Time) {
	b, p := a.batch, a.source
	is := func(o *attempt) bool { return o == a }
	b.inFlight, s.checks = slices.DeleteFunc(b.inFlight, is), slices.DeleteFunc(s.checks, is)
	p.inFlight--
	s.measured(a)
	if a.check != nil {
		a.check.checking = false
	}
	switch {
	case a.lost:
		s.lost(a, now)
	case errors.Is(a.err, reqresp.ErrViolation):
		s.drop(a.held)
		s.blame(p, a.first, a.last, a.err)
	case a.check != nil:
		s.drop(a.held)
		s.checked(a, now)
	case isUnavailable(a.err) && len(a.blocks) == 0:
		p.lacks = max(p.lacks, a.last+1)
		p.gave()
	case len(a.blocks) > 0:
		s.accept(a, now)
	case a.err != nil:
		s.failed(a, now)
	default:
		s.nothing(a, now)
	}
}

// lost takes note of an attempt that was not needed in the end. One that was late and has brought nothing is left alone
// for a while, so that nothing waits for it again at once.
func (s *syncer) lost(a *attempt, now time.Time) {
	s.drop(a.held)
	s.overlap += a.wire
	switch d := now.Sub(a.began); {
	case d < quick:
	case a.wire == 0:
		a.source.rate = 0
		a.source.shrink()
		a.source.pause(now)
	default:
		a.source.shrink()
		a.source.took(d, a.wire, s.Batch)
	}
}

func (s *syncer) failed(a *attempt, now time.Time) {
	var delay time.Duration
	if s.Pacer != nil {
		delay = s.Pacer.Delay(a.source.ID, byRange, 1)
	}
	a.source.failed(now, a.err, delay)
	a.batch.tried[a.source.ID] = true
	s.Logger.Info("request failed", "peer", a.source.ID, "first", a.first, "last", a.last, "err", a.err)
}

// nothing takes note of an empty answer.
func (s *syncer) nothing(a *attempt, now time.Time) {
	b, p := a.batch, a.source
	p.gave()
	b.tried[p.ID], b.empty[p.ID] = true, true
	if p.nothing(now) {
		s.blame(p, a.first, a.last, ErrLeftOut)
	}
	_, others := s.pick(now, b, (*source).faster)
	isEmpty := func(o *answer) bool { return len(o.blocks) == 0 }
	if len(b.empty) < enough && others || slices.ContainsFunc(b.answers, isEmpty) {
		return
	}
	b.answers = append(b.answers, new(answer))
	s.withdraw(b)
}

// accept takes blocks that link to each other as an answer. Slots that they leave open behind them become a batch of
// their own, unless other answers cover these.
func (s *syncer) accept(a *attempt, now time.Time) {
	b, p := a.batch, a.source
	if a.err != nil {
		s.failed(a, now)
	} else {
		p.gave()
		p.took(now.Sub(a.began), a.wire, s.Batch)
		s.times.add(now.Sub(a.began))
	}
	if len(b.answers) > 0 && (a.err != nil || a.cut) {
		s.drop(a.held) // It does not end where the peer would have it end.
		return
	}
	p.empty = 0
	p.blocks += uint64(len(a.blocks))
	p.bytes += uint64(a.wire)
	b.tried[p.ID] = true
	if i := slices.IndexFunc(b.answers, func(o *answer) bool { return o.same(a.blocks) }); i >= 0 {
		b.answers[i].add(p.ID)
		b.answers[i].sent = append(b.answers[i].sent, p.ID)
		b.doubted = false
		s.drop(a.held)
		return
	}
	s.withdraw(b)
	if len(b.answers) == 0 {
		b = s.shorten(a)
	} else {
		b.doubted = false
	}
	b.answers = append(b.answers, &answer{
		blocks: a.blocks, bytes: a.held, from: []peer.ID{p.ID}, sent: []peer.ID{p.ID},
	})
	b.rounds = 0
}

// shorten returns the part of a batch that an attempt has brought blocks of. The slots behind them become another one,
// and backward those before them too: that they are empty shows as what is next links to these blocks.
func (s *syncer) shorten(a *attempt) *batch {
	b, first, last := a.batch, a.blocks[0].Slot, a.blocks[len(a.blocks)-1].Slot
	tried, empty, cutBy := b.tried, b.empty, b.cutBy
	if last < b.last {
		lower, upper := s.split(b, last)
		if a.err == nil && !a.cut {
			s.leave(upper, a.source.ID)
		} else {
			s.leave(upper)
		}
		b = lower
	}
	if s.backward && first > b.first {
		lower, upper := s.split(b, first-1)
		s.leave(lower, a.source.ID)
		b = upper
	}
	b.tried, b.empty, b.cutBy = tried, empty, cutBy
	return b
}

// leave has others asked for slots that some peers have sent no blocks of: these slots are empty, or these peers leave
// blocks out.
func (s *syncer) leave(b *batch, by ...peer.ID) {
	b.tried, b.empty, b.cutBy = make(map[peer.ID]bool), make(map[peer.ID]bool), by
	for _, id := range by {
		b.tried[id], b.empty[id] = true, true
	}
}

// settle takes an answer of a batch to be the right one: whoever gave another one is at fault. Whether there are
// blocks behind the answer's last one is shown by what links to it; if nothing does, these slots are asked for again.
func (s *syncer) settle(b *batch, right *answer, linked bool) {
	wrong := slices.DeleteFunc(b.answers, func(a *answer) bool { return a == right })
	b.answers = []*answer{right}
	for _, a := range wrong {
		s.drop(a.bytes)
		err, by := ErrWrongChain, a.from
		switch {
		case a.within(right):
			err, by = ErrLeftOut, a.sent
		case right.within(a) && !linked:
			continue
		}
		for _, id := range by {
			s.blame(s.sources[id], b.first, b.last, err)
		}
	}
	if len(right.blocks) > 0 && !linked {
		s.cutOff(b, right)
	}
	if len(right.blocks) == 0 {
		return
	}
	for id := range b.empty {
		if p := s.sources[id]; slices.Contains(b.cutBy, id) {
			s.blame(p, b.first, b.last, ErrLeftOut)
		} else {
			p.lacks = max(p.lacks, b.last+1)
		}
	}
}

// cutOff makes a batch of the slots behind an answer.
func (s *syncer) cutOff(b *batch, right *answer) {
	if s.covers(right, b) {
		return
	}
	if s.backward {
		lower, _ := s.split(b, right.blocks[0].Slot-1)
		s.leave(lower, right.sent...)
		return
	}
	_, upper := s.split(b, right.top().Slot)
	s.leave(upper, right.sent...)
}

// blame reports a fault of a peer, and gives it up.
func (s *syncer) blame(p *source, first, last ssz.Slot, err error) {
	p.blamed++
	if p.given == nil {
		p.given = err
	}
	s.distrust(p)
	s.Logger.Warn("peer is at fault", "peer", p.ID, "first", first, "last", last, "err", err)
	if s.Blame != nil {
		s.Blame(Blame{Peer: p.ID, First: first, Last: last, Err: err})
	}
}

// distrust drops what is not stored yet and comes from nobody but peers that are at fault, and asks them for nothing
// more.
func (s *syncer) distrust(p *source) {
	for _, b := range s.batches[len(s.storing):] {
		b.answers = slices.DeleteFunc(b.answers, func(a *answer) bool {
			a.from = slices.DeleteFunc(a.from, func(id peer.ID) bool { return id == p.ID })
			if len(a.from) > 0 || len(a.blocks) == 0 {
				return false
			}
			s.drop(a.bytes)
			return true
		})
		for _, a := range b.inFlight {
			if a.source == p {
				a.withdraw()
			}
		}
	}
	for _, a := range s.checks {
		if a.source == p {
			a.withdraw()
		}
	}
}
