package plugin

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// state is what metrics show beside what they count.
func (s *Service) state() metrics.State {
	state := metrics.State{Tracked: s.limiter.Peers(), Quotas: s.quotas(), Bans: new(len(s.scores.Bans()))}
	r := s.running.Load()
	if r == nil {
		return state
	}
	for _, p := range r.peers.Peers() {
		state.Peers = append(state.Peers, metrics.Peer{
			Client:    metrics.ClientName(p.Agent),
			Direction: directionOf(p.Direction),
			Balances:  s.limiter.Balances(p.ID),
			Score:     new(p.Score),
		})
	}
	if manager, ok := r.host.Network().ResourceManager().(*resources.Manager); ok {
		state.Negotiations = new(manager.Negotiations())
	}
	if r.store != nil {
		state.Chain = chainOf(r)
	}
	if sync := s.syncing.Load(); sync != nil {
		state.Sync = &metrics.Sync{Slot: uint64(sync.progress.Slot), Target: uint64(sync.progress.Target)}
	}
	return state
}

// quotas returns what each peer may use of each method.
func (s *Service) quotas() map[string]limits.Quota {
	quotas, config := make(map[string]limits.Quota), s.limiter.Config()
	for _, spec := range s.table {
		quotas[spec.Name()] = config.Method(spec.Name()).Peer
	}
	return quotas
}

// chainOf returns what the embedded store holds, with the era files before it; nil if that is nothing.
func chainOf(r *running) *metrics.Chain {
	head, _, ok := r.store.Head()
	info := r.store.Info()
	chain := &metrics.Chain{Earliest: uint64(info.Earliest), Head: uint64(head)}
	if r.history != nil {
		status, err := r.history.Status(context.Background())
		ok = err == nil
		chain.Earliest, chain.Head = uint64(status.EarliestAvailableSlot), uint64(status.HeadSlot)
	}
	if !ok {
		return nil
	}
	if info.Source != nil {
		chain.Finalized = uint64(r.network.StartSlot(info.Source.FinalizedEpoch))
	}
	return chain
}

func directionOf(dir network.Direction) string {
	if dir == network.DirInbound {
		return metrics.Inbound
	}
	return metrics.Outbound
}

// reportInterval is how often a service logs what it has done: one line, however many peers come and go.
const reportInterval = time.Minute

// reportRegularly logs what is done, until what it returns is called.
func (s *Service) reportRegularly(r *running) (stop func() error) {
	before := s.served()
	return every(reportInterval, func() {
		now := s.served()
		s.report(r, now.since(before))
		before = now
	})
}

// report logs how many peers there are, and what was done for them since it last did.
func (s *Service) report(r *running, n served) {
	inbound, all := 0, r.peers.Peers()
	for i := range all {
		if all[i].Direction == network.DirInbound {
			inbound++
		}
	}
	attrs := []any{
		"peers", len(all), "inbound", inbound, "banned", len(s.scores.Bans()),
		"requests", n.requests, "failed", n.failed, "chunks", n.chunks, "bytes", n.bytes,
	}
	if r.store != nil {
		if chain := chainOf(r); chain != nil {
			attrs = append(attrs, "head", chain.Head)
		}
	}
	s.log().Info("status", attrs...)
}

// served counts what was done for peers since the service was made.
type served struct{ requests, failed, chunks, bytes uint64 }

func (n served) since(before served) served {
	return served{n.requests - before.requests, n.failed - before.failed, n.chunks - before.chunks, n.bytes - before.bytes}
}

func (s *Service) served() (n served) {
	for _, t := range s.metrics.Totals() {
		if t.Direction != metrics.Inbound {
			continue
		}
		for outcome, count := range t.Outcomes {
			n.requests += count
			if outcome != reqresp.ReasonSuccess.String() {
				n.failed += count
			}
		}
		n.chunks += t.Chunks
		n.bytes += t.WireBytes
	}
	return n
}

// damageTrace returns hooks that log what could not be served because it is damaged on the disk, at most once a minute.
func (s *Service) damageTrace() *reqresp.Trace {
	var mu sync.Mutex
	var logged time.Time
	return &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		if _, inFile := errors.AsType[*era.Error](x.Err); !inFile && !errors.Is(x.Err, store.ErrCorrupt) {
			return
		}
		mu.Lock()
		now := time.Now()
		due := now.Sub(logged) >= reportInterval
		if due {
			logged = now
		}
		mu.Unlock()
		if due {
			s.log().Error("what is damaged on the disk is not served", "method", x.Spec.Name(), "err", x.Err)
		}
	}}
}
