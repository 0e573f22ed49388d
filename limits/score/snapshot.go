package score

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A Snapshot is a [Book]'s content, to be encoded in whatever way, JSON among
// them, and restored after a restart.
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
			e.BannedUntil, e.Reason, e.ByHand = r.banned.Round(0), r.reason, r.byHand
		}
		if math.Abs(e.Score) >= negligible || !e.BannedUntil.IsZero() {
			s.Scores = append(s.Scores, e)
		}
	}
	slices.SortFunc(s.Scores, func(a, b Entry) int { return strings.Compare(string(a.Peer), string(b.Peer)) })
	return s
}

// Restore puts scores in, as they have become since the snapshot was taken, in
// place of those that the peers have; trusted peers remain as they are. Those
// beyond MaxPeers are left out. It fails, and changes nothing, if a score is
// outside its range or the time is in the future by more than an hour. No ban is longer from now on than
// one that would begin now.
func (b *Book) Restore(s Snapshot) error {
	now := time.Now()
	if s.Taken.After(now.Add(time.Hour)) {
		return fmt.Errorf("score: snapshot of %v is from the future", s.Taken)
	}
	for _, e := range s.Scores {
		if !(e.Score >= -Max && e.Score <= Max) {
			return fmt.Errorf("score: snapshot has %v for %s, which is not between %v and %v", e.Score, e.Peer, -Max, Max)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range s.Scores {
		old := b.records[e.Peer]
		if old != nil && old.trusted || old == nil && len(b.records) >= b.config.MaxPeers {
			continue
		}
		longest := b.config.BanFor
		if e.ByHand {
			longest = MaxBan
		}
		r := &record{score: e.Score, updated: s.Taken, banned: minTime(e.BannedUntil, now.Add(longest))}
		if r.isBanned(now) {
			r.reason, r.byHand = shorten(e.Reason), e.ByHand
		}
		r.verdict = r.judge(now, &b.config)
		b.records[e.Peer] = r
	}
	return nil
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
