package plugin

import (
	"log/slog"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
)

// peerOf is what is told of a peer. Serving is how many requests of each are being served.
func peerOf(p *peers.Info, serving map[peer.ID]int) api.Peer {
	of := api.Peer{
		PeerID:    p.ID,
		Direction: directionOf(p.Direction),
		Connected: p.Since.UTC(),
		Client:    metrics.ClientName(p.Agent),
		Agent:     p.Agent,
		Status:    api.StatusOf(p.Status),
		Serving:   serving[p.ID],
		Score:     p.Score,
		Static:    p.Static,
		Trusted:   p.Trusted,
	}
	if len(p.Addrs) > 0 {
		of.Addr = p.Addrs[0].String()
	}
	return of
}

func (s *Service) budgets(id peer.ID) []api.Budget {
	budgets := []api.Budget{}
	for _, b := range s.limiter.Balances(id) {
		budgets = append(budgets, api.Budget{
			PeerID: id, Method: b.Method, Requests: b.Requests, Items: b.Items, Bytes: b.Bytes,
			Active: b.Active, Waiting: b.Waiting,
		})
	}
	return budgets
}

func (s *Service) methods() []api.Method {
	ids := make(map[string][]string)
	for _, spec := range s.table {
		for _, id := range spec.Protocols {
			ids[spec.Name] = append(ids[spec.Name], string(id))
		}
	}
	var methods []api.Method
	for _, t := range s.metrics.Totals() {
		if t.Method == metrics.Other {
			continue // The service has none.
		}
		methods = append(methods, api.Method{
			Method: t.Method, Direction: t.Direction, Protocols: ids[t.Method], Outcomes: t.Outcomes,
			Active: t.Active, Waiting: t.Waiting, Delay: t.Delay.Seconds(),
			Chunks: t.Chunks, WireBytes: t.WireBytes, SSZBytes: t.SSZBytes,
			FirstByte: t.FirstByte.Seconds(), Duration: t.Duration.Seconds(),
		})
	}
	return methods
}

// log returns the logger for what the service itself does.
func (s *Service) log() *slog.Logger { return s.cfg.Logger.With("module", "service") }
