package outbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// DefaultMaxPeers is the default of [Options].MaxPeers.
const DefaultMaxPeers = 1 << 12

// Options are the optional settings of a [Pacer]. The zero value is ready.
type Options struct {
	// Budgets are what clients grant, by the client's name. Those of the empty name hold for a peer whose client is not
	// known or not named here. A peer without any is asked at once, until it refuses. The map must not be changed any
	// more. Nil means none.
	Budgets map[string][]Budget
	// Defaults are what is known of any peer, whatever Budgets says: a method that the peer's budgets lack takes its
	// own from here once the peer refuses it, and a method with small answers here goes on while the peer is left
	// alone. The slice must not be changed any more. Nil means Budgets[""].
	Defaults []Budget
	// Client returns the name of a peer's client, as Budgets has it. It is called for every request, concurrently. Nil
	// means that none is known.
	Client func(peer.ID) string
	// IsLimited tells whether an error is a peer's way to say that it was asked too much, such as beacon.IsRateLimited.
	// Nil means that none is.
	IsLimited func(error) bool
	// MaxPeers bounds the peers remembered. Beyond it the one that was not asked for the longest is forgotten. Zero
	// means DefaultMaxPeers.
	MaxPeers int
}

// A Rate is how much may be asked for every so often, and at once.
type Rate struct {
	// N is how much, at least 1.
	N int
	// Per is in what time, at least 1 ms.
	Per time.Duration
	// Burst is the most at once, at least 1.
	Burst int
}

// A Budget is what a peer is asked for, by some methods together.
type Budget struct {
	// Methods are those which share the budget. A method has one budget at most. A budget without any is of all
	// methods, which count by requests.
	Methods []string
	// Items limits what is asked for: blocks, sidecars, or requests where each is answered by one chunk. For ranges of
	// sidecars a server may count slots as well; whoever asks counts them in.
	Items Rate
	// Small is set for methods with small answers: they go on while the peer is left alone for having refused others.
	Small bool
}

// validate returns an error that names what is outside its range.
func validate(budgets []Budget) error {
	seen := make(map[string]bool)
	for _, b := range budgets {
		r := b.Items
		if r.N < 1 || r.Burst < 1 || r.Per < time.Millisecond {
			return fmt.Errorf("outbound: budget of %v: %d per %v with a burst of %d: want at least 1 per 1ms with a burst of 1",
				b.Methods, r.N, r.Per, r.Burst)
		}
		for _, m := range b.Methods {
			if seen[m] {
				return fmt.Errorf("outbound: method %q has two budgets: want one at most", m)
			}
			seen[m] = true
		}
	}
	return nil
}

// A Pacer delays requests to what peers bear. It implements [reqresp.CallLimiter], is safe for concurrent use, and
// needs no closing.
type Pacer struct {
	opts Options

	mu    sync.Mutex
	peers map[peer.ID]*peerState
}

var _ reqresp.CallLimiter = (*Pacer)(nil)

