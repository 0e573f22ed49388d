package conformance

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Options are the optional settings of [Run]. The zero value is ready.
type Options struct {
	// Hostile, if not nil, enables the rules whose requests deployed clients punish: more than they grant, more than
	// the specs allow, malformed requests of every protocol, statuses of another chain. Use it against your own
	// servers only. Hostile is called for each of these rules, and for each rough one, and returns a new host with a
	// key of its own, so that a ban affects no other rule. A run closes the host about 40 s later; about ten are open
	// at a time. Like the host given to [Run], it should answer pings and metadata requests.
	Hostile func() (host.Host, error)
	// Now is the clock that determines the current fork. Nil means time.Now.
	Now func() time.Time
}

// Run tests a peer against all rules and yields their results in the order of [Rules]. It connects to the peer if need
// be, by the addresses that h knows, and sends a status without blocks. If the peer does not answer with its own, all
// rules are skipped. Run a [beacon.Server] on h to answer the peer's pings and metadata requests.
//
// A run paces its requests and takes several minutes. Breaking out of the loop ends it. When ctx ends, the remaining
// rules are skipped. Options may be nil.
func Run(ctx context.Context, h host.Host, n *ssz.Network, to peer.ID, opts *Options) iter.Seq[Result] {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &session{
		to: to, at: peer.AddrInfo{ID: to}, network: n, family: beacon.NewFamily(n), now: o.Now,
		samples: make(map[protocol.ID]*sample),
	}
	s = s.as(h)
	return func(yield func(Result) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var watches sync.WaitGroup
		defer watches.Wait()
		defer cancel()
		why := s.begin(ctx)
		var pending []<-chan Result // of rules that were tried, whose identities are watched
		yieldAllBut := func(most int) bool {
			for len(pending) > most {
				result := <-pending[0]
				if pending = pending[1:]; !yield(result) {
					return false
				}
			}
			return true
		}
		rules := Rules()
		for i := range rules {
			r, most := &rules[i], 0
			var result <-chan Result
			switch {
			case r.LeftOut != "":
				result = at(Result{Rule: r, Outcome: LeftOut, Saw: r.LeftOut})
			case r.Hostile && o.Hostile == nil:
				result = at(Result{Rule: r, Outcome: LeftOut, Saw: "deployed clients punish the request"})
			case why != nil:
				result = at(Result{Rule: r, Outcome: Skip, Saw: why.Error()})
			case r.Hostile, r.Rough && o.Hostile != nil:
				result, most = s.offend(ctx, r, o.Hostile, &watches), mostWatched
			default:
				result = at(s.try(ctx, r))
			}
			if pending = append(pending, result); !yieldAllBut(most) {
				return
			}
		}
		yieldAllBut(0)
	}
}

// at is a result that is there at once.
func at(r Result) <-chan Result {
	c := make(chan Result, 1)
	c <- r
	return c
}

// as returns a session that asks by another host, which knows what was learnt before.
func (s *session) as(h host.Host) *session {
	other := *s
	other.host = h
	other.client = beacon.NewClient(h, s.family, nil)
	other.engine = reqresp.NewClient(h, nil)
	other.pace = pace{next: make(map[string]time.Time)}
	return &other
}

// begin connects, exchanges statuses and looks at the newest blocks.
func (s *session) begin(ctx context.Context) error {
	theirs, err := s.greet(ctx)
	if err != nil {
		return err
	}
	s.at = s.host.Peerstore().PeerInfo(s.to)
	s.offered, err = s.host.Peerstore().GetProtocols(s.to)
	if err != nil {
		return fmt.Errorf("no protocols: %w", err)
	}
	s.theirs = theirs
	// What is asked for follows from the head: one that is yet to come is not to lead it astray.
	s.theirs.HeadSlot = min(theirs.HeadSlot, s.currentSlot()+1)
	return s.lookAtNewest(ctx)
}

// greet connects and exchanges statuses.
func (s *session) greet(ctx context.Context) (theirs beacon.Status, err error) {
	if err := s.host.Connect(ctx, s.at); err != nil {
		return theirs, fmt.Errorf("no connection: %w", err)
	}
	if theirs, err = s.status(ctx); err != nil {
		return theirs, fmt.Errorf("no status: %w", err)
	}
	return theirs, nil
}

// status asks for the peer's status.
func (s *session) status(ctx context.Context) (beacon.Status, error) {
	if err := s.pace.wait(ctx, "status", 1); err != nil {
		return beacon.Status{}, err
	}
	ours := beacon.Status{ForkDigest: s.digest()}
	return s.client.Status(ctx, s.to, ours)
}

// mostShown is how many slots are looked at for blocks that can be asked for later.
const mostShown = 16

// lookAtNewest asks for the newest blocks, also those of a peer that serves none of which it can serve all
// sidecars: what it does not show is no rule broken.
func (s *session) lookAtNewest(ctx context.Context) error {
	head := s.theirs.HeadSlot
	start, count := s.newest(mostShown)
	if count == 0 {
		start = head - min(head, mostShown-1)
		count = uint64(head-start) + 1
	}
	if err := s.pace.wait(ctx, "beacon_blocks_by_range", count); err != nil {
		return err
	}
	for b, err := range s.client.BlocksByRange(ctx, s.to, start, count) {
		if err != nil {
			return nil // a rule asks for the same
		}
		s.blocks = append(s.blocks, b)
	}
	return nil
}

