package outbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// DefaultMaxPeers is the default of [Options].MaxPeers.
const DefaultMaxPeers = 1 << 12

// Options are the optional settings of a [Pacer]. The zero value is ready.
type Options struct {
	// Quotas are what clients grant, by the client's name. Those of the empty name hold for a peer whose client is not
	// known or not named here. A peer without any is asked at once, until it refuses. The map must not be changed any
	// more. Nil means none.
	Quotas map[string][]Quota
	// Defaults are what is known of any peer, whatever Quotas says: a method that the peer's quotas lack takes its
	// own from here once the peer refuses it, and a method with small answers here goes on while the peer is left
	// alone. The slice must not be changed any more. Nil means Quotas[""].
	Defaults []Quota
	// Client returns the name of a peer's client, as Quotas has it. It is called for every request, concurrently. Nil
	// means that none is known.
	Client func(peer.ID) string
	// IsLimited tells whether an error is a peer's way to say that it was asked too much, such as beacon.IsRateLimited.
	// Nil means that none is.
	IsLimited func(error) bool
	// MaxPeers bounds the peers remembered. Beyond it the one that was not asked for the longest is forgotten. Zero
	// means DefaultMaxPeers.
	MaxPeers int
}

// A Quota is what a peer is asked for, by some methods together.
type Quota struct {
	// Methods are those which share the quota. A method has one quota at most. A quota without any is of all
	// methods, which count by requests.
	Methods []string
	// Items limits what is asked for: blocks, sidecars, or requests where each is answered by one chunk. For ranges of
	// sidecars a server may count slots as well; whoever asks counts them in.
	Items limits.Rate
	// Small is set for methods with small answers: they go on while the peer is left alone for having refused others.
	Small bool
}

// effective returns the quotas with rates whose defaults are filled in, or an error that names what is outside its
// range.
func effective(quotas []Quota) ([]Quota, error) {
	quotas = slices.Clone(quotas)
	seen := make(map[string]bool)
	for i := range quotas {
		q := &quotas[i]
		var err error
		if q.Items, err = q.Items.Effective(); err != nil {
			return nil, fmt.Errorf("outbound: quota of %v: %w", q.Methods, err)
		}
		for _, m := range q.Methods {
			if seen[m] {
				return nil, fmt.Errorf("outbound: method %q has two quotas: want one at most", m)
			}
			seen[m] = true
		}
	}
	return quotas, nil
}

// A Pacer delays requests to what peers bear. It implements [reqresp.CallLimiter], is safe for concurrent use, and
// needs no closing.
type Pacer struct {
	opts Options

	mu    sync.Mutex
	peers map[peer.ID]*peerState
}

var _ reqresp.CallLimiter = (*Pacer)(nil)

// New returns a pacer. Options may be nil. It fails if a quota or a bound is outside its range.
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
		p.opts.Defaults = p.opts.Quotas[""]
	}
	var err error
	if p.opts.Defaults, err = effective(p.opts.Defaults); err != nil {
		return nil, err
	}
	p.opts.Quotas = maps.Clone(p.opts.Quotas)
	for client, quotas := range p.opts.Quotas {
		if p.opts.Quotas[client], err = effective(quotas); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Wait implements [reqresp.CallLimiter]. It waits until a peer can be asked for some items. It fails with the context's
// error, at once if its deadline is sure not to suffice. Requests that one quota delays go in order of arrival.
//
// A request for more than a burst waits for a full quota, and the rest delays the next one, up to as much again. A
// server that grants no more will refuse it: split it.
func (p *Pacer) Wait(ctx context.Context, to peer.ID, method string, items int) error {
	for {
		head := p.head(to, method)
		select {
		case head <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		over, err := p.waitAtHead(ctx, head, to, method, items)
		if over || err != nil {
			return err
		}
	}
}

// waitAtHead leaves the head of its queue in the end, and reports whether the request may be sent. If not it has to
// wait in another queue: the peer was found to be another client, and those who come now wait there.
func (p *Pacer) waitAtHead(
	ctx context.Context, head chan struct{}, to peer.ID, method string, items int,
) (bool, error) {
	defer func() { <-head }()
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		d, ok := p.take(head, to, method, items)
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

func (p *Pacer) head(to peer.ID, method string) chan struct{} {
	s := p.lock(to)
	defer p.mu.Unlock()
	return s.queue(method).head
}

// take notes a request if it may be sent now. Else it returns when to try again. It fails if head is not of the
// request's queue any more.
func (p *Pacer) take(head chan struct{}, to peer.ID, method string, items int) (time.Duration, bool) {
	s := p.lock(to)
	defer p.mu.Unlock()
	if s.queue(method).head != head {
		return 0, false
	}
	return s.take(s.used, method, items), true
}

// Batch returns how many of some items to ask a peer for at once: all of them, or less if the quota holds less or the
// peer has shown that it grants less. Many requests of that size get the most out of a peer.
func (p *Pacer) Batch(to peer.ID, method string, items int) int {
	s := p.lock(to)
	defer p.mu.Unlock()
	s.grow(s.used, method)
	return s.batch(method, items)
}

// Delay returns for how long Wait would hold back a request, as things stand and if no other is sent before.
func (p *Pacer) Delay(to peer.ID, method string, items int) time.Duration {
	s := p.lock(to)
	defer p.mu.Unlock()
	return s.delay(s.used, method, items)
}

// Done implements [reqresp.CallLimiter]. A peer that was asked too much is left alone for a while, and its quota
// shrinks to what it has granted. So does that of a peer whose answer came too late.
func (p *Pacer) Done(to peer.ID, method string, r reqresp.Result) {
	limited := r.Err != nil && p.opts.IsLimited != nil && p.opts.IsLimited(r.Err)
	s := p.lock(to)
	defer p.mu.Unlock()
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

// client returns the name that Quotas has for a peer's client.
func (p *Pacer) client(id peer.ID) string {
	if p.opts.Client == nil {
		return ""
	}
	client := p.opts.Client(id)
	if _, ok := p.opts.Quotas[client]; !ok {
		return ""
	}
	return client
}

// lock locks the pacer, and returns the peer's state, which it makes if need be, as of now.
func (p *Pacer) lock(id peer.ID) *peerState {
	client := p.client(id)
	p.mu.Lock()
	now := time.Now()
	s := p.peers[id]
	if s == nil {
		if len(p.peers) >= p.opts.MaxPeers {
			p.forgetOneLocked()
		}
		s = &peerState{all: p.opts.Quotas, defaults: p.opts.Defaults, queues: make(map[string]*queue)}
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
