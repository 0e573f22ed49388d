package chainsync

import (
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Progress is how far a sync has come.
type Progress struct {
	// Slot is the last slot dealt with, and Target the last one to deal with.
	Slot, Target ssz.Slot
	// Blocks and Bytes count the blocks stored and the size of their SSZ.
	Blocks, Bytes uint64
	// Left is how long the rest takes at the mean speed so far. Zero means that it is not known.
	Left time.Duration
	// Sources are the peers, by ID.
	Sources []Source
}

// A Source is what a peer has contributed to a sync.
type Source struct {
	// ID is the peer's.
	ID peer.ID
	// Blocks and Bytes count the blocks that it sent and their size on the wire, those that were not needed included.
	Blocks, Bytes uint64
	// Rate is its speed in bytes a second on the wire, for one request at a time.
	Rate float64
	// InFlight is how many requests it has not answered yet.
	InFlight int
	// Blamed counts its faults.
	Blamed int
	// Err is why it is not asked any more. Nil means that it is.
	Err error
}

func (s *syncer) progress(now time.Time) Progress {
	p := Progress{Slot: s.base.Slot, Target: s.goal, Blocks: s.blocks, Bytes: s.bytes}
	done, left := s.dealt, distance(s.base.Slot, s.goal)
	if done > 0 {
		p.Left = time.Duration(float64(now.Sub(s.began)) * float64(left) / float64(done))
	}
	for id, source := range s.sources {
		p.Sources = append(p.Sources, Source{
			ID: id, Blocks: source.blocks, Bytes: source.bytes, Rate: source.rate,
			InFlight: source.inFlight, Blamed: source.blamed, Err: source.given,
		})
	}
	slices.SortFunc(p.Sources, func(a, b Source) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return p
}

func distance(a, b ssz.Slot) uint64 { return uint64(max(a, b) - min(a, b)) }

func (s *syncer) report(now time.Time) {
	s.reported = now
	if s.Progress != nil {
		s.Progress(s.progress(now))
	}
}
