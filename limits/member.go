package limits

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A member is what all accounts of a peer share. It is guarded by its shard's
// lock.
type member struct {
	id        peer.ID
	key       key
	accounts  []*account
	prefix    *prefix // nil if there is none
	weight    float64 // by its score
	standing  standing
	finish    float64 // virtual time up to which the peer was served
	refreshed time.Duration
}

// charge lets the peer, and its prefix, pay for bytes of the shared capacity, of which its part is share in
// relation to others. It returns the tag of the turn that it pays for, from the virtual time on.
func (m *member) charge(virtual float64, bytes uint64, share float64) float64 {
	tag, n := max(virtual, m.finish), float64(bytes)
	if m.prefix != nil {
		tag = m.prefix.charge(tag, n, share)
	}
	m.finish = tag + n/share
	if m.standing.isNew() {
		// It pays before its turn, not after: else those who always come anew never paid.
		return m.finish
	}
	return tag
}

// correct changes what was charged for a share.
func (m *member) correct(charged, used uint64, share float64) {
	diff := float64(used) - float64(charged)
	m.finish += diff / share
	if m.prefix != nil {
		m.prefix.correct(diff, share)
	}
}

// idle reports whether the peer could be forgotten.
func (m *member) idle(now time.Duration, virtual float64) bool {
	if m.finish > virtual {
		return false
	}
	for _, a := range m.accounts {
		if !a.idle(now) {
			return false
		}
	}
	return true
}
