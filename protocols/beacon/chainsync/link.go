package chainsync

import (
	"cmp"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A link is an answer at the end of a chain of answers to the first batches, which begins with the block stored last.
type link struct {
	before *link // nil for the first batch
	answer *answer
	end    ssz.Root // what the next answer has to link to
	open   bool     // it may be anything
}

// open reports whether the first block to store may be any.
func (s *syncer) open() bool { return s.base.Root == ssz.Root{} && !s.backward }

// follow returns the link that an answer makes behind another, or nil if it does not link to that.
func (s *syncer) follow(before *link, a *answer) *link {
	next := &link{before: before, answer: a, end: before.end, open: before.open}
	if len(a.blocks) == 0 {
		return next
	}
	from, to := a.blocks[0].ParentRoot, a.top().Root
	if s.backward {
		from, to = to, from
	}
	if !before.open && from != before.end {
		return nil
	}
	next.end, next.open = to, false
	return next
}

// links returns one answer to each of the first batches, as far as there are some that make a chain. Batches that
// have answers, but none that links, are disputed then, and those before them that may be at fault.
func (s *syncer) links() []*answer {
	ends := []*link{{end: s.base.Root, open: s.open()}}
	n := 0
	for _, b := range s.batches {
		b.disputed = false
	}
	for ; n < len(s.batches) && len(s.batches[n].answers) > 0; n++ {
		var next []*link
		for _, a := range s.batches[n].answers {
			for _, end := range ends {
				if l := s.follow(end, a); l != nil {
					next = append(next, l)
				}
			}
		}
		if len(next) == 0 {
			s.dispute(n)
			break
		}
		ends = next
	}
	return s.best(ends).answers(n)
}

// dispute has further peers asked for batches up to the n-th, which does not link to those before: one of them is
// wrong, or leaves blocks out. Of a batch with several answers it is not known which of them links to those before.
func (s *syncer) dispute(n int) {
	first := n
	for first > len(s.storing) {
		first--
		if b := s.batches[first]; len(b.answers) == 1 && len(b.answers[0].blocks) > 0 {
			break
		}
	}
	all := s.batches[first : n+1]
	agreed := func(b *batch) bool {
		return slices.ContainsFunc(b.answers, func(a *answer) bool { return len(a.from) > 1 })
	}
	some := slices.ContainsFunc(all, func(b *batch) bool { return !agreed(b) })
	for _, b := range all {
		b.disputed = !some || !agreed(b)
	}
}

// best returns the end of the chain that the most peers vouch for, or that has the most blocks if these are proven.
func (s *syncer) best(ends []*link) *link {
	if len(ends) == 1 {
		return ends[0]
	}
	return slices.MaxFunc(ends, func(a, b *link) int {
		votes, blocks := a.weight()
		otherVotes, otherBlocks := b.weight()
		if s.backward || a.end == b.end { // All of them are proven.
			return cmp.Or(blocks-otherBlocks, votes-otherVotes)
		}
		return cmp.Or(votes-otherVotes, blocks-otherBlocks)
	})
}

func (l *link) weight() (votes, blocks int) {
	for ; l.before != nil; l = l.before {
		votes += len(l.answer.from) - l.answer.denied
		blocks += len(l.answer.blocks)
	}
	return votes, blocks
}

func (l *link) answers(n int) []*answer {
	all := make([]*answer, n)
	for ; l.before != nil; l = l.before {
		n--
		all[n] = l.answer
	}
	return all
}

// proven returns how many of the first batches can be stored, with these answers, which make a chain. If not all can,
// it also returns an answer whose last block another peer is to be asked for, as nobody else vouches for it.
func (s *syncer) proven(chain []*answer) (n int, unsure *answer) {
	n = len(chain)
	if i := slices.IndexFunc(s.batches[:n], func(b *batch) bool { return b.doubted }); i >= 0 {
		n = i
	}
	if s.open() {
		n = s.first(chain, n)
	}
	// Whether slots are empty is shown by what follows them, and in the end by all peers that there are.
	end := s.over() && n == len(s.batches)
	for i := n - 1; i >= 0 && len(chain[i].blocks) == 0; i-- {
		s.batches[i].doubted = end && s.anyElse(s.batches[i])
		if !end || s.batches[i].doubted {
			n = i
		}
	}
	if s.backward {
		return n, nil
	}
	vouching := make(map[peer.ID]bool) // for the end of what is looked at
	top, denied := n, false
	for ; n > 0; n-- {
		a := chain[n-1]
		if len(a.blocks) == 0 {
			continue
		}
		s.vouch(a, vouching)
		if len(vouching) > 1 {
			break
		}
		denied = denied || a.denied > len(a.from)
		if unsure == nil && s.canCheck(a) {
			unsure = a
		}
	}
	if unsure == nil && !denied {
		return top, nil // Nobody else can tell.
	}
	return n, unsure
}

// first returns n, or how many batches are before one that further peers are to be asked for: whether there are blocks
// before the first of all, no link shows.
func (s *syncer) first(chain []*answer, n int) int {
	for i, a := range chain[:n] {
		b := s.batches[i]
		if len(a.blocks) > 0 && a.blocks[0].Slot == b.first {
			return n
		}
		if b.doubted = s.anyElse(b); b.doubted {
			return i
		}
		if len(a.blocks) > 0 {
			return n
		}
	}
	return n
}

// vouch adds the peers that vouch for an answer: that have sent it, or name its last block in their status.
func (s *syncer) vouch(a *answer, vouching map[peer.ID]bool) {
	for _, id := range a.from {
		vouching[id] = true
	}
	for _, p := range s.sources {
		if p.usable() && (p.Status.HeadRoot == a.top().Root || p.Status.FinalizedRoot == a.top().Root) {
			vouching[p.ID] = true
		}
	}
}
