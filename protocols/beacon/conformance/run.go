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
	// Hostile, if it is set, has the rules tried too that take what deployed clients punish: more than they
	// grant, more than the specs allow, malformed requests by every protocol, statuses of another
	// chain. It is for servers of one's own. Each of these rules, and of the rough, is tried by a host that
	// Hostile makes, with a key of its own, so that a ban hides nothing. A run closes the host about
	// 40 s later, so that some ten are open at a time. Like the host given to [Run], it should answer
	// pings and metadata requests. Nil leaves these rules out.
	Hostile func() (host.Host, error)
	// Now is the clock, from which the current fork follows. Nil means time.Now.
	Now func() time.Time
}

// Run holds a peer against all rules and yields what came of each, in the order of [Rules]. It connects to
// the peer, if h is not connected yet but knows its addresses, and tells it a status of its own: that
// which the peer tells, or an empty one of the network. It has to be answered; whoever wants pings and
// metadata requests of the peer's answered too runs a [beacon.Server] on h.
//
// A run takes some minutes, as it paces itself. Breaking out of the loop ends it. When ctx ends, the
// rules that are left are skipped. Options may be nil.
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
			r := &rules[i]
			most := 0
			switch {
			case r.LeftOut != "":
				pending = append(pending, at(Result{Rule: r, Outcome: LeftOut, Saw: r.LeftOut}))
			case r.Hostile && o.Hostile == nil:
				saw := "deployed clients punish the request"
				pending = append(pending, at(Result{Rule: r, Outcome: LeftOut, Saw: saw}))
			case why != nil:
				pending = append(pending, at(Result{Rule: r, Outcome: Skip, Saw: why.Error()}))
			case r.Hostile, r.Rough && o.Hostile != nil:
				pending = append(pending, s.offend(ctx, r, o.Hostile, &watches))
				most = mostWatched
			default:
				pending = append(pending, at(s.try(ctx, r)))
			}
			if !yieldAllBut(most) {
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
	return s.sample(ctx)
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
	ours := beacon.Status{ForkDigest: s.network.DigestAt(s.network.EpochOf(s.currentSlot()))}
	return s.client.Status(ctx, s.to, ours)
}

// sampled is how many slots are looked at for blocks that can be asked for later.
const sampled = 16

// sample looks at the newest blocks, also those of a peer that serves none of which it can serve all
// sidecars: what it does not show is no rule broken.
func (s *session) sample(ctx context.Context) error {
	head := s.theirs.HeadSlot
	start, count := s.newest(sampled)
	if count == 0 {
		start = head - min(head, sampled-1)
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

// newest returns the last slots up to the peer's head, no more than a number of them and none before
// its earliest. There are none if that is after its head, as it may be where a peer takes on more
// custody.
func (s *session) newest(most uint64) (start ssz.Slot, count uint64) {
	head, earliest := s.theirs.HeadSlot, s.theirs.EarliestAvailableSlot
	if earliest > head {
		return earliest, 0
	}
	start = max(earliest, head-min(head, ssz.Slot(most-1)))
	return start, uint64(head-start) + 1
}

// try tries one rule.
func (s *session) try(ctx context.Context, r *Rule) Result {
	skip := func(why string) Result { return Result{Rule: r, Outcome: Skip, Saw: why} }
	row := s.row(r.Method, r.Version)
	_, cached := s.samples[row.ID()]
	asks := !r.sampled || !cached
	switch {
	case ctx.Err() != nil:
		return skip(ctx.Err().Error())
	case asks && s.host.Network().Connectedness(s.to) != network.Connected:
		return skip("the peer has hung up")
	case r.ID != advertised && !s.offers(row.ID()):
		return skip("not offered")
	}
	saw, err := r.try(ctx, s, r)
	if why, ok := errors.AsType[skipped](err); ok {
		return skip(string(why))
	}
	if err != nil && ctx.Err() != nil {
		return skip(ctx.Err().Error())
	}
	if err != nil {
		return Result{Rule: r, Outcome: Fail, Saw: err.Error()}
	}
	return Result{Rule: r, Outcome: Pass, Saw: saw}
}

// Rules returns all rules in the order in which they are tried: those that break a rule themselves after
// the others, as peers may hang up for that, then those that are hostile, and those that are left out
// last. There is one for every demand of the specs and every protocol of package beacon's table that it
// is of. The caller owns the slice.
func Rules() []Rule {
	table := beacon.NewFamily(ssz.Mainnet()).Protocols()
	demands := slices.Concat(
		offers(), framing(), node(), blocks(), sidecars(), lightClient(), payloads(), lists(),
		pressure(), maxima(), malformed(), leftOut(),
	)
	var rules []Rule
	for i := range demands {
		for _, p := range table {
			if demands[i].of(p) {
				rules = append(rules, demands[i].rule(p))
			}
		}
	}
	slices.SortStableFunc(rules, func(a, b Rule) int { return rank(&a) - rank(&b) })
	return rules
}

func rank(r *Rule) int {
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
