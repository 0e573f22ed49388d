package limits

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

var (
	// ErrQueueFull is wrapped, beside [reqresp.ErrRefused], when a peer has so many exchanges with a method waiting
	// that one more cannot. A peer that keeps to MAX_CONCURRENT_REQUESTS causes it only by giving up again and again on
	// requests that wait. It is told to [Scores].
	ErrQueueFull = errors.New("limits: too many exchanges of the peer wait")
	// ErrTooManyPeers is wrapped, beside [reqresp.ErrRefused], when a peer is new and the bound on tracked peers is
	// reached. It is no fault of the peer's.
	ErrTooManyPeers = errors.New("limits: too many peers are tracked")
	// ErrOverdrawn is wrapped, beside [reqresp.ErrRefused], when an exchange was withheld for as long as requesters
	// wait, and cannot go on at the floor either: the peer owes two bursts, or has three times as many exchanges with
	// the method as may run. It is told to [Scores] only of a peer that has as many as may run, and as many again
	// beside them.
	ErrOverdrawn = errors.New("limits: the peer's overdraft is used up")
	// ErrOverCapacity is the same for what peers share: a prefix, the method or the node owes two bursts, or has for 4
	// s not had the capacity to admit an exchange and to keep up the floor of those admitted. It is told to Scores as
	// ErrOverdrawn is.
	ErrOverCapacity = errors.New("limits: no capacity to go on with the exchange")
)

// MinWeight is the least weight of a peer, and maxWeight the most; what is outside counts as the nearest of them.
const (
	MinWeight = 1.0 / 16
	maxWeight = 4.0
)

// Scores weighs peers. It is what a limiter wants of their scoring; package score has one. It is safe for concurrent
// use, and calls no limiter.
type Scores interface {
	// Weight returns how much of a shared capacity a peer gets in relation to others, once it is no longer new.
	// Strangers have weight one. A weight below one lowers the peer's own quotas as well; none raises them over what
	// was set. It is looked up as a peer's exchanges begin or wait, once a second at most.
	Weight(peer.ID) float64
	// Overran tells that a peer had an exchange refused with ErrQueueFull, or for lack of room while the peer has far
	// more exchanges with the method than may run, see Limiter.Refused and ErrOverdrawn. It is the only thing that a
	// peer can be blamed for here: being throttled is no fault.
	Overran(from peer.ID, method string)
}

func clampWeight(w float64) float64 {
	if w >= MinWeight { // not true of NaN
		return min(w, maxWeight)
	}
	return MinWeight
}

// Options are the optional settings of a [Limiter]. The zero value is ready.
type Options struct {
	// Config is what can be changed at run time, see [Limiter.Apply].
	Config Config
	// Scores weighs peers. Nil gives all of them weight one.
	Scores Scores
	// Addr returns the IP address that a peer is connected from, see [HostAddr]. Peers whose address is not valid
	// belong to no prefix. Nil turns prefixes off: a Config.Prefix.Peers above zero is refused then. It is called
	// concurrently.
	Addr func(peer.ID) netip.Addr
}

// A Limiter paces the exchanges of a server by quotas for each peer and method, shares by weight what peers use
// together, and admits no more than can be served. It implements [reqresp.Limiter].
type Limiter struct {
	start  time.Time
	seed   maphash.Seed
	scores Scores
	addr   func(peer.ID) netip.Addr

	shards   [shards]shard
	tracked  atomic.Int64 // peers of all shards
	maxPeers atomic.Int64 // is config.MaxPeers
	swept    atomic.Int64 // when all were last looked at
	node     node
	prefixes prefixes

	// The settings change while everything is locked: whoever holds a shard's lock may read them.
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
		start:  time.Now(),
		seed:   maphash.MakeSeed(),
		scores: o.Scores,
		addr:   o.Addr,
	}
	for i := range l.shards {
		l.shards[i].peers = make(map[key]*peerState)
	}
	l.swept.Store(int64(-searchInterval))
	l.prefixes.known = make(map[netip.Prefix]*prefix)
	l.methods.Store(&map[string]*method{})
	if err := l.Apply(o.Config); err != nil {
		return nil, err
	}
	return l, nil
}

