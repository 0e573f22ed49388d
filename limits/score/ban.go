package score

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// MaxBan is the longest that [Book.Ban] bans for.
	MaxBan = 365 * 24 * time.Hour
	// MaxReason is how many bytes of a ban's reason are kept.
	MaxReason = 256
)

var (
	// ErrTrusted is returned by [Book.Ban] for a peer that is trusted.
	ErrTrusted = errors.New("score: peer is trusted")
	// ErrBanned is wrapped by what is refused because a peer is banned; see [Book.Middleware].
	ErrBanned = errors.New("score: peer is banned")
)

// A Banned peer is one whose ban is in force.
type Banned struct {
	// Peer is who is banned.
	Peer peer.ID
	// Until is when the ban ends, by the clock as it is now.
	Until time.Time
	// Reason is that of the penalty which led to it, or what [Book.Ban] was given, shortened to MaxReason.
	Reason string
}

// Ban bans a peer for a time, between a second and MaxBan, in place of the ban that it may have. The reason is for
// people. It fails with an error that wraps [ErrTrusted] if the peer is trusted, and changes nothing then.
// Options.Observe is not told: whoever calls knows.
func (b *Book) Ban(id peer.ID, d time.Duration, reason string) error {
	if d < time.Second || d > MaxBan {
		return fmt.Errorf("score: ban for %v is not between %v and %v", d, time.Second, MaxBan)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	r := b.record(id, now)
	if r.trusted {
		return fmt.Errorf("%w: %v", ErrTrusted, id)
	}
	r.update(now, &b.config)
	r.banned, r.reason, r.byHand, r.last = now.Add(d), shorten(reason), true, Ban
	return nil
}

// shorten keeps the memory that a reason takes within its bound.
func shorten(reason string) string {
	if len(reason) <= MaxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:MaxReason], "")
}

// Bans returns the bans in force, ordered by peer. The slice is the caller's.
func (b *Book) Bans() []Banned {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	var bans []Banned
	for id, r := range b.records {
		if r.action(now, &b.config) == Ban {
			bans = append(bans, Banned{Peer: id, Until: r.until(now), Reason: r.reason})
		}
	}
	slices.SortFunc(bans, func(a, b Banned) int { return cmp.Compare(a.Peer, b.Peer) })
	return bans
}

// Forgive forgets a peer's score, and lifts its ban. It reports whether there was a ban. It does nothing to a peer that
// is trusted.
func (b *Book) Forgive(id peer.ID) (banned bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[id]
	if r == nil || r.trusted {
		return false
	}
	delete(b.records, id)
	return r.isBanned(time.Now())
}

// Trust makes a peer exempt, and forgets its score and its ban, or makes it as any other. A [Snapshot] does not have
// it.
func (b *Book) Trust(id peer.ID, trusted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[id]
	switch {
	case trusted:
		b.records[id] = &record{trusted: true}
	case r != nil:
		r.trusted = false
	}
}

// IsTrusted reports whether a peer is exempt.
func (b *Book) IsTrusted(id peer.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[id]
	return r != nil && r.trusted
}

// Trusted returns the peers that are exempt, sorted. The slice is the caller's.
func (b *Book) Trusted() []peer.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []peer.ID
	for id, r := range b.records {
		if r.trusted {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
