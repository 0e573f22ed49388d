package rangesync_test

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
)

// A meter is a leaky bucket, which Prysm and Lodestar count slots with.
type meter struct {
	perSecond, capacity float64
	level               float64
	at                  time.Duration
}

// take counts n slots if there is room for need, which may be more.
func (m *meter) take(at time.Duration, need, n uint64) bool {
	m.level, m.at = max(m.level-m.perSecond*(at-m.at).Seconds(), 0), at
	if m.level+float64(need) > m.capacity+1e-9 {
		return false
	}
	m.level += float64(n)
	return true
}

// refusals are when a peer refused.
type refusals []time.Duration

// worst returns how many there were in an hour at most.
func (all refusals) worst() (worst int) {
	for i, first := range all {
		n := 0
		for _, at := range all[i:] {
			if at-first < time.Hour {
				n++
			}
		}
		worst = max(worst, n)
	}
	return worst
}

// asPrysm has a peer refuse as Prysm does with a --block-batch-limit: it serves in batches of the
// limit, each of which has to fit as a whole, and so may refuse in the middle of an answer.
func asPrysm(p *scriptedPeer, limit uint64, refused *refusals) {
	m := &meter{perSecond: float64(limit) / 30, capacity: float64(2 * limit)}
	p.script = func(r request) *answer {
		for served := uint64(0); served < r.count; {
			n := min(limit, r.count-served)
			if !m.take(r.at, limit, n) {
				*refused = append(*refused, r.at)
				r.count = served
				return &answer{blocks: p.of(r), raw: verdict(1, "rate limited")}
			}
			served += n
		}
		return nil
	}
}

// asLodestar has a peer refuse as Lodestar does, which bans for it.
func asLodestar(p *scriptedPeer, refused *refusals) {
	m := &meter{perSecond: 12.8, capacity: 128}
	p.script = func(r request) *answer {
		if m.take(r.at, r.count, r.count) {
			return nil
		}
		*refused = append(*refused, r.at)
		return &answer{raw: verdict(2, "REQUEST_ERROR_RATE_LIMITED")}
	}
}

// TestNoServerHasReasonToBan syncs a long chain from servers that ban for refusals: Prysm for the fifth in
// an hour, and Lodestar for the first.
func TestNoServerHasReasonToBan(t *testing.T) {
	t.Parallel()
	whole := fork(dev(1, 142), 1, slots(143, 1900)...)
	prysm := func(limit uint64) func(*scriptedPeer, *refusals) {
		return func(p *scriptedPeer, r *refusals) { asPrysm(p, limit, r) }
	}
	for name, tc := range map[string]struct {
		serve    func(*scriptedPeer, *refusals)
		client   string
		refusals int           // in an hour, at most
		within   time.Duration // the whole chain comes
	}{
		"Prysm":                            {prysm(64), "prysm", 0, 17 * time.Minute},
		"Prysm that is not known":          {prysm(64), "", 0, 17 * time.Minute},
		"Prysm with a limit of 16":         {prysm(16), "prysm", 2, 70 * time.Minute},
		"unknown Prysm with a limit of 16": {prysm(16), "", 2, 70 * time.Minute},
		"Prysm with a limit of 4":          {prysm(4), "prysm", 4, 7 * time.Hour},
		"Lodestar":                         {asLodestar, "lodestar", 0, 3 * time.Minute},
		"Lodestar that is not known":       {asLodestar, "", 0, 17 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
				var refused refusals
				p := &scriptedPeer{chain: whole}
				tc.serve(p, &refused)
				p.serve(t, server)
				pacer, err := outbound.New(&outbound.Options{
					Quotas:    quota.Granted(),
					IsLimited: beacon.IsRateLimited, Client: func(peer.ID) string { return tc.client },
				})
				must(t, err)
				from := rangesync.Source{
					Client: beacon.NewClient(client, beacon.NewFamily(devchain.Network()), &beacon.ClientOptions{Limiter: pacer}),
					Pacer:  pacer, Peer: server.ID(), Status: p.status(),
				}
				s, start := newStore(t), time.Now()
				result, err := rangesync.Run(t.Context(), from, s, nil)
				must(t, err)
				if last := whole[len(whole)-1]; result.Blocks != uint64(len(whole)) || result.Head != last.Root {
					t.Errorf("result is %+v, want the %d blocks up to %x", result, len(whole), last.Root)
				}
				if took := time.Since(start); took > tc.within {
					t.Errorf("the chain took %v, want at most %v", took, tc.within)
				}
				if n := refused.worst(); n > tc.refusals {
					t.Errorf("the server refused %d times in an hour, want at most %d: %v", n, tc.refusals, refused)
				}
				t.Logf("took %v, refused at %v", time.Since(start), refused)
			})
		})
	}
}