// Apply replaces the configuration, at once for all peers and for exchanges that wait. What a peer has used remains
// used, what it owes remains owed, and no exchange ends. For the milliseconds it takes nothing else is decided. It
// fails, and changes nothing, if a rate or a bound is outside its range, or if prefixes are turned on and
// [Options].Addr is nil.
func (l *Limiter) Apply(c Config) error {
	if l.addr == nil {
		if c.Prefix.Peers > 0 {
			return fmt.Errorf("limits: Prefix.Peers is %d, which needs Options.Addr: see HostAddr, or want 0", c.Prefix.Peers)
		}
		c.Prefix.Peers = -1
	}
	c, err := c.Effective()
	if err != nil {
		return err
	}
	l.change.Lock()
	defer l.change.Unlock()
	for i := range l.shards {
		l.shards[i].mu.Lock()
		defer l.shards[i].mu.Unlock()
	}
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	now := l.now()
	l.config = c
	l.maxPeers.Store(int64(c.MaxPeers))
	l.node.set(now, c.Node.compile(), 0)
	l.node.setPromised()
	l.node.clock.set(now, float64(c.Node.Bytes.N)/float64(c.Node.Bytes.Per))
	methods := *l.methods.Load()
	before := make([]rates, len(methods))
	for _, m := range methods {
		before[m.index] = m.rates
		l.setMethod(now, m)
	}
	for i := range l.shards {
		for _, ps := range l.shards[i].peers {
			for _, u := range ps.usages {
				if u != nil {
					u.budget.change(&before[u.method.index], &u.method.rates, now)
					u.wake()
				}
			}
		}
	}
	l.prefixes.apply(&c, now, methods)
	l.node.wakeLocked()
	return nil
}

// Config returns the configuration in effect, with every default filled in. Its map is the caller's, and never nil.
func (l *Limiter) Config() Config {
	l.change.Lock()
	defer l.change.Unlock()
	c := l.config
	c.Methods = maps.Clone(c.Methods)
	return c
}

// setMethod gives a method what the configuration says.
func (l *Limiter) setMethod(now time.Duration, m *method) {
	c := l.config.Method(m.name)
	m.rates = c.Peer.compile()
	m.pool.set(now, c.Node.compile(), 0)
	m.pool.setPromised()
}

// method returns the method of that name. Names come from the specs a server registers, so there are few.
func (l *Limiter) method(name string) *method {
	if m := (*l.methods.Load())[name]; m != nil {
		return m
	}
	l.change.Lock()
	defer l.change.Unlock()
	known := *l.methods.Load()
	if m := known[name]; m != nil {
		return m
	}
	m := &method{name: name, index: len(known)}
	l.setMethod(l.now(), m) // nobody else knows it yet
	grown := maps.Clone(known)
	grown[name] = m
	l.methods.Store(&grown)
	return m
}

// Admit implements [reqresp.Limiter]. It waits while the peer has as many exchanges with the method in flight as are
// allowed, is out of requests or in debt, or while there is no capacity: for 4 s in all. The exchange is then admitted
// on overdraft, or refused.
func (l *Limiter) Admit(ctx context.Context, from peer.ID, spec *reqresp.Spec) (reqresp.Admission, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, k := l.method(spec.Name()), l.key(from)
	sh := l.shard(k)
	sh.mu.Lock()
	h, err := l.admit(ctx, sh, k, from, m)
	if err == nil {
		sh.mu.Unlock()
		return h, nil
	}
	overran := errors.Is(err, ErrQueueFull)
	if isRefusal(err) && !overran {
		// One was refused that waited for the peer's own, of which as many run as may.
		slots, queued := sh.inFlight(k, m)
		overran = slots >= l.config.MaxConcurrent && slots+queued+1 >= 2*l.config.MaxConcurrent
	}
	sh.mu.Unlock()
	if overran && l.scores != nil {
		l.scores.Overran(from, spec.Name())
	}
	return nil, refused(from, spec.Name(), err)
}

