package beacon

import (
	"context"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// An offer is a method, and the row that tells when peers are offered it.
type offer struct {
	method   reqresp.Handler
	protocol *Protocol
}

// offers returns all methods that are offered at some time: those that the chain can answer.
func (s *Server) offers() (all []offer) {
	for _, p := range s.family.protocols {
		if p.held == nil || p.held(s.sources) {
			all = append(all, offer{reqresp.Handler{Spec: p.spec, Serve: p.serve(s, p)}, p})
		}
	}
	return all
}

// offerAt offers the methods of an epoch, and no others.
func (s *Server) offerAt(e ssz.Epoch) {
	offered := make(map[*reqresp.Spec]bool)
	for spec := range s.engine.Specs() {
		offered[spec] = true
	}
	for _, o := range s.all {
		switch spec := o.method.Spec; {
		case o.protocol.OfferedAt(e) && !offered[spec]:
			s.engine.Register(o.method)
		case !o.protocol.OfferedAt(e) && offered[spec]:
			s.engine.Unregister(spec)
		}
	}
}

// followForks keeps what is offered to what is in force, until ctx ends.
func (s *Server) followForks(ctx context.Context) {
	// It looks at the clock in every slot: a clock may be set, and a machine may sleep.
	timer := time.NewTimer(s.untilNextSlot())
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			s.offerAt(s.CurrentEpoch())
			timer.Reset(s.untilNextSlot())
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) untilNextSlot() time.Duration {
	n, now := s.family.network, s.opts.Now()
	return n.TimeAt(n.SlotAt(now) + 1).Sub(now)
}

// clockDisparity is MAXIMUM_GOSSIP_CLOCK_DISPARITY, by how much the clocks of honest peers
// differ.
const clockDisparity = 500 * time.Millisecond

// digestInForce reports whether a fork digest is in force by some honest clock.
func (s *Server) digestInForce(d ssz.ForkDigest) bool {
	n, now := s.family.network, s.opts.Now()
	at := func(t time.Time) ssz.ForkDigest { return n.DigestAt(n.EpochOf(n.SlotAt(t))) }
	return d == at(now.Add(-clockDisparity)) || d == at(now.Add(clockDisparity))
}