// New returns a pacer. Options may be nil. It fails if a budget or a bound is outside its range.
func New(opts *Options) (*Pacer, error) {
	p := &Pacer{peers: make(map[peer.ID]*peerState)}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.MaxPeers < 0 {
		return nil, fmt.Errorf("outbound: MaxPeers is %d: want at least 1, or 0 for %d", p.opts.MaxPeers, DefaultMaxPeers)
	}
	p.opts.MaxPeers = cmp.Or(p.opts.MaxPeers, DefaultMaxPeers)
	if p.opts.Defaults == nil {
		p.opts.Defaults = p.opts.Budgets[""]
	}
	if err := validate(p.opts.Defaults); err != nil {
		return nil, err
	}
	for _, budgets := range p.opts.Budgets {
		if err := validate(budgets); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Wait implements [reqresp.CallLimiter]. It waits until a peer can be asked for some items. It fails with the context's
// error, at once if its deadline is sure not to suffice. Requests that one budget delays go in order of arrival.
//
// A request for more than a burst waits for a full budget, and the rest delays the next one, up to as much again. A
// server that grants no more will refuse it: split it.
func (p *Pacer) Wait(ctx context.Context, to peer.ID, method string, items int) error {
	for {
		turn := p.turn(to, method)
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		over, err := p.waitInTurn(ctx, turn, to, method, items)
		if over || err != nil {
			return err
		}
	}
}

// waitInTurn ends the turn, and reports whether the request may be sent. If not it has to wait its turn elsewhere: the
// peer was found to be another client, and those who come now wait there.
func (p *Pacer) waitInTurn(
	ctx context.Context, turn chan struct{}, to peer.ID, method string, items int,
) (bool, error) {
	defer func() { <-turn }()
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		d, ok := p.take(turn, to, method, items)
		if !ok || d <= 0 {
			return ok, nil
		}
		if err := sleep(ctx, d); err != nil {
			return false, err
		}
	}
}

// sleep sleeps for d, or fails at once if that is more than ctx has.
func sleep(ctx context.Context, d time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return fmt.Errorf("outbound: peer may not be asked for %v: %w", d, context.DeadlineExceeded)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Pacer) turn(to peer.ID, method string) chan struct{} {
	client := p.client(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peerLocked(to, client).queue(method).turn
}

// take notes a request if it may be sent now. Else it returns when to try again. It fails if the turn is not of the
// request's queue any more.
func (p *Pacer) take(turn chan struct{}, to peer.ID, method string, items int) (time.Duration, bool) {
	client := p.client(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.peerLocked(to, client)
	if s.queue(method).turn != turn {
		return 0, false
	}
	return s.take(s.used, method, items), true
}

// Batch returns how many of some items to ask a peer for at once: all of them, or less if the budget holds less or the
// peer has shown that it grants less. Many requests of that size get the most out of a peer.
func (p *Pacer) Batch(to peer.ID, method string, items int) int {
	client := p.client(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.peerLocked(to, client)
	s.grow(s.used, method)
	return s.batch(method, items)
}

// Delay returns for how long Wait would hold back a request, as things stand and if no other is sent before.
func (p *Pacer) Delay(to peer.ID, method string, items int) time.Duration {
	client := p.client(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.peerLocked(to, client)
	return s.delay(s.used, method, items)
}

// Done implements [reqresp.CallLimiter]. A peer that was asked too much is left alone for a while, and its budget
// shrinks to what it has granted. So does that of a peer whose answer came too late.
func (p *Pacer) Done(to peer.ID, method string, r reqresp.Result) {
	limited := r.Err != nil && p.opts.IsLimited != nil && p.opts.IsLimited(r.Err)
	client := p.client(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.peerLocked(to, client)
	s.pending = max(s.pending-1, 0)
	switch {
	case limited:
		s.refused(s.used, method, r.Chunks)
	case isLate(r.Err):
		s.late(s.used, method, r.Chunks)
	case r.Err == nil:
		s.queue(method).backoff = 0
	}
}

// isLate reports whether a request was sent and not answered in time.
func isLate(err error) bool {
	f, ok := errors.AsType[*reqresp.Failure](err)
	return ok && (f.Phase == reqresp.PhaseFirstByte || f.Phase == reqresp.PhaseResponse) &&
		errors.Is(err, reqresp.ErrTimeout)
}

// client returns the name that Budgets has for a peer's client.
func (p *Pacer) client(id peer.ID) string {
	if p.opts.Client == nil {
		return ""
	}
	client := p.opts.Client(id)
	if _, ok := p.opts.Budgets[client]; !ok {
		return ""
	}
	return client
}

// peerLocked returns the peer's state, which it makes if need be.
func (p *Pacer) peerLocked(id peer.ID, client string) *peerState {
	now := time.Now()
	s := p.peers[id]
	if s == nil {
		if len(p.peers) >= p.opts.MaxPeers {
			p.forgetOneLocked()
		}
		s = &peerState{all: p.opts.Budgets, defaults: p.opts.Defaults, queues: make(map[string]*queue)}
		s.start(client)
		p.peers[id] = s
	}
	s.used = now
	if s.client != client {
		s.change(client, now)
	}
	return s
}

// forgetOneLocked forgets the peer that was not asked for the longest.
func (p *Pacer) forgetOneLocked() {
	var oldest peer.ID
	var used time.Time
	for id, s := range p.peers {
		if used.IsZero() || s.used.Before(used) {
			oldest, used = id, s.used
		}
	}
	delete(p.peers, oldest)
}

// limiter returns a bucket that is full.
func (r Rate) limiter() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(r.N)/r.Per.Seconds()), r.Burst)
}
