package chainsync

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A batch is a range of slots that is downloaded at once.
type batch struct {
	first, last ssz.Slot
	answers     []*answer        // different ones
	inFlight    []*attempt       // but for checks
	tried       map[peer.ID]bool // answered or failed in this round
	empty       map[peer.ID]bool // answered with nothing
	cutBy       []peer.ID        // whose answers to a larger range had nothing of this one
	rounds      int              // how often all peers were tried
	disputed    bool             // does not link to others, or others to it
	doubted     bool             // another peer has another block
}

func newBatch(first, last ssz.Slot) *batch {
	return &batch{first: first, last: last, tried: make(map[peer.ID]bool), empty: make(map[peer.ID]bool)}
}

func (b *batch) slots() uint64 { return uint64(b.last-b.first) + 1 }

// An answer is consecutive blocks that answer a batch. Without any, the batch is taken to be empty slots.
type answer struct {
	blocks []*beacon.Block
	bytes  int64
	from   []peer.ID // who vouches for it: who sent it, or its last block
	sent   []peer.ID // who sent all of it
	// asked are the peers that were asked for the last block, and checking is set while one is.
	asked    map[peer.ID]bool
	checking bool
	denied   int // how many have another block in place of the last one, or none
}

func (a *answer) isFrom(id peer.ID) bool { return slices.Contains(a.from, id) }

// top returns the answer's last block.
func (a *answer) top() *beacon.Block { return a.blocks[len(a.blocks)-1] }

// add notes that a peer vouches for the answer.
func (a *answer) add(id peer.ID) {
	if !a.isFrom(id) {
		a.from = append(a.from, id)
	}
}

// same reports whether an answer is of some blocks, which the last one's hash shows.
func (a *answer) same(blocks []*beacon.Block) bool {
	return len(a.blocks) == len(blocks) && len(blocks) > 0 && a.top().Root == blocks[len(blocks)-1].Root
}

// within reports whether all blocks of an answer are in another.
func (a *answer) within(b *answer) bool {
	for _, block := range a.blocks {
		if !slices.ContainsFunc(b.blocks, func(o *beacon.Block) bool { return o.Root == block.Root }) {
			return false
		}
	}
	return true
}

// An attempt is a request in flight for a batch.
type attempt struct {
	batch       *batch
	source      *source
	first, last ssz.Slot
	check       *answer // whose last block is asked for; nil if the batch is
	began       time.Time
	cancel      context.CancelFunc
	expected    int64 // bytes that were reserved
	lost        bool  // another attempt won
	urgent      bool  // what is held waits for it

	some atomic.Bool // blocks have come

	// Of the goroutine that fetches, until it ends:
	blocks []*beacon.Block
	held   int64 // bytes of memory
	wire   int64 // bytes that came
	cut    bool  // there was no memory for the rest
	err    error
}

// withdraw cancels an attempt, whose outcome does not matter any more.
func (a *attempt) withdraw() {
	a.lost = true
	a.cancel()
}

func (a *attempt) slots() uint64 { return uint64(a.last-a.first) + 1 }

// split divides a batch, and returns the part with lower slots, which ends with a slot.
func (s *syncer) split(b *batch, last ssz.Slot) (lower, upper *batch) {
	at := slices.Index(s.batches, b)
	if s.backward {
		lower = newBatch(b.first, last)
		b.first = last + 1
		s.batches = slices.Insert(s.batches, at+1, lower)
		return lower, b
	}
	upper = newBatch(last+1, b.last)
	b.last = last
	s.batches = slices.Insert(s.batches, at+1, upper)
	return b, upper
}

// covers reports whether there are no slots of a batch behind an answer to it.
func (s *syncer) covers(a *answer, b *batch) bool {
	if s.backward {
		return a.blocks[0].Slot == b.first
	}
	return a.top().Slot == b.last
}
