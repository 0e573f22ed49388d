package limits

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

var (
	// ErrQueueFull is wrapped, beside [reqresp.ErrRefused], when a peer has so
	// many exchanges with a method waiting that one more cannot. A peer that
	// keeps to MAX_CONCURRENT_REQUESTS causes it only by giving up again and
	// again on requests that wait. It is told to [Scores].
	ErrQueueFull = errors.New("limits: too many exchanges of the peer wait")
	// ErrTooManyPeers is wrapped, beside [reqresp.ErrRefused], when a peer is
	// new and the bound on tracked peers is reached. It is no fault of the
	// peer's.
	ErrTooManyPeers = errors.New("limits: too many peers are tracked")
	// ErrOverdrawn is wrapped, beside [reqresp.ErrRefused], when an exchange was
	// withheld for as long as requesters wait, and cannot go on at the floor either:
	// the peer owes two bursts, or has three times as many exchanges with the method
	// as may run. It is told to [Scores] only of a peer that has as many as may run, and
	// as many again beside them.
	ErrOverdrawn = errors.New("limits: the peer's overdraft is used up")
	// ErrOverCapacity is the same for what peers share: a prefix, the method or the node
	// owes two bursts, or has for 4 s not had the capacity to admit an exchange and to
	// keep up the floor of those admitted. It is told to Scores as ErrOverdrawn is.
	ErrOverCapacity = errors.New("limits: no capacity to go on with the exchange")
)

// Options are the optional settings of a [Limiter]. The zero value is ready.
type Options struct {
	// Config is what can be changed at run time, see [Limiter.Apply].
	Config Config
	// Scores weighs peers. Nil gives all of them weight one.
	Scores Scores
	// Observer is told what is decided. Nil tells nobody.
	Observer Observer
	// Addr returns the IP address that a peer is connected from, see [HostAddr]. Peers whose
	// address is not valid belong to no prefix. Nil turns prefixes off: a Config.Prefix.Peers
	// above zero is refused then. It is called concurrently.
	Addr func(peer.ID) netip.Addr
}

// A Limiter paces the exchanges of a server by quotas for each peer and method,
// shares by weight what peers use together, and admits no more than can be
// served. It implements [reqresp.Limiter].
type Limiter struct {
	start    time.Time
	seeds    [2]maphash.Seed
	scores   Scores
	observer Observer
	addr     func(peer.ID) netip.Addr

	shards   [shards]shard
	tracked  atomic.Int64 // members of all shards
	maxPeers atomic.Int64 // is config.MaxPeers
	swept    atomic.Int64 // when all were last looked at
	prefixes prefixes
	node     pool
	clock    clock

	// The settings change while everything is locked: whoever holds a shard's lock
	// may read them.
	config Config
	// methods is replaced by a copy, with one more, as a method is first used.
	methods atomic.Pointer[map[string]*method]
	change  sync.Mutex // held to replace config or methods
}

var _ reqresp.Limiter = (*Limiter)(nil)

// New returns a limiter. Options may be nil. It fails as [Limiter.Apply] does.
func New(opts *Options) (*Limiter, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	l := &Limiter{
		start:    time.Now(),
		seeds:    [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		scores:   o.Scores,
		observer: o.Observer,
		addr:     o.Addr,
	}
	for i := range l.shards {
		l.shards[i].members = make(map[key]*member)
	}
	l.swept.Store(int64(-searchInterval))
	l.prefixes.known = make(map[netip.Prefix]*prefix)
	l.methods.Store(&map[string]*method{})
	if err := l.Apply(o.Config); err != nil {
		return nil, err
	}
	return l, nil
}

// Admit implements [reqresp.Limiter]. It waits while the peer has as many
// exchanges with the method under way as are allowed, is out of requests or in
// debt, or while there is no capacity: for 4 s in all. The exchange is then admitted on
// overdraft, or refused.
func (l *Limiter) Admit(ctx context.Context, from peer.ID, spec *reqresp.Spec) (reqresp.Admission, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := l.admit(ctx, from, l.method(spec.Name()))
	if err == nil {
		return p, nil
	}
	if !isRefusal(err) {
		return nil, err
	}
	if l.scores != nil && (errors.Is(err, ErrQueueFull) || l.crowds(from, l.method(spec.Name()))) {
		l.scores.Overran(from, spec.Name())
	}
	return nil, &refusal{from, spec.Name(), err}
}

// isRefusal reports whether an exchange is reset because of err.
func isRefusal(err error) bool {
	return errors.Is(err, ErrQueueFull) || errors.Is(err, ErrTooManyPeers) ||
		errors.Is(err, ErrOverdrawn) || errors.Is(err, ErrOverCapacity)
}

// Refused implements [reqresp.Limiter]. A peer is told of to [Scores] if it has twice as
// many exchanges with the method as may run at a time, or more: that is tolerated up to
// MaxQueue while there is room for them, but is what takes the room from others when there
// is not.
func (l *Limiter) Refused(from peer.ID, spec *reqresp.Spec) {
	if l.scores != nil && l.hoards(from, l.method(spec.Name())) {
		l.scores.Overran(from, spec.Name())
	}
}

// hoards reports whether a peer has far more exchanges with a method than it may.
func (l *Limiter) hoards(from peer.ID, m *method) bool {
	active, queued, most := l.exchanges(from, m)
	return active+queued >= 2*most
}

// crowds reports whether a peer, one of whose exchanges was just refused, has as many running as
// may, and as many again beside them: so that it waited for the peer's own.
func (l *Limiter) crowds(from peer.ID, m *method) bool {
	active, queued, most := l.exchanges(from, m)
	return active >= most && active+queued+1 >= 2*most
}

// exchanges returns how many exchanges of a peer with a method run and wait, and how many may run.
func (l *Limiter) exchanges(from peer.ID, m *method) (active, queued, most int) {
	k := l.key(from)
	sh := l.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if a := sh.accounts.find(k, m); a != nil {
		active, queued = int(a.active), a.queued()
	}
	return active, queued, l.config.MaxConcurrent
}

// A refusal is written out only if somebody wants to read it: there may be many.
type refusal struct {
	from   peer.ID
	method string
	err    error
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%v: %s of %s: %v", reqresp.ErrRefused, r.method, r.from, r.err)
}

func (r *refusal) Unwrap() []error { return []error{reqresp.ErrRefused, r.err} }

func (l *Limiter) now() time.Duration { return time.Since(l.start) }
