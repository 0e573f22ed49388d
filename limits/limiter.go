package limits

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

var (
	// ErrQueueFull is wrapped, beside [reqresp.ErrRefused], when a peer has so
	// many exchanges with a method waiting that one more cannot. A peer that
	// keeps to MAX_CONCURRENT_REQUESTS causes it only by giving up again and
	// again on requests that wait.
	ErrQueueFull = errors.New("limits: too many exchanges of the peer wait")
	// ErrTooManyPeers is wrapped, beside [reqresp.ErrRefused], when a peer is
	// new and the bound on tracked peers is reached. It is no fault of the
	// peer's.
	ErrTooManyPeers = errors.New("limits: too many peers are tracked")
)

// Options are the optional settings of a [Limiter]. The zero value is ready.
type Options struct {
	// Quotas are the quotas of methods by their reqresp.Spec.Name. Nil means
	// DefaultQuotas.
	Quotas map[string]Quota
	// Default is the quota of methods that Quotas does not name, and gives the
	// rates that quotas leave zero. Rates of its own that are zero mean 10
	// requests, 12.8 items (as 128 in 10 s) and 2 MiB each second, with bursts
	// of 20, 256 and 24 MiB.
	Default Quota
	// MaxConcurrent bounds the exchanges of one peer with one method that are
	// admitted at a time, up to 1024. Zero means DefaultMaxConcurrent.
	MaxConcurrent int
	// MaxQueue bounds those that wait for admission, up to 65536. Zero means
	// DefaultMaxQueue.
	MaxQueue int
	// MaxPeers bounds the peers tracked, up to 1048576. Zero means
	// DefaultMaxPeers.
	MaxPeers int
}

// A Limiter paces the exchanges of a server by quotas for each peer and method.
// It implements [reqresp.Pacer].
type Limiter struct {
	maxConcurrent int
	maxQueue      int
	maxPeers      int
	fallback      Quota
	start         time.Time

	mu       sync.Mutex
	methods  map[string]*method
	peers    map[peer.ID][]*account // by method.index, nil if unused
	searched time.Duration          // when all peers were last searched for room
}

var _ reqresp.Pacer = (*Limiter)(nil)

// New returns a limiter. Options may be nil. It fails if a quota or a bound is
// outside its range.
func New(opts *Options) (*Limiter, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	l := &Limiter{
		maxConcurrent: cmp.Or(o.MaxConcurrent, DefaultMaxConcurrent),
		maxQueue:      cmp.Or(o.MaxQueue, DefaultMaxQueue),
		maxPeers:      cmp.Or(o.MaxPeers, DefaultMaxPeers),
		fallback:      o.Default.withDefaults(defaultQuota),
		start:         time.Now(),
		methods:       make(map[string]*method),
		peers:         make(map[peer.ID][]*account),
		searched:      -searchInterval,
	}
	if err := l.validate(); err != nil {
		return nil, err
	}
	if o.Quotas == nil {
		o.Quotas = DefaultQuotas()
	}
	for name, q := range o.Quotas {
		if err := l.SetQuota(name, q); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *Limiter) validate() error {
	for _, bound := range []struct {
		name     string
		val, max int
	}{
		{"MaxConcurrent", l.maxConcurrent, 1 << 10},
		{"MaxQueue", l.maxQueue, 1 << 16},
		{"MaxPeers", l.maxPeers, 1 << 20},
	} {
		if bound.val < 1 || bound.val > bound.max {
			return fmt.Errorf("limits: %s %d is not between 1 and %d", bound.name, bound.val, bound.max)
		}
	}
	if err := l.fallback.validate(); err != nil {
		return fmt.Errorf("limits: default quota: %w", err)
	}
	return nil
}

// Admit implements [reqresp.Pacer]. It waits while the peer has as many
// exchanges with the method under way as are allowed, is out of requests or in
// debt.
func (l *Limiter) Admit(ctx context.Context, from peer.ID, spec *reqresp.Spec) (reqresp.Pace, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := l.admit(ctx, from, spec.Name)
	if errors.Is(err, ErrQueueFull) || errors.Is(err, ErrTooManyPeers) {
		return nil, fmt.Errorf("%w: %s of %s: %w", reqresp.ErrRefused, spec.Name, from, err)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (l *Limiter) admit(ctx context.Context, from peer.ID, name string) (*pace, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	a := l.account(now, from, l.method(name))
	if a == nil {
		return nil, fmt.Errorf("%w: %d", ErrTooManyPeers, l.maxPeers)
	}
	p := a.get()
	if p.admissionAt() > now {
		if len(a.admissions) >= l.maxQueue {
			a.put(p)
			return nil, fmt.Errorf("%w: %d", ErrQueueFull, l.maxQueue)
		}
		var err error
		if now, err = p.await(ctx, &a.admissions, p.admissionAt); err != nil {
			a.put(p)
			return nil, err
		}
	}
	p.admit(now)
	return p, nil
}

// SetQuota replaces the quota of a method for all peers at once, those that
// wait included. What a peer has used remains used, what it owes remains owed.
// It fails, and changes nothing, if a rate is outside its range.
func (l *Limiter) SetQuota(name string, q Quota) error {
	q, err := resolve(name, q, l.fallback)
	if err != nil {
		return err
	}
	rates := q.compile()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	m := l.method(name)
	for _, accounts := range l.peers {
		if m.index < len(accounts) && accounts[m.index] != nil {
			accounts[m.index].change(now, &rates)
			accounts[m.index].nudge()
		}
	}
	m.rates = rates
	return nil
}

// method returns the method of that name. Names come from the specs a server
// registers, so there are few.
func (l *Limiter) method(name string) *method {
	m := l.methods[name]
	if m == nil {
		m = &method{name: name, index: len(l.methods), rates: l.fallback.compile()}
		l.methods[name] = m
	}
	return m
}

func (l *Limiter) now() time.Duration { return time.Since(l.start) }
