package plugin

import (
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
)

// peersFile is where a service remembers its peers.
func peersFile(name string) string { return name + "-peers.json" }

func (s *Service) peerOptions() *peers.Options {
	o := s.cfg.Peers
	o.File = s.env.path(peersFile(s.cfg.Name))
	o.Addr = s.addr
	o.Shared = s.cfg.Host != nil
	o.Scores = judge{s.scores.Book}
	o.Logger = s.cfg.Logger.With("module", "peers")
	return &o
}

// discoveryFiles is where a service keeps the nodes that it found.
func discoveryFiles(name string) string { return name + "-nodes" }

func (s *Service) openDiscovery(r *running) error {
	if s.cfg.Discovery == nil {
		return nil
	}
	key, err := hostKey(r.host)
	if err != nil {
		return err
	}
	o := *s.cfg.Discovery
	o.Database = s.env.path(discoveryFiles(s.cfg.Name))
	o.Logger = s.cfg.Logger.With("module", "discovery")
	r.discovery, err = discovery.Start(key, r.host.Network().ListenAddresses(), r.server, r.peers, &o)
	return err
}

// Peers returns the manager of the peers, which tells who is connected and changes that, or nil while
// the service is not running.
func (s *Service) Peers() *peers.Manager {
	if r := s.running.Load(); r != nil {
		return r.peers
	}
	return nil
}

// Record returns the node record (ENR) that discovery publishes, as text that begins "enr:" and is good as a
// boot node of others. It is empty while the service is not running, or without Config.Discovery.
func (s *Service) Record() string {
	if r := s.running.Load(); r != nil && r.discovery != nil {
		return r.discovery.Record()
	}
	return ""
}
