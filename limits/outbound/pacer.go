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
	// Budgets are what is kept to with every peer. Methods that none has count among all
	// requests only. None at all, in a slice that is not nil, set no bounds. Nil means
	// those of BudgetsOf the peer's client. They must not be changed any more.
	Budgets []Budget
	// Client returns the name of a peer's client, in lower case and without a version; see
	// BudgetsOf. It is called for every request, concurrently. Nil means that none is known.
	Client func(peer.ID) string
	// IsLimited tells whether an error is a peer's way to say that it was asked too
	// much, such as beacon.IsRateLimited. Nil means that none is.
	IsLimited func(error) bool
	// MaxPeers bounds the peers remembered. Beyond it the one that was not asked
	// for the longest is forgotten. Zero means DefaultMaxPeers.
	MaxPeers int
}

// A Pacer delays requests to what peers bear. It implements [reqresp.CallPacer], is safe for
// concurrent use, and needs no closing.
type Pacer struct {
	opts Options

	mu   sync.Mutex
	tabs map[peer.ID]*tab
}

var _ reqresp.CallPacer = (*Pacer)(nil)

// New returns a pacer. Options may be nil. It fails if a budget or a bound is outside its range.
func New(opts *Options) (*Pacer, error) {
	p := &Pacer{tabs: make(map[peer.ID]*tab)}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.MaxPeers < 0 {
		return nil, fmt.Errorf("outbound: MaxPeers is %d: want at least 1, or 0 for %d", p.opts.MaxPeers, DefaultMaxPeers)
	}
	p.opts.MaxPeers = cmp.Or(p.opts.MaxPeers, DefaultMaxPeers)
	if err := validate(p.opts.Budgets); err != nil {
		return nil, err
	}
	return p, nil
}

// Wait implements [reqresp.CallPacer]. It waits until a peer can be asked for some items. It fails
// with the context's error, at once if its deadline is sure not to suffice. Requests that one
// budget delays go in order of arrival.
//
// A request for more than a burst waits for a full budget, and the rest delays the next one, up
// to as much again. A server that grants no more will refuse it: split it.
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
func (p *Pacer) waitInTurn(ctx context.Context, turn chan struct{}, to peer.ID, method string, items int) (bool, error) {
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
	return p.tabLocked(to, client).line(method).turn
}

// take notes a request if it may be sent now. Else it returns when to try again. It fails if the turn is
// not of the request's line any more.
func (p *Pacer) take(turn chan struct{}, to peer.ID, method string, items int) (time.Duration, bool) {
	client := p.client(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tabLocked(to, client)
	if t.line(method).turn != turn {
		return 0, false
	}
	return t.take(t.used, method, items), true
}

// Batch returns how many of some items to ask a peer for at once: all of them, or less if the
// budget holds less or the peer has shown that it grants less. Many requests of that size get the most
// out of a peer.
func (p *Pacer) Batch(to peer.ID, method string, items int) int {
	client := p.client(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tabLocked(to, client)
	t.grow(t.used, method)
	return t.batch(method, items)
}

// Delay returns for how long Wait would hold back a request, as things stand and if no other is
// sent before.
func (p *Pacer) Delay(to peer.ID, method string, items int) time.Duration {
	client := p.client(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tabLocked(to, client)
	return t.delay(t.used, method, items)
}

// Done implements [reqresp.CallPacer]. A peer that was asked too much is left alone for a while, and its
// budget shrinks to what it has granted. So does that of a peer whose answer came too late.
func (p *Pacer) Done(to peer.ID, method string, r reqresp.Result) {
	limited := r.Err != nil && p.opts.IsLimited != nil && p.opts.IsLimited(r.Err)
	client := p.client(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tabLocked(to, client)
	t.pending = max(t.pending-1, 0)
	switch {
	case limited:
		t.refused(t.used, method, r.Chunks)
	case isLate(r.Err):
		t.late(t.used, method, r.Chunks)
	case r.Err == nil:
		t.line(method).backoff = 0
	}
}

// isLate reports whether a request was sent and not answered in time.
func isLate(err error) bool {
	f, ok := errors.AsType[*reqresp.Failure](err)
	return ok && (f.Phase == reqresp.PhaseFirstByte || f.Phase == reqresp.PhaseResponse) && errors.Is(err, reqresp.ErrTimeout)
}

func (p *Pacer) client(id peer.ID) string {
	if p.opts.Client == nil || p.opts.Budgets != nil {
		return ""
	}
	return p.opts.Client(id)
}

// tabLocked returns the peer's tab, which it makes if need be.
func (p *Pacer) tabLocked(id peer.ID, client string) *tab {
	t := p.tabs[id]
	if t == nil {
		if len(p.tabs) >= p.opts.MaxPeers {
			p.forgetOneLocked()
		}
		t = &tab{lines: make(map[string]*line)}
		t.keep(client, p.budgets(client))
		p.tabs[id] = t
	}
	t.used = time.Now()
	if t.client != client {
		t.change(client, p.budgets(client), t.used)
	}
	return t
}

func (p *Pacer) budgets(client string) []Budget {
	if p.opts.Budgets != nil {
		return p.opts.Budgets
	}
	return BudgetsOf(client)
}

// forgetOneLocked forgets the peer that was not asked for the longest.
func (p *Pacer) forgetOneLocked() {
	var oldest peer.ID
	var used time.Time
	for id, t := range p.tabs {
		if used.IsZero() || t.used.Before(used) {
			oldest, used = id, t.used
		}
	}
	delete(p.tabs, oldest)
}

// limiter returns a bucket that is full.
func (r Rate) limiter() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(r.N)/r.Per.Seconds()), r.Burst)
}
