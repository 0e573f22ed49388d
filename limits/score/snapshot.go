package score

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A Snapshot is a [Book]'s content, to be encoded in whatever way, JSON among them, and restored after a restart.
type Snapshot struct {
	// Taken is when.
	Taken time.Time `json:"taken"`
	// Scores are those that are not negligible, ordered by peer.
	Scores []Entry `json:"scores"`
}

// An Entry is a peer's score in a [Snapshot].
type Entry struct {
	// Peer is whose score it is.
	Peer peer.ID `json:"peer"`
	// Score is what it was as the snapshot was taken.
	Score float64 `json:"score"`
	// BannedUntil is when the peer's ban ends, the zero time if it is not banned.
	BannedUntil time.Time `json:"banned_until,omitzero"`
	// Reason is why it is banned.
	Reason string `json:"reason,omitempty"`
	// ByHand tells that the ban is one of [Book.Ban].
	ByHand bool `json:"by_hand,omitempty"`
}

// Snapshot returns the scores, which are the caller's.
func (b *Book) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	s := Snapshot{Taken: now.Round(0)}
	for id, r := range b.records {
		e := Entry{Peer: id, Score: r.at(now, &b.config)}
		if r.isBanned(now) {
			e.BannedUntil, e.Reason, e.ByHand = r.until(now).Round(0), r.reason, r.byHand
		}
		if math.Abs(e.Score) >= negligible || !e.BannedUntil.IsZero() {
			s.Scores = append(s.Scores, e)
		}
	}
	slices.SortFunc(s.Scores, func(a, b Entry) int { return strings.Compare(string(a.Peer), string(b.Peer)) })
	return s
}

// Restore puts scores in, as they have become since the snapshot was taken, in place of those that the peers have;
// trusted peers remain as they are. Those beyond MaxPeers are left out. It fails, and changes nothing, if a score is
// outside its range. No ban is longer from now on than one that would begin now.
//
// A snapshot of the future, see [Snapshot.IsFuture], is restored as if it was taken now: scores are what they were, and
// bans last for as long as they had left.
func (b *Book) Restore(s Snapshot) error {
	for _, e := range s.Scores {
		if !(e.Score >= -Max && e.Score <= Max) {
			return fmt.Errorf("score: snapshot has %v for %s, which is not between %v and %v", e.Score, e.Peer, -Max, Max)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for _, e := range s.Scores {
		old := b.records[e.Peer]
		if old != nil && old.trusted || old == nil && len(b.records) >= b.config.MaxPeers {
			continue
		}
		b.records[e.Peer] = e.record(s.Taken, now, &b.config)
	}
	return nil
}

// IsFuture reports whether the snapshot was taken in the future: the clock was wrong then, or is now.
func (s Snapshot) IsFuture() bool { return s.Taken.After(time.Now()) }

// record returns what an entry of a snapshot has become. Its times are relative to now, so that they are not moved if
// the clock is set while the process runs.
func (e Entry) record(taken, now time.Time, c *Config) *record {
	present := now // by the clock that the entry's times are of
	if taken.After(now) {
		present = taken
	}
	r := &record{score: e.Score, updated: now.Add(-present.Sub(taken))}
	if !e.BannedUntil.IsZero() {
		r.banned = now.Add(min(e.BannedUntil.Sub(present), longestBan(e.ByHand, c)))
	}
	if r.isBanned(now) {
		r.reason, r.byHand = shorten(e.Reason), e.ByHand
	}
	r.last = r.action(now, c)
	return r
}

func longestBan(byHand bool, c *Config) time.Duration {
	if byHand {
		return MaxBan
	}
	return c.BanFor
}