// admit admits an exchange. shard.mu must be held; it is released while waiting.
func (l *Limiter) admit(ctx context.Context, sh *shard, k key, from peer.ID, m *method) (*handle, error) {
	now := l.now()
	ps, err := l.peer(sh, k, from, now)
	if err != nil {
		return nil, err
	}
	u := l.usage(ps, m)
	if u.queued(admission) >= l.config.MaxQueue {
		return nil, ErrQueueFull
	}
	p := l.exchange(sh, u)
	p.due, p.chunks, p.beyond = now+firstChunkWithin, 2, 0
	p.ask, p.want = cost{requests: 1}, cost{requests: 1}
	if err := p.get(ctx, now, admission); err != nil {
		return nil, err
	}
	return sh.handle(p), nil
}

// Refused implements [reqresp.Limiter]. A peer is told of to [Scores] if it has twice as many exchanges with the method
// as may run at a time, or more: that is tolerated up to MaxQueue while there is room for them, but is what takes the
// room from others when there is not.
func (l *Limiter) Refused(from peer.ID, spec *reqresp.Spec) {
	m, k := l.method(spec.Name()), l.key(from)
	sh := l.shard(k)
	sh.mu.Lock()
	slots, queued := sh.inFlight(k, m)
	overran := slots+queued >= 2*l.config.MaxConcurrent
	sh.mu.Unlock()
	if overran && l.scores != nil {
		l.scores.Overran(from, spec.Name())
	}
}

// inFlight returns how many exchanges of a peer with a method have a slot, and how many are queued for one. The shard
// is locked.
func (sh *shard) inFlight(k key, m *method) (slots, queued int) {
	if ps := sh.peers[k]; ps != nil && m.index < len(ps.usages) && ps.usages[m.index] != nil {
		u := ps.usages[m.index]
		return int(u.slots), u.queued(admission)
	}
	return 0, 0
}

// isRefusal reports whether an exchange is reset because of err.
func isRefusal(err error) bool {
	return errors.Is(err, ErrQueueFull) || errors.Is(err, ErrTooManyPeers) ||
		errors.Is(err, ErrOverdrawn) || errors.Is(err, ErrOverCapacity)
}

// refused returns the error of an exchange that ends because of err.
func refused(from peer.ID, method string, err error) error {
	if isRefusal(err) {
		return &refusal{from, method, err}
	}
	return err
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

// A Balance is what a peer has left of its budget for a method. What it owes is negative.
type Balance struct {
	// Method is the method's name.
	Method string
	// Requests, Items and Bytes are the whole tokens left in the buckets.
	Requests, Items, Bytes int64
	// Active is how many exchanges are admitted.
	Active int
	// Waiting is how many exchanges wait for admission.
	Waiting int
}

// Balances returns the peer's balances, ordered by method. Methods that it did not use, or so long ago that its budget
// is full, may be missing. The slice is the caller's.
func (l *Limiter) Balances(id peer.ID) []Balance {
	k := l.key(id)
	sh := l.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	ps, now := sh.peers[k], l.now()
	if ps == nil {
		return nil
	}
	var balances []Balance
	for _, u := range ps.usages {
		if u == nil {
			continue
		}
		r := &u.method.rates
		balances = append(balances, Balance{
			Method:   u.method.name,
			Requests: u.budget[requests].left(&r[requests], now),
			Items:    u.budget[items].left(&r[items], now),
			Bytes:    u.budget[bytes].left(&r[bytes], now),
			Active:   int(u.active),
			Waiting:  u.waiting(),
		})
	}
	slices.SortFunc(balances, func(a, b Balance) int { return cmp.Compare(a.Method, b.Method) })
	return balances
}
