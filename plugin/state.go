package plugin

import (
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
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
		quotas[spec.Name] = config.Method(spec.Name).Peer
	}
	return quotas
}

// chainOf returns what the embedded store holds, nil if that is nothing.
func chainOf(r *running) *metrics.Chain {
	head, _, ok := r.store.Head()
	if !ok {
		return nil
	}
	info := r.store.Info()
	chain := &metrics.Chain{Earliest: uint64(info.Earliest), Head: uint64(head)}
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
