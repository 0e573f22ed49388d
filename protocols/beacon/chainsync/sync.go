package chainsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// An Anchor is where a sync begins.
type Anchor struct {
	// Slot is a slot next to those that are downloaded.
	Slot ssz.Slot
	// Root is the root that the first block to store links to.
	Root ssz.Root
}

// Forward downloads the blocks above a block that is held, up to the highest head of the peers that were not given up,
// and returns when they are stored. An anchor without a root stands for an empty store: the first block may be any.
// Calls to the sink, and the hooks of the config, end before it returns.
//
// The error is the sink's, that of Config.Verify, the context's, or one of this package's.
func Forward(ctx context.Context, cfg *Config, after Anchor, into Sink) (Progress, error) {
	return run(ctx, cfg, &syncer{base: after, frontier: after.Slot + 1}, into)
}

// Backfill downloads the blocks below a block that is held, from slot down on, and returns when they are stored. The
// anchor is the slot of that block and the root of its parent, which proves what is downloaded. A batch is stored
// once those above it are. It is otherwise as Forward.
func Backfill(ctx context.Context, cfg *Config, below Anchor, down ssz.Slot, into Sink) (Progress, error) {
	if below.Root == (ssz.Root{}) {
		return Progress{}, errors.New("chainsync: backfill needs the root of the parent of the first block")
	}
	// The genesis block is never sent: nobody signed it.
	return run(ctx, cfg, &syncer{backward: true, base: below, frontier: below.Slot, goal: max(down, 1)}, into)
}

// tick is how often peers are looked at, and times that have come.
const tick = 200 * time.Millisecond

// A syncer is one run of Forward or Backfill. All of it but memory and front belongs to one
// goroutine.
type syncer struct {
	Config
	sink     Sink
	backward bool

	base     Anchor   // the last slot dealt with, and the root that the next block to store links to
	frontier ssz.Slot // forward the first slot that is in no batch, backward the one above
	goal     ssz.Slot // the last slot to download

	sources map[peer.ID]*source
	batches []*batch // in the order in which they are stored
	checks  []*attempt
	memory  memory
	front   atomic.Pointer[batch] // the first one without an answer
	mean    float64               // bytes of a block
	times   times

	rates float64 // bytes/s of all of these

	received, overlap int64 // bytes downloaded, and those of them in vain

	goroutines sync.WaitGroup
	running    int
	results    chan *attempt
	storing    []*answer // nil if nothing is
	stored     chan outcome

	began, reported, lacking time.Time
	dealt, blocks, bytes     uint64
}

func run(ctx context.Context, cfg *Config, s *syncer, into Sink) (Progress, error) {
	var err error
	if s.Config, err = cfg.withDefaults(); err != nil {
		return Progress{}, err
	}
	s.sink, s.memory.limit, s.began = into, s.MaxBytes, time.Now()
	s.sources = make(map[peer.ID]*source)
	s.results, s.stored = make(chan *attempt), make(chan outcome, 1)
	ctx, cancel := context.WithCancel(ctx)
	err = s.loop(ctx)
	cancel()
	for ; s.running > 0; s.running-- {
		<-s.results
	}
	s.goroutines.Wait()
	return s.progress(time.Now()), err
}

