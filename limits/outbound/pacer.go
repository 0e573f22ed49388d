package outbound

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// Backoff after a peer said that it was asked too much: that of deployed clients,
// and twice as long each time in a row.
const (
	firstBackoff = 5 * time.Second
	maxBackoff   = 2 * time.Minute
)

// DefaultMaxPeers is the default of [Options].MaxPeers.
const DefaultMaxPeers = 1 << 12

// ErrTooMuch is returned by Wait for a request that no budget ever allows: it has
// to be split.
var ErrTooMuch = errors.New("outbound: request for more than the budget's burst")

// Options are the optional settings of a [Pacer]. The zero value is ready.
type Options struct {
	// Budgets are what is kept to. Nil means those of Budgets. Methods that none
	// has count among all requests only.
	Budgets []Budget
	// IsLimited tells whether an error is a peer's way to say that it was asked too
	// much, such as beacon.IsRateLimited. Nil means that none is.
	IsLimited func(error) bool
	// MaxPeers bounds the peers remembered. Beyond it the one that was not asked
	// for the longest is forgotten. Zero means DefaultMaxPeers.
	MaxPeers int
}

// A Pacer delays requests to what peers bear. It is safe for concurrent use, and
// needs no closing.
type Pacer struct {
	isLimited func(error) bool
	maxPeers  int
	budgets   []Budget
	methods   map[string]int // index of its budget

	mu    sync.Mutex
	peers map[peer.ID]*tab
}

// A tab is what one peer was asked for.
type tab struct {
	all     *rate.Limiter
	budgets []*rate.Limiter
	backoff []backoff // by budget; the last is for methods that have none
	used    time.Time
}

type backoff struct {
	until time.Time
	next  time.Duration
}

// New returns a pacer. Options may be nil.
func New(opts *Options) *Pacer {
	var o Options
	if opts != nil {
		o = *opts
	}
	p := &Pacer{isLimited: o.IsLimited, maxPeers: o.MaxPeers, budgets: o.Budgets, methods: make(map[string]int), peers: make(map[peer.ID]*tab)}
	if p.maxPeers <= 0 {
		p.maxPeers = DefaultMaxPeers
	}
	if p.budgets == nil {
		p.budgets = Budgets()
	}
	for i, b := range p.budgets {
		for _, m := range b.Methods {
			p.methods[m] = i
		}
	}
	return p
}

// Most returns how many items a request of a method can ask for, zero if there is
// no bound.
func (p *Pacer) Most(method string) int {
	if i, ok := p.methods[method]; ok {
		return p.budgets[i].Items.Burst
	}
	return 0
}

// Wait waits until a peer can be asked for some items. It fails with the context's
// error, at once if its deadline does not suffice, or with ErrTooMuch.
func (p *Pacer) Wait(ctx context.Context, to peer.ID, method string, items int) error {
	i, known := p.methods[method]
	if known && items > p.budgets[i].Items.Burst {
		return fmt.Errorf("%w: %d of %s, of %d", ErrTooMuch, items, method, p.budgets[i].Items.Burst)
	}
	if !known {
		i = len(p.budgets)
	}
	t := p.tab(to)
	if err := p.rest(ctx, t, i); err != nil {
		return err
	}
	if known {
		if err := wait(ctx, t.budgets[i], items); err != nil {
			return err
		}
	}
	return wait(ctx, t.all, 1)
}

// wait waits for tokens. What rate calls a deadline that would be exceeded is the
// context's.
func wait(ctx context.Context, l *rate.Limiter, n int) error {
	if err := l.WaitN(ctx, n); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	return nil
}

// rest waits until a peer that was asked too much may be asked again.
func (p *Pacer) rest(ctx context.Context, t *tab, i int) error {
	for {
		p.mu.Lock()
		d := time.Until(t.backoff[i].until)
		p.mu.Unlock()
		if d <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// Done tells how a request ended. It reports whether the peer was asked too much,
// which is not to be held against it.
func (p *Pacer) Done(to peer.ID, method string, err error) (limited bool) {
	i, known := p.methods[method]
	if !known {
		i = len(p.budgets)
	}
	limited = err != nil && p.isLimited != nil && p.isLimited(err)
	t := p.tab(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &t.backoff[i]
	switch {
	case limited && time.Now().Before(b.until):
		// It was under way when the peer was found to be at its limit.
	case limited:
		b.next = min(max(2*b.next, firstBackoff), maxBackoff)
		b.until = time.Now().Add(b.next)
	case err == nil:
		b.next = 0
	}
	return limited
}

// tab returns the peer's, which it makes if need be.
func (p *Pacer) tab(id peer.ID) *tab {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.peers[id]
	if t == nil {
		if len(p.peers) >= p.maxPeers {
			p.forgetOne()
		}
		t = &tab{all: limiter(all), backoff: make([]backoff, len(p.budgets)+1)}
		for _, b := range p.budgets {
			t.budgets = append(t.budgets, limiter(b.Items))
		}
		p.peers[id] = t
	}
	t.used = time.Now()
	return t
}

func limiter(r Rate) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(r.N)/r.Per.Seconds()), r.Burst)
}

// forgetOne forgets the peer that was not asked for the longest.
func (p *Pacer) forgetOne() {
	var oldest peer.ID
	var used time.Time
	for id, t := range p.peers {
		if used.IsZero() || t.used.Before(used) {
			oldest, used = id, t.used
		}
	}
	delete(p.peers, oldest)
}
