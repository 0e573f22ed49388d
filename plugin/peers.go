package plugin

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
)

func (s *Service) peerOptions() *peers.Options {
	o := peers.Options{Config: s.cfg.Peers}
	o.File = s.env.path(s.cfg.Name + "-peers.json")
	o.Addr = s.addr
	o.Shared = s.cfg.Host != nil
	o.Scores = scoreProvider{s.scores.Book}
	o.Logger = s.cfg.Logger.With("module", "peers")
	return &o
}

func (s *Service) openDiscovery(r *running) error {
	if s.cfg.Discovery == nil {
		return nil
	}
	key, err := hostKey(r.host)
	if err != nil {
		return err
	}
	o := discovery.Options{Config: *s.cfg.Discovery}
	o.Database = s.env.path(s.cfg.Name + "-nodes")
	o.Logger = s.cfg.Logger.With("module", "discovery")
	if r.discovery, err = discovery.Start(key, r.host.Network().ListenAddresses(), r.server, r.peers, &o); err != nil {
		return err
	}
	r.onClose(func() error { r.discovery.Stop(); return nil })
	return nil
}

// Peers returns the manager of the peers, which tells who is connected and changes that, or nil while
// the service is not running.
func (s *Service) Peers() *peers.Manager { return s.opened().peers }

// Record returns the node record (ENR) that discovery publishes, as text that begins "enr:" and is good as a
// boot node of others. It is empty while the service is not running, or without Config.Discovery.
func (s *Service) Record() string {
	if d := s.opened().discovery; d != nil {
		return d.Record()
	}
	return ""
}

// pacerOptions are those of what peers are asked for.
func (s *Service) pacerOptions() *outbound.Options {
	quotas := quota.Granted()
	defaults := quotas[""]
	if s.cfg.Outbound != nil {
		quotas = map[string][]outbound.Quota{"": s.cfg.Outbound}
	}
	return &outbound.Options{
		Quotas: quotas, Defaults: defaults, Client: s.clientOf, IsLimited: beacon.IsRateLimited,
	}
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
