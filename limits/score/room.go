package score

import (
	"math"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// lookPerPeer is how many records are looked at for each that is added, others each time as Go ranges over maps at
	// random.
	lookPerPeer = 32
	// sweepInterval is how often all may be looked at.
	sweepInterval = time.Second
)

// makeRoom forgets what is negligible, and if need be the least of what is not: the score next to zero of some, or else
// the ban that ends first. The book is locked.
func (b *Book) makeRoom(now time.Time) {
	n := lookPerPeer
	if len(b.records) >= b.config.MaxPeers && now.Sub(b.swept) >= sweepInterval {
		b.swept, n = now, len(b.records)
	}
	least, found := b.forget(now, n)
	if len(b.records) >= b.config.MaxPeers && found {
		delete(b.records, least)
	}
}

// forget looks at n records, forgets the negligible ones, and returns the least of the others.
func (b *Book) forget(now time.Time, n int) (least peer.ID, found bool) {
	lowest := math.Inf(1)
	for id, r := range b.records {
		if n--; n < 0 {
			break
		}
		if r.trusted {
			continue
		}
		worth := math.Abs(r.at(now, &b.config))
		if r.isBanned(now) {
			worth = Max + float64(r.banned.Sub(now))
		} else if worth < negligible {
			delete(b.records, id)
			continue
		}
		if worth < lowest {
			least, lowest, found = id, worth, true
		}
	}
	return least, found
}
