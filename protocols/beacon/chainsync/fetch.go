package chainsync

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// byRange is the method that blocks are asked by.
const byRange = "beacon_blocks_by_range"

// assumedBytes is what a slot's block is taken to have as long as none has come, in SSZ and frames.
const assumedBytes = 256 << 10

// A memory bounds the bytes of blocks that are held.
type memory struct {
	limit int64
	used  atomic.Int64
}

// reserve takes some bytes if they are there.
func (m *memory) reserve(n int64) bool {
	if m.used.Add(n) <= m.limit {
		return true
	}
	m.used.Add(-n)
	return false
}

func sizeOf(b *beacon.Block) int64 { return int64(len(b.SSZ) + len(b.Frames)) }

// slotBytes returns the mean size of a slot's block.
func (s *syncer) slotBytes() float64 {
	if s.mean == 0 {
		return assumedBytes
	}
	return s.mean
}

// start asks a source for slots of a batch, and reports false if there is no memory for them. About half of what is in
// flight has come at any time, so half of it is reserved. For an urgent request, which what is held waits for, the last
// batches are given up.
func (s *syncer) start(ctx context.Context, a *attempt) bool {
	a.expected = int64(float64(a.slots()) * s.slotBytes() / 2)
	if a.urgent {
		s.makeRoom(a.batch, a.expected)
	}
	if !s.memory.reserve(a.expected) {
		if !a.urgent || s.storing != nil {
			return false
		}
		s.memory.used.Add(a.expected)
	}
	a.held = a.expected
	a.began = time.Now()
	ctx, a.cancel = context.WithCancel(ctx)
	a.source.inFlight++
	if a.check != nil {
		s.checks = append(s.checks, a)
	} else {
		a.batch.inFlight = append(a.batch.inFlight, a)
	}
	s.running++
	to := a.source.ID
	s.goroutines.Go(func() {
		s.fetch(ctx, to, a)
		s.results <- a
	})
	return true
}

// makeRoom gives the last batches up until there is memory, but none before one that it is needed for.
func (s *syncer) makeRoom(b *batch, bytes int64) {
	for n := len(s.batches) - 1; n > len(s.storing) && s.memory.used.Load()+bytes > s.memory.limit; n-- {
		last := s.batches[n]
		if last == b || len(last.inFlight) > 0 {
			return
		}
		s.frontier = last.first
		if s.backward {
			s.frontier = last.last + 1
		}
		s.discard(last)
		s.batches = s.batches[:n]
	}
}

// fetch downloads what an attempt is for. It ends early where memory ends: what came is as good as ever.
func (s *syncer) fetch(ctx context.Context, to peer.ID, a *attempt) {
	defer a.cancel()
	var got int64
	for block, err := range s.Client.BlocksByRange(ctx, to, a.first, a.slots()) {
		if err != nil {
			a.err = err
			return
		}
		a.blocks = append(a.blocks, block)
		a.some.Store(true)
		got += sizeOf(block)
		a.wire += int64(len(block.Frames))
		if over := got - a.held; over > 0 {
			a.held += over
			used := s.memory.used.Add(over)
			if a.urgent || s.front.Load() == a.batch {
				used = 4 * got // All others wait for it: it has a quarter of its own.
			}
			if used > s.memory.limit && block.Slot < a.last {
				a.cut = true
				return
			}
		}
	}
}

// measured notes what an attempt has brought.
func (s *syncer) measured(a *attempt) {
	var bytes int64
	for _, b := range a.blocks {
		bytes += sizeOf(b)
	}
	s.memory.used.Add(bytes - a.held)
	a.held = bytes
	s.received += a.wire
	if n := len(a.blocks); n > 0 && a.check == nil {
		mean := float64(bytes) / float64(n)
		if s.mean == 0 {
			s.mean = mean
		}
		s.mean += (mean - s.mean) / 4
	}
}

// drop frees the memory of blocks that are not stored.
func (s *syncer) drop(bytes int64) { s.memory.used.Add(-bytes) }
