package beacon

import (
	"context"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// An offer is a method, and the forks in which peers are offered it.
type offer struct {
	method      reqresp.Method
	first, last ssz.Fork
}

// newest is the last fork of what no fork has replaced yet.
const newest = ssz.Heze

// offers returns all methods that are offered at some time.
func (s *Server) offers() []offer {
	f := s.family
	return []offer{
		{f.StatusV1.Serve(s.statusV1), ssz.Phase0, ssz.Electra},
		{f.StatusV2.Serve(s.statusV2), ssz.Fulu, newest},
		{f.Goodbye.Serve(s.goodbye), ssz.Phase0, newest},
		{f.Ping.Serve(s.ping), ssz.Phase0, newest},
		{f.MetaDataV2.Serve(s.metaDataV2), ssz.Phase0, ssz.Electra},
		{f.MetaDataV3.Serve(s.metaDataV3), ssz.Fulu, newest},
		{reqresp.Method{Spec: f.BlocksByRange.Spec(), Handler: s.blocksByRange}, ssz.Phase0, newest},
		{reqresp.Method{Spec: f.BlocksByRoot.Spec(), Handler: s.blocksByRoot}, ssz.Phase0, newest},
	}
}

// inForce reports whether a method is offered at an epoch: from its first fork on, until one epoch
// after its last, as peers take a moment to notice.
func (o *offer) inForce(n *ssz.Network, e ssz.Epoch) bool {
	return o.first <= n.ForkAt(e) && n.ForkAt(max(e, 1)-1) <= o.last
}

// offerAt offers the methods of an epoch, and no others.
func (s *Server) offerAt(e ssz.Epoch) {
	offered := make(map[*reqresp.Spec]bool)
	for spec := range s.engine.Specs() {
		offered[spec] = true
	}
	for _, o := range s.all {
		switch spec := o.method.Spec; {
		case o.inForce(s.family.network, e) && !offered[spec]:
			s.engine.Register(o.method)
		case !o.inForce(s.family.network, e) && offered[spec]:
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
