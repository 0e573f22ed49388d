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
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// maxPolite bounds how many peers are told goodbye at a time. The rest is hung up on.
const maxPolite = 64

// prune chooses the worst peers if there are more than the target, or too many of a prefix, and leaves those
// that were chosen as soon as the answers have ended which they read.
func (m *Manager) prune(now time.Time, standings map[peer.ID]standing) {
	if !m.crowded() {
		return
	}
	seen := m.snapshot(standings)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.surplusLocked(seen, now) {
		c.chosen = newDeparture(seen.answers[c.id], c.lastUsed, now)
	}
	polite := maxPolite
	for id, c := range m.conns {
		if c.chosen == nil || !c.chosen.over(seen.answers[id], now) {
			continue
		}
		m.removeLocked(c, now)
		leave := m.leave(beacon.GoodbyeTooManyPeers)
		if polite--; polite < 0 {
			leave = m.closeConns
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
		if c.chosen != nil {
			return true
		}
	}
	return false
}

// A snapshot is what others know of the peers, asked with nothing locked.
type snapshot struct {
	standings map[peer.ID]standing
	prefixes  map[peer.ID]netip.Prefix
	answers   answers
}

func (m *Manager) snapshot(standings map[peer.ID]standing) snapshot {
	s := snapshot{standings: standings, prefixes: make(map[peer.ID]netip.Prefix), answers: m.answering()}
	for id := range standings {
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
func (m *Manager) surplusLocked(seen snapshot, now time.Time) []*connected {
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
func (m *Manager) overPrefix(all []ranked, seen snapshot) (surplus []*connected, kept []ranked) {
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
	inUse     bool
	// seniority is how long a peer is connected, but negative for newcomers.
	seniority time.Duration
}

// rankLocked returns the peers that may be left, the worst first: by score, and those that have told no status. Of the
// others, those go first that nothing is being sent to, then those that are of no use, then those whose heads lag
// behind most, and then newcomers, who have had their time the sooner they came. Use comes before the head, which any
// peer can claim and a peer that syncs from this node does not have. Of those that are no newcomers the youngest goes
// first, as those that have stayed longest are most likely to stay on.
func (m *Manager) rankLocked(seen snapshot, now time.Time) []ranked {
	var all []ranked
	for id, c := range m.conns {
		standing, known := seen.standings[id] // not of a peer that has connected since
		if !known || !m.countedLocked(c) || m.staticLocked(id) || standing.trusted {
			continue
		}
		seniority := now.Sub(c.since)
		if c.newcomer(now) {
			seniority = -seniority
		}
		all = append(all, ranked{
			connected: c, score: standing.score, silent: m.silentLocked(c, now), lag: m.lagLocked(c),
			answering: len(seen.answers[id]) > 0, inUse: c.usedLately(now), seniority: seniority,
		})
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.score, b.score), compareBool(b.silent, a.silent), compareBool(a.answering, b.answering),
			compareBool(a.inUse, b.inUse), cmp.Compare(b.lag, a.lag), cmp.Compare(a.seniority, b.seniority))
	})
	return all
}

// silentLocked reports whether a peer has told no status, though it had the time.
func (m *Manager) silentLocked(c *connected, now time.Time) bool {
	_, ok := m.statusLocked(c.id)
	return !ok && now.Sub(c.since) >= askAfter
}

// lagLocked is by how many slots a peer's head is behind ours, as far as it is known. An epoch is as good as nothing.
func (m *Manager) lagLocked(c *connected) uint64 {
	status, ok := m.statusLocked(c.id)
	if !ok {
		return 0
	}
	lag := uint64(m.ours.status.HeadSlot - min(status.HeadSlot, m.ours.status.HeadSlot))
	if lag <= m.network().Preset().SlotsPerEpoch() {
		return 0
	}
	return lag
}

// answers are the exchanges of data of each peer that are being served, with what of them was written.
type answers map[peer.ID]map[uint64]uint64

// answering returns the exchanges under way.
func (m *Manager) answering() answers {
	all := make(answers)
	for _, e := range m.server.Answering() {
		if all[e.Peer] == nil {
			all[e.Peer] = make(map[uint64]uint64)
		}
		all[e.Peer][e.ID] = e.Written
	}
	return all
}

// A departure is what a peer that is to be left for lack of room waits for: the end of the answers that were under
// way as it was chosen, while it reads.
type departure struct {
	// under is those answers, with what was written of each at its mark, in the last of those times that it
	// had grown enough.
	under map[uint64]mark
	// until is when the last answer has had time to be delivered.
	until time.Time
}

// delivery is how long an answer that is written may be on its way: what is in buffers is lost with the connection.
const delivery = 10 * time.Second

type mark struct {
	written uint64
	at      time.Time
}

// newDeparture is of a peer with answers under way, and one before that ended some time, if it is not zero.
func newDeparture(under map[uint64]uint64, ended, now time.Time) *departure {
	d := &departure{under: make(map[uint64]mark, len(under)), until: ended.Add(delivery)}
	for id, written := range under {
		d.under[id] = mark{written, now}
	}
	return d
}

// over reports whether the peer can be left, as its answers are now.
func (d *departure) over(under map[uint64]uint64, now time.Time) bool {
	for id, last := range d.under {
		written, ok := under[id]
		switch {
		case !ok:
			delete(d.under, id)
			d.until = now.Add(delivery)
		case written-last.written >= reqresp.ProgressFloor:
			d.under[id] = mark{written, now}
		case now.Sub(last.at) >= reqresp.DefaultProgressTimeout:
			delete(d.under, id) // It hardly reads.
		}
	}
	return len(d.under) == 0 && !now.Before(d.until)
}
