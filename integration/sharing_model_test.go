package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A model is a server's limiter and scores without a network: peers are
// goroutines which ask the limiter as the server would for them.
type model struct {
	limiter *limits.Limiter
	book    *score.Book
	spec    *reqresp.Spec
	size    uint64 // of a chunk

	ids   atomic.Uint64
	mu    sync.Mutex
	addrs map[peer.ID]netip.Addr

	refused  atomic.Uint64 // for a reason that is the peer's
	capacity atomic.Uint64 // for want of capacity
	answered atomic.Uint64 // with an error
}

func newModel(t *testing.T, c limits.Config, size uint64) *model {
	t.Helper()
	book, err := score.New(&score.Options{Config: score.Config{MaxPeers: c.MaxPeers}})
	if err != nil {
		t.Fatal(err)
	}
	m := &model{book: book, spec: reqresp.NewStream[parcel, parcel](reqresp.Family{Prefix: "/test", Codec: parcelCodec{}},
		"beacon_blocks_by_range", 1).Spec(), size: size, addrs: make(map[peer.ID]netip.Addr)}
	m.limiter, err = limits.New(&limits.Options{Config: c, Scores: book, Addr: m.addr})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *model) addr(id peer.ID) netip.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addrs[id]
}

// A modelPeer is one who asks, and what he got.
type modelPeer struct {
	*model
	id    peer.ID
	bytes atomic.Uint64
	// failed counts exchanges that were not admitted.
	failed atomic.Uint64
}

// newPeer returns a peer at an address.
func (m *model) newPeer(addr netip.Addr) *modelPeer {
	p := &modelPeer{model: m, id: peer.ID(fmt.Sprintf("%020d", m.ids.Add(1)))}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addrs[p.id] = addr
	return p
}

// leave forgets where a peer was.
func (p *modelPeer) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.addrs, p.id)
}

// ask is an exchange that is answered by some chunks, each of which is read as
// long as read says. It reports whether it was admitted.
func (p *modelPeer) ask(ctx context.Context, chunks int, read func() bool) bool {
	pace, err := p.limiter.Admit(ctx, p.id, p.spec)
	if err != nil {
		p.count(ctx, err)
		return false
	}
	defer pace.Release()
	cost := reqresp.Cost{Items: 1, Bytes: p.size}
	for range chunks {
		if pace.Reserve(ctx, cost) != nil {
			return true
		}
		if !read() {
			// The write took 10 s, after a window full was taken.
			pace.Settle(reqresp.Cost{Items: 1, Bytes: p.size / 16})
			p.book.Penalize(p.id, score.MidTolerance, "answer not read in time")
			return true
		}
		pace.Settle(cost)
		p.bytes.Add(p.size)
	}
	return true
}

func (p *modelPeer) count(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	p.failed.Add(1)
	if _, ok := errors.AsType[*reqresp.Error](err); ok {
		p.answered.Add(1)
	} else if errors.Is(err, limits.ErrOverCapacity) {
		p.capacity.Add(1)
	} else {
		p.refused.Add(1)
	}
}

// keepAsking has a peer ask for ranges, some at a time, until ctx ends.
func (p *modelPeer) keepAsking(ctx context.Context, wg *sync.WaitGroup, streams, chunks int, read func() bool) {
	for range streams {
		wg.Go(func() {
			for ctx.Err() == nil {
				if !p.ask(ctx, chunks, read) {
					pause(ctx, time.Second)
				}
			}
		})
	}
}

// pause waits in virtual time.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func reads() bool { return true }

// stall reads nothing until the write has timed out.
func stall(ctx context.Context, timeout time.Duration) func() bool {
	return func() bool {
		pause(ctx, timeout)
		return false
	}
}

// An attack is what a peer does to get more than its share, or to keep others from
// theirs. It goes on until ctx ends.
type attack struct {
	name string
	// scored is whether it breaks a rule, and so costs a score.
	scored bool
	run    func(ctx context.Context, wg *sync.WaitGroup, p *modelPeer)
}

const rangeChunks = 64

var attacks = []attack{
	{"over quota", true, func(ctx context.Context, wg *sync.WaitGroup, p *modelPeer) {
		// It asks without waiting for answers.
		wg.Go(func() {
			for ctx.Err() == nil {
				wg.Go(func() { p.ask(ctx, rangeChunks, reads) })
				pause(ctx, 500*time.Millisecond)
			}
		})
	}},
	{"stalled reader", true, func(ctx context.Context, wg *sync.WaitGroup, p *modelPeer) {
		p.keepAsking(ctx, wg, 2, rangeChunks, stall(ctx, 10*time.Second))
	}},
	{"stream opener", true, func(ctx context.Context, wg *sync.WaitGroup, p *modelPeer) {
		// As many as a server lets one peer have, anew whenever one ends.
		p.keepAsking(ctx, wg, reqresp.DefaultMaxStreamsPerPeer, 1, reads)
	}},
	{"empty-range asker", true, func(ctx context.Context, wg *sync.WaitGroup, p *modelPeer) {
		p.keepAsking(ctx, wg, 20, 0, reads)
	}},
	{"identity churn", false, func(ctx context.Context, wg *sync.WaitGroup, p *modelPeer) {
		wg.Go(func() {
			for ctx.Err() == nil {
				life, end := context.WithTimeout(ctx, 10*time.Second)
				next := p.newPeer(churnAddr(p.id))
				var streams sync.WaitGroup
				next.keepAsking(life, &streams, 2, rangeChunks, reads)
				streams.Wait()
				end()
				next.leave()
				p.bytes.Add(next.bytes.Load())
			}
		})
	}},
}

// churnAddr returns one of the addresses of one prefix.
func churnAddr(id peer.ID) netip.Addr {
	return netip.AddrFrom4([4]byte{203, 0, 113, id[len(id)-1]})
}

// ownAddr returns an address in a prefix of the peer's own.
func ownAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
}