// try tries one rule.
func (s *session) try(ctx context.Context, r *Rule) Result {
	t := &trial{session: s, Rule: r, row: s.protocol(r.Method, r.Version)}
	saw, err := t.attempt(ctx)
	why, skip := errors.AsType[skipped](err)
	switch {
	case err == nil:
		return Result{Rule: r, Outcome: Pass, Saw: saw}
	case skip:
		return Result{Rule: r, Outcome: Skip, Saw: string(why)}
	case ctx.Err() != nil:
		return Result{Rule: r, Outcome: Skip, Saw: ctx.Err().Error()}
	}
	return Result{Rule: r, Outcome: Fail, Saw: err.Error()}
}

// attempt tries the rule if the peer can be asked.
func (t *trial) attempt(ctx context.Context) (saw string, err error) {
	_, cached := t.samples[t.row.ID()]
	asks := !t.sampled || !cached
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case asks && t.host.Network().Connectedness(t.to) != network.Connected:
		return "", errHungUp
	case t.ID != advertised && !t.offers(t.row.ID()):
		return "", errNotOffered
	}
	return t.Rule.try(ctx, t)
}

// Rules returns all rules in the order in which they are tried: rough ones after the others, as peers may disconnect
// for them, then hostile ones, and those that are left out last. There is one rule for each demand of the specs and
// each protocol of [beacon.Family.Protocols] that the demand applies to. The caller owns the slice.
func Rules() []Rule {
	table := beacon.NewFamily(ssz.Mainnet()).Protocols()
	demands := slices.Concat(
		offers(), framing(), node(), blocks(), sidecars(), lightClient(), payloads(), lists(),
		pressure(), maxima(), malformed(), untriedDemands(),
	)
	var rules []Rule
	for _, d := range demands {
		for _, p := range table {
			if d.of(p) {
				rules = append(rules, d.rule(p))
			}
		}
	}
	slices.SortStableFunc(rules, func(a, b Rule) int { return a.rank() - b.rank() })
	return rules
}

// rank orders the rules by when they are tried.
func (r *Rule) rank() int {
	switch {
	case r.LeftOut != "":
		return 6
	case r.parts:
		return 5
	case r.Hostile && r.Rough:
		return 4
	case r.Hostile:
		return 3
	case r.sampled && r.Method == "goodbye":
		return 2 // the peer hangs up
	case r.Rough:
		return 1
	}
	return 0
}

// watchTime is for how long an identity is watched after it has tried a hostile rule. Lodestar bans at its next
// heartbeat, and those are 30 s apart.
const watchTime = 40 * time.Second

// mostWatched are how many identities are watched at a time before a result is waited for.
const mostWatched = int(watchTime/(5*time.Second)) + 1

// offend tries a hostile rule by an identity of its own. The result comes when it is known whether the
// peer has banned that.
func (s *session) offend(
	ctx context.Context, r *Rule, identity func() (host.Host, error), watches *sync.WaitGroup,
) <-chan Result {
	skip := func(err error) <-chan Result { return at(Result{Rule: r, Outcome: Skip, Saw: err.Error()}) }
	if !s.offers(s.protocol(r.Method, r.Version).ID()) {
		return skip(errNotOffered)
	}
	if err := s.pace.wait(ctx, dialing, 1); err != nil {
		return skip(err)
	}
	h, err := identity()
	if err != nil {
		return skip(fmt.Errorf("no identity: %w", err))
	}
	other := s.as(h)
	if _, err := other.greet(ctx); err != nil {
		_ = h.Close()
		return skip(fmt.Errorf("a new identity is refused, the peer may have banned the address: %w", err))
	}
	result := other.try(ctx, r)
	result.Identity = h.ID()
	done := make(chan Result, 1)
	watches.Go(func() {
		defer func() { _ = h.Close() }()
		result.Banned = other.watch(ctx)
		done <- result
	})
	return done
}

// watch tells how the peer bans the session's identity, if it does so in time.
func (s *session) watch(ctx context.Context) string {
	begin := time.Now()
	if hungUp, err := s.hungUp(ctx, watchTime); err != nil || !hungUp {
		return ""
	}
	after := time.Since(begin).Round(time.Millisecond)
	_, err := s.greet(ctx)
	if err == nil || ctx.Err() != nil {
		return "" // whom it has banned it does not talk to
	}
	return fmt.Sprintf("hung up after %v, then %v", after, err)
}

// hungUp waits until the peer hangs up, but no longer than a time. It fails with the context's error.
func (s *session) hungUp(ctx context.Context, most time.Duration) (bool, error) {
	ended := time.NewTimer(most)
	defer ended.Stop()
	tick := time.NewTicker(most / 100)
	defer tick.Stop()
	for s.host.Network().Connectedness(s.to) == network.Connected {
		select {
		case <-tick.C:
		case <-ended.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return true, nil
}
