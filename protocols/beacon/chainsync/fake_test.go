package chainsync_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blockSize is that of blocks, in SSZ and in frames.
const blockSize = 100 << 10

var body = make([]byte, blockSize)

// chainOf returns a chain with blocks in the given slots. Chains of different variants have different blocks.
func chainOf(parent ssz.Root, variant byte, slots ...ssz.Slot) (chain []*beacon.Block) {
	for _, slot := range slots {
		id := binary.LittleEndian.AppendUint64(append(parent[:], variant), uint64(slot))
		b := &beacon.Block{Slot: slot, ParentRoot: parent, Root: sha256.Sum256(id), SSZ: body, Frames: body}
		chain = append(chain, b)
		parent = b.Root
	}
	return chain
}

// slots returns the slots from first to last, without some.
func slots(first, last ssz.Slot, without ...ssz.Slot) (all []ssz.Slot) {
	for slot := first; slot <= last; slot++ {
		if !slices.Contains(without, slot) {
			all = append(all, slot)
		}
	}
	return all
}

func within(chain []*beacon.Block, first, last ssz.Slot) (found []*beacon.Block) {
	for _, b := range chain {
		if b.Slot >= first && b.Slot <= last {
			found = append(found, b)
		}
	}
	return found
}

// A request is one that a fake peer got.
type request struct {
	n           int // counts from 0
	at          time.Duration
	first, last ssz.Slot
}

// An answer is what a fake peer sends.
type answer struct {
	blocks []*beacon.Block
	stall  bool          // until it times out
	pause  time.Duration // before the last block
	err    error
}

// A fakePeer serves a chain.
type fakePeer struct {
	chain    []*beacon.Block
	earliest ssz.Slot
	perSec   float64 // bytes
	rtt      time.Duration
	script   func(request) *answer // nil, for all or for a request, is to answer from the chain
	status   func(*beacon.Status)
	slowdown func(at time.Duration) float64

	mu       sync.Mutex
	began    time.Time
	requests []request
	inFlight int
	most     int
	next     time.Time // when the link is free
	sent     int64
	slots    map[ssz.Slot]bool // that were sent
}

func newPeer(chain []*beacon.Block) *fakePeer {
	return &fakePeer{
		chain: chain, rtt: 50 * time.Millisecond, perSec: 1000 * mbit, began: time.Now(), slots: make(map[ssz.Slot]bool),
	}
}

func (p *fakePeer) answer(first, last ssz.Slot) *answer {
	p.mu.Lock()
	r := request{len(p.requests), time.Since(p.began), first, last}
	p.requests = append(p.requests, r)
	p.mu.Unlock()
	if p.script != nil {
		if a := p.script(r); a != nil {
			return a
		}
	}
	return &answer{blocks: within(p.chain, first, last)}
}

// send takes as long as a block takes on the peer's link.
func (p *fakePeer) send(ctx context.Context, b *beacon.Block) error {
	p.mu.Lock()
	p.sent += int64(len(b.Frames))
	p.slots[b.Slot] = true
	if now := time.Now(); p.next.Before(now) {
		p.next = now
	}
	d := float64(len(b.Frames)) / p.perSec
	if p.slowdown != nil {
		d *= p.slowdown(time.Since(p.began))
	}
	p.next = p.next.Add(time.Duration(d * float64(time.Second)))
	wait := time.Until(p.next)
	p.mu.Unlock()
	return sleep(ctx, wait)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *fakePeer) enter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight += n
	p.most = max(p.most, p.inFlight)
}

// A fakeNet is a client of fake peers.
type fakeNet map[peer.ID]*fakePeer

func (n fakeNet) BlocksByRange(
	ctx context.Context, to peer.ID, start ssz.Slot, count uint64,
) iter.Seq2[*beacon.Block, error] {
	return func(yield func(*beacon.Block, error) bool) {
		p := n[to]
		p.enter(1)
		defer p.enter(-1)
		a := p.answer(start, start+ssz.Slot(count)-1)
		err := sleep(ctx, p.rtt)
		for i, b := range a.blocks {
			if err == nil && i == len(a.blocks)-1 {
				err = sleep(ctx, a.pause)
			}
			if err == nil {
				err = p.send(ctx, b)
			}
			if err != nil {
				break
			}
			if !yield(b, nil) {
				return
			}
		}
		if a.stall && err == nil {
			if err = sleep(ctx, 10*time.Second); err == nil { // as a client bounds it
				err = &reqresp.Failure{Phase: reqresp.PhaseResponse, Err: reqresp.ErrTimeout}
			}
		}
		if err == nil {
			err = a.err
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func (n fakeNet) peers() (all []chainsync.Peer) {
	for id, p := range n {
		c := chainsync.Peer{ID: id}
		c.Status.EarliestAvailableSlot = p.earliest
		if len(p.chain) > 0 {
			head := p.chain[len(p.chain)-1]
			c.Status.HeadSlot, c.Status.HeadRoot = head.Slot, head.Root
		}
		if p.status != nil {
			p.status(&c.Status)
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b chainsync.Peer) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
	return all
}

// names returns the IDs of peers, in order.
func names(n int) (ids []peer.ID) {
	for i := range n {
		ids = append(ids, peer.ID(fmt.Sprintf("peer %d", i)))
	}
	return ids
}

// A fakeSink keeps the slots and roots of what was stored.
type fakeSink struct {
	backward bool
	took     time.Duration
	err      error
	blocks   []*beacon.Block
}

func (s *fakeSink) Store(ctx context.Context, blocks []*beacon.Block) error {
	if err := sleep(ctx, s.took); err != nil {
		return err
	}
	if s.err != nil {
		return s.err
	}
	for i, b := range blocks[1:] {
		if b.ParentRoot != blocks[i].Root {
			return errors.New("blocks do not link")
		}
	}
	if s.backward {
		s.blocks = slices.Concat(blocks, s.blocks)
	} else {
		s.blocks = append(s.blocks, blocks...)
	}
	return nil
}

func checkStored(t *testing.T, got, want []*beacon.Block) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b *beacon.Block) bool { return a.Root == b.Root }) {
		t.Errorf("stored %v\nwant   %v", describe(got), describe(want))
	}
}

func describe(blocks []*beacon.Block) (s []string) {
	for _, b := range blocks {
		s = append(s, fmt.Sprintf("%d:%x", b.Slot, b.Root[:2]))
	}
	return s
}

func violation(err error) error {
	return &reqresp.Failure{Phase: reqresp.PhaseResponse, Err: fmt.Errorf("%w: %w", reqresp.ErrViolation, err)}
}
