//go:build attack

package integration_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

const (
	honestPeers   = 6
	honestEvery   = 250 * time.Millisecond // of each peer
	honestAtOnce  = 2                      // of each peer: MAX_CONCURRENT_REQUESTS of the consensus specs
	newcomerEvery = time.Second            // comes one
	newcomerAsks  = 4
	honestTimeout = 5 * time.Second
)

// A tally is what became of requests.
type tally struct {
	mu      sync.Mutex
	took    []time.Duration // of those that were answered
	failed  int
	failure error // the last
}

func (t *tally) add(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.failed++
		t.failure = err
		return
	}
	t.took = append(t.took, took)
}

// time tallies how long a request takes, unless the crowd leaves meanwhile.
func (t *tally) time(ctx context.Context, ask func(context.Context) error) {
	asking, cancel := context.WithTimeout(ctx, honestTimeout)
	defer cancel()
	start := time.Now()
	err := ask(asking)
	if ctx.Err() == nil {
		t.add(time.Since(start), err)
	}
}

// reset returns what was tallied, and begins anew.
func (t *tally) reset() outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(t.took)
	o := outcome{ok: len(t.took), all: len(t.took) + t.failed, failure: t.failure}
	if n := len(t.took); n > 0 {
		o.p50, o.p90 = t.took[n/2], t.took[n*9/10]
	}
	t.took, t.failed, t.failure = nil, 0, nil
	return o
}

// An outcome sums up requests.
type outcome struct {
	ok, all  int
	p50, p90 time.Duration
	failure  error
}

func (o outcome) share() float64 { return float64(o.ok) / float64(max(1, o.all)) }

// A crowd is honest peers who ask all the time for a block, each in a request, and newcomers who connect, ask for one,
// and leave.
type crowd struct {
	target            peer.AddrInfo
	transport         string
	members, newcomer tally
}

// gather starts a crowd, which goes on until the returned function is called.
func gather(t *testing.T, target peer.AddrInfo, transport string) (*crowd, func()) {
	t.Helper()
	c := &crowd{target: target, transport: transport}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	leave := sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(leave)
	for range honestPeers {
		h, server, err := newPeer(transport, false)
		if err != nil {
			t.Fatal(err)
		}
		p := &attacker{host: h, server: server, order: attackOrder{Transport: transport, Target: target}}
		t.Cleanup(p.leave)
		if _, err := p.conn(ctx); err != nil {
			t.Fatal(err)
		}
		turns := make(chan struct{}, honestAtOnce)
		wg.Go(func() {
			every(ctx, honestEvery, func() {
				c.members.time(ctx, func(ctx context.Context) error { return p.askInTurn(ctx, turns) })
			})
		})
	}
	wg.Go(func() { every(ctx, newcomerEvery, func() { c.join(ctx) }) })
	return c, leave
}

// every calls do at fixed times, whether or not those before have ended.
func every(ctx context.Context, d time.Duration, do func()) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			wg.Go(do)
		}
	}
}

// askInTurn asks as soon as it has a turn. The wait for it counts.
func (a *attacker) askInTurn(ctx context.Context, turns chan struct{}) error {
	select {
	case turns <- struct{}{}:
		defer func() { <-turns }()
		return a.ask(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask asks for one block.
func (a *attacker) ask(ctx context.Context) error {
	if _, err := a.conn(ctx); err != nil {
		return err
	}
	answer, err := request(ctx, a.host, a.order.Target.ID, storeProtocol, oneBlock())
	if err == nil && (len(answer) < benchSize/2 || answer[0] != 0) {
		err = errors.New("no block in the answer")
	}
	return err
}

// join has a newcomer come, ask some times, and leave. The first time includes that it connects.
func (c *crowd) join(ctx context.Context) {
	h, server, err := newPeer(c.transport, false)
	if err != nil {
		c.newcomer.add(0, err)
		return
	}
	p := &attacker{host: h, server: server, order: attackOrder{Transport: c.transport, Target: c.target}}
	defer p.leave()
	for n := 0; n < newcomerAsks && ctx.Err() == nil; n++ {
		c.newcomer.time(ctx, p.ask)
		sleep(ctx, honestEvery)
	}
}

// oneBlock is the wire form of a request for a block.
var oneBlock = sync.OnceValue(func() []byte {
	req := ssz.BeaconBlocksByRangeRequest{StartSlot: benchFirst, Count: 1, Step: 1}
	b, err := req.MarshalSSZ()
	if err != nil {
		panic(err)
	}
	return framed(b)
})