func (s *syncer) loop(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		now := time.Now()
		s.look(now)
		if s.over() && len(s.batches) == 0 && (s.backward || s.anyUsable()) {
			return nil
		}
		s.store(ctx)
		s.assign(ctx, now)
		if err := s.lack(now); err != nil {
			return err
		}
		select {
		case a := <-s.results:
			s.running--
			s.ended(a, time.Now())
		case done := <-s.stored:
			if done.err != nil {
				return done.err
			}
			if len(done.wrong) > 0 {
				s.reject(done.wrong)
			} else {
				s.advance()
			}
			s.report(time.Now())
		case <-ticker.C:
			if now := time.Now(); now.Sub(s.reported) >= time.Second {
				s.report(now)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look takes note of the peers that there are, and of where the sync ends.
func (s *syncer) look(now time.Time) {
	for _, p := range s.sources {
		p.present = false
	}
	for _, p := range s.Peers() {
		known := s.sources[p.ID]
		if known == nil {
			known = &source{size: float64(max(s.Batch/2, 1))}
			s.sources[p.ID] = known
		}
		known.Peer, known.present = p, true
		if known.given == nil && p.Status.HeadSlot > latest(now, s.Network.GenesisTime(), s.Network.SlotAt) {
			s.blame(known, p.Status.HeadSlot, p.Status.HeadSlot, fmt.Errorf("%w: head at slot %d", ErrFuture, p.Status.HeadSlot))
		}
	}
	if s.backward {
		return
	}
	s.goal = s.base.Slot
	for _, p := range s.sources {
		if p.usable() {
			s.goal = max(s.goal, p.Status.HeadSlot)
		}
	}
	// What nobody claims to have any more is not waited for.
	for n := len(s.batches) - 1; n >= len(s.storing) && s.batches[n].first > s.goal; n-- {
		s.frontier = s.batches[n].first
		s.discard(s.batches[n])
		s.batches = s.batches[:n]
	}
}

// over reports whether all slots are in batches.
func (s *syncer) over() bool {
	if s.backward {
		return s.frontier <= s.goal
	}
	return s.frontier > s.goal
}

// most bounds the bytes that are stored at once.
const most = 16 << 20

// store stores the first batches as far as they are proven, and has the others asked for again or checked.
func (s *syncer) store(ctx context.Context) {
	chain := s.links()
	n, unsure := s.proven(chain)
	if unsure != nil && s.isLast(unsure, len(chain)) {
		s.check(ctx, unsure)
	}
	if s.storing != nil || n == 0 {
		return
	}
	var bytes int64
	for i, a := range chain[:n] {
		if bytes += a.bytes; bytes > most && i > 0 {
			n = i
			break
		}
	}
	last := len(chain) - 1
	for last >= 0 && len(chain[last].blocks) == 0 {
		last--
	}
	if last >= 0 && last < n && !s.covers(chain[last], s.batches[last]) {
		n = last + 1 // What is behind it becomes a batch.
	}
	s.storing = chain[:n]
	for i, a := range s.storing {
		s.settle(s.batches[i], a, i < last)
	}
	batch := s.inOrder(s.storing)
	s.goroutines.Go(func() { s.stored <- s.verified(ctx, batch) })
}

// An outcome is that of verifying blocks and storing them, which is not done if some are wrong.
type outcome struct {
	wrong []ssz.Root
	err   error
}

func (s *syncer) verified(ctx context.Context, blocks []*beacon.Block) (o outcome) {
	if len(blocks) == 0 {
		return o
	}
	if s.Verify != nil {
		if o.wrong, o.err = s.Verify(ctx, blocks); o.err != nil || len(o.wrong) > 0 {
			return o
		}
	}
	return outcome{err: s.sink.Store(ctx, blocks)}
}

// reject drops the answers that wrong blocks are in, and has others asked for them.
func (s *syncer) reject(wrong []ssz.Root) {
	batches := s.batches[:len(s.storing)]
	s.storing = nil
	for _, b := range batches {
		i := slices.IndexFunc(b.answers, func(a *answer) bool {
			return slices.ContainsFunc(a.blocks, func(b *beacon.Block) bool { return slices.Contains(wrong, b.Root) })
		})
		if i >= 0 {
			a := b.answers[i]
			b.answers = slices.Delete(b.answers, i, i+1)
			s.drop(a.bytes)
			s.blame(s.sources[a.sent[0]], b.first, b.last, ErrWrongBlock)
		}
	}
}

// inOrder returns the blocks of a chain of answers by ascending slots.
func (s *syncer) inOrder(chain []*answer) (blocks []*beacon.Block) {
	for i := range chain {
		if s.backward {
			i = len(chain) - 1 - i
		}
		blocks = append(blocks, chain[i].blocks...)
	}
	return blocks
}

// isLast reports whether nobody else is asked for what comes behind the first batches, which would vouch for an answer.
func (s *syncer) isLast(a *answer, n int) bool {
	if n == len(s.batches) {
		return true
	}
	for _, other := range s.batches[n].inFlight {
		if !a.isFrom(other.source.ID) {
			return false
		}
	}
	return len(s.batches[n].inFlight) > 0
}

// advance takes note of what was stored.
func (s *syncer) advance() {
	for i, a := range s.storing {
		b := s.batches[i]
		s.dealt += b.slots()
		s.base.Slot = b.last
		if s.backward {
			s.base.Slot = b.first
		}
		if len(a.blocks) > 0 {
			s.base.Root = a.top().Root
			if s.backward {
				s.base.Root = a.blocks[0].ParentRoot
			}
		}
		s.blocks += uint64(len(a.blocks))
		for _, block := range a.blocks {
			s.bytes += uint64(len(block.SSZ))
		}
		s.discard(b)
	}
	s.batches = s.batches[len(s.storing):]
	s.storing = nil
}

// discard frees what a batch holds.
func (s *syncer) discard(b *batch) {
	for _, a := range b.answers {
		s.drop(a.bytes)
	}
	s.withdraw(b)
	for _, a := range s.checks {
		if a.batch == b {
			a.withdraw()
		}
	}
}

// withdraw cancels the requests of a batch.
func (s *syncer) withdraw(b *batch) {
	for _, a := range b.inFlight {
		a.withdraw()
	}
}

// clockTolerance is how far a clock may be behind those of peers.
const clockTolerance = time.Minute

// latest returns the last slot that there can be a block of.
func latest(now time.Time, genesis time.Time, slotAt func(time.Time) ssz.Slot) ssz.Slot {
	if now.Before(genesis) {
		return ^ssz.Slot(0) // There are blocks, so it is the clock that is wrong.
	}
	return slotAt(now.Add(clockTolerance))
}
