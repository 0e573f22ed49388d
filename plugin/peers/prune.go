package peers

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// maxPolite bounds how many peers are told goodbye at a time. The rest is hung up on.
const maxPolite = 64

// prune chooses the worst peers if there are more than the target, or too many of a prefix, and leaves those
// that were chosen as soon as the answers have ended which they read.
func (m *Manager) prune(now time.Time) {
	if !m.crowded() {
		return
	}
	seen := m.look()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.surplusLocked(seen, now) {
		c.chosen = newDeparture(seen.answers[c.id], c.used, now)
	}
	polite := maxPolite
	for id, c := range m.conns {
		if c.chosen == nil || c.leaving || !c.chosen.over(seen.answers[id], now) {
			continue
		}
		c.leaving = true
		leave := m.leaver(beacon.GoodbyeTooManyPeers)
		if polite--; polite < 0 {
			leave = m.hangUp
		}
		m.spawnLocked(func(ctx context.Context) { leave(ctx, id) })
	}
}

// crowded reports whether anybody may have to be left.
func (m *Manager) crowded() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, _ := m.countLocked()
	if all > m.opts.Target || m.opts.MaxPerPrefix > 0 && all > m.opts.MaxPerPrefix {
		return true
	}
	for _, c := range m.conns {
		if c.chosen != nil && !c.leaving {
			return true
		}
	}
	return false
}

// A sight is what others know of the peers, asked with nothing locked.
type sight struct {
	scores   map[peer.ID]float64
	prefixes map[peer.ID]netip.Prefix
	answers  answers
}

func (m *Manager) look() sight {
	s := sight{scores: make(map[peer.ID]float64), prefixes: make(map[peer.ID]netip.Prefix), answers: m.answering()}
	for _, id := range m.connectedIDs() {
		s.scores[id] = m.opts.Scores.Score(id)
		if prefix, ok := (limits.Prefix{}).Of(m.opts.Addr(id)); ok {
			s.prefixes[id] = prefix
		}
	}
	return s
}

// countLocked returns how many peers there are, and how many of them this node has dialed.
func (m *Manager) countLocked() (all, outbound int) {
	for _, c := range m.conns {
		if m.countedLocked(c) {
			all++
			if c.dir == network.DirOutbound {
				outbound++
			}
		}
	}
	return all, outbound
}

// surplusLocked returns the peers to leave so that no prefix has too many and the target is met.
func (m *Manager) surplusLocked(seen sight, now time.Time) []*connected {
	ranked := m.rankLocked(seen, now)
	surplus, kept := m.overPrefix(ranked, seen)
	all, outbound := m.countLocked()
	all -= len(surplus)
	for _, c := range surplus {
		if c.dir == network.DirOutbound {
			outbound--
		}
	}
	for _, c := range m.unprotected(kept, now) {
		if all <= m.opts.Target {
			break
		}
		if c.dir == network.DirOutbound {
			if outbound <= m.opts.MinOutbound {
				continue
			}
			outbound--
		}
		all--
		surplus = append(surplus, c.connected)
	}
	return surplus
}

// overPrefix divides ranked peers into those that are too many of their prefix, of which the best stay, and the rest.
func (m *Manager) overPrefix(all []ranked, seen sight) (surplus []*connected, kept []ranked) {
	count := make(map[netip.Prefix]int)
	for _, c := range slices.Backward(all) {
		prefix, ok := seen.prefixes[c.id]
		if count[prefix]++; ok && m.opts.MaxPerPrefix > 0 && count[prefix] > m.opts.MaxPerPrefix {
			surplus = append(surplus, c.connected)
			continue
		}
		kept = append(kept, c)
	}
	slices.Reverse(kept)
	return surplus, kept
}

// unprotected returns ranked peers without the latest newcomers, as many as room is kept for. A newcomer has not
// behaved badly.
func (m *Manager) unprotected(all []ranked, now time.Time) []ranked {
	var newcomers []ranked
	for _, c := range all {
		if c.newcomer(now) && c.score >= 0 {
			newcomers = append(newcomers, c)
		}
	}
	slices.SortStableFunc(newcomers, func(a, b ranked) int { return b.began.Compare(a.began) })
	protected := make(map[peer.ID]bool)
	for _, c := range newcomers[:min(len(newcomers), max(1, m.opts.Target/trialShare))] {
		protected[c.id] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(c ranked) bool { return protected[c.id] })
}

// A ranked peer is one with what decides whether it is left.
type ranked struct {
	*connected
	score     float64
	silent    bool
	lag       uint64
	answering bool
	used      bool
	// seniority is how long a peer is connected, but negative for newcomers.
	seniority time.Duration
}

// rankLocked returns the peers that may be left, the worst first: by score, and those that have told no status. Of the
// others, those go first that nothing is being sent to, then those that are of no use, then those whose heads lag
// behind most, and then newcomers, who have had their time the sooner they came. Use comes before the head, which any
// peer can claim and a peer that syncs from this node does not have. Of those that are no newcomers the youngest goes
// first, as those that have stayed longest are most likely to stay on.
func (m *Manager) rankLocked(seen sight, now time.Time) []ranked {
	var all []ranked
	for id, c := range m.conns {
		if !m.countedLocked(c) || m.exemptLocked(id) {
			continue
		}
		seniority := now.Sub(c.since)
		if c.newcomer(now) {
			seniority = -seniority
		}
		all = append(all, ranked{
			connected: c, score: seen.scores[id], silent: c.silent(now), lag: m.lagLocked(c),
			answering: len(seen.answers[id]) > 0, used: c.inUse(now), seniority: seniority,
		})
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.score, b.score), compareBool(b.silent, a.silent), compareBool(a.answering, b.answering),
			compareBool(a.used, b.used), cmp.Compare(b.lag, a.lag), cmp.Compare(a.seniority, b.seniority))
	})
	return all
}

// silent reports whether a peer has told no status, though it had the time.
func (c *connected) silent(now time.Time) bool {
	return c.status == nil && now.Sub(c.since) >= askAfter
}

// lagLocked is by how many slots a peer's head is behind ours, as far as it is known. An epoch is as good as nothing.
func (m *Manager) lagLocked(c *connected) uint64 {
	if c.status == nil {
		return 0
	}
	lag := uint64(m.ours.status.HeadSlot - min(c.status.HeadSlot, m.ours.status.HeadSlot))
	if lag <= m.network().Preset().SlotsPerEpoch() {
		return 0
	}
	return lag
}
