package plugin

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
)

// pacerOptions are those of what peers are asked for.
func (s *Service) pacerOptions() *outbound.Options {
	budgets := quota.Granted()
	if s.cfg.Outbound != nil {
		budgets = map[string][]outbound.Budget{"": s.cfg.Outbound}
	}
	return &outbound.Options{Budgets: budgets, Client: s.clientOf, IsLimited: beacon.IsRateLimited}
}

// clientOf returns the name of a peer's client, once it has identified itself.
func (s *Service) clientOf(id peer.ID) string {
	h := s.Host()
	if h == nil {
		return ""
	}
	agent, err := h.Peerstore().Get(id, "AgentVersion")
	if err != nil {
		return ""
	}
	text, _ := agent.(string)
	return metrics.ClientName(text)
}
