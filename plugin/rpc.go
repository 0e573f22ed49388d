package plugin

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
)

// API is the RPC namespace of a service, "reqresp" unless Config.Name says otherwise. Its calls only read, and may
// be made concurrently. Those that need the service to run fail with [ErrNotRunning] otherwise. Package client has a
// client for them.
type API struct {
	service *Service
}

// NodeInfo returns this node's identity, addresses and status.
func (a *API) NodeInfo(ctx context.Context) (*api.NodeInfo, error) {
	r := a.service.running.Load()
	if r == nil {
		return nil, ErrNotRunning
	}
	status, err := r.server.Status(ctx)
	if err != nil {
		return nil, err
	}
	addrs, err := a.service.Addrs()
	if err != nil {
		return nil, err
	}
	return &api.NodeInfo{
		PeerID:  r.host.ID(),
		Addrs:   addrs,
		Network: r.network.Config().Name,
		Status:  status,
		ENR:     a.service.Record(),
		Refused: r.server.Refused(),
	}, nil
}

// Peers returns the peers that are connected, ordered by their ids.
func (a *API) Peers() ([]api.Peer, error) {
	r := a.service.running.Load()
	if r == nil {
		return nil, ErrNotRunning
	}
	infos, serving := r.peers.Peers(), r.server.Streams()
	list := make([]api.Peer, len(infos))
	for i := range infos {
		list[i] = peerOf(&infos[i], serving)
	}
	return list, nil
}

// Peer returns all that is known of a peer, which has to be connected.
func (a *API) Peer(id string) (*api.PeerDetails, error) {
	r := a.service.running.Load()
	if r == nil {
		return nil, ErrNotRunning
	}
	of, err := discovery.ParsePeerID(id)
	if err != nil {
		return nil, err
	}
	info, ok := r.peers.Peer(of)
	if !ok {
		return nil, fmt.Errorf("%w: %v", peers.ErrNotConnected, of)
	}
	d := &api.PeerDetails{
		Peer:      peerOf(&info, r.server.Streams()),
		Conns:     []string{},
		MetaData:  api.MetaDataOf(info.MetaData),
		Protocols: append([]protocol.ID{}, info.Protocols...),
		Budgets:   a.service.budgets(of),
	}
	for _, addr := range info.Addrs {
		d.Conns = append(d.Conns, addr.String())
	}
	return d, nil
}

// Methods returns what has come of each method, inbound and outbound.
func (a *API) Methods() []api.Method {
	ids := make(map[string][]string)
	for _, spec := range a.service.table {
		for _, id := range spec.Protocols() {
			ids[spec.Name()] = append(ids[spec.Name()], string(id))
		}
	}
	var methods []api.Method
	for _, t := range a.service.metrics.Totals() {
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

// Limits returns what each peer may use of each method, ordered by method, and whether that was changed since the
// service was made.
func (a *API) Limits() []api.Limit {
	quotas := a.service.quotas()
	list := make([]api.Limit, 0, len(quotas))
	for _, method := range slices.Sorted(maps.Keys(quotas)) {
		list = append(list, a.service.limitOf(method, quotas[method]))
	}
	return list
}

// Budgets returns what a peer, which need not be connected, has left of its limits; without a
// peer, what each that is connected has. Methods that a peer did not use are left out.
func (a *API) Budgets(id *string) ([]api.Budget, error) {
	r := a.service.running.Load()
	if r == nil {
		return nil, ErrNotRunning
	}
	of := r.host.Network().Peers()
	if id != nil {
		one, err := discovery.ParsePeerID(*id)
		if err != nil {
			return nil, err
		}
		of = []peer.ID{one}
	}
	slices.Sort(of)
	budgets := []api.Budget{}
	for _, id := range of {
		budgets = append(budgets, a.service.budgets(id)...)
	}
	return budgets, nil
}

// Scores returns the scores of peers that are no strangers, whether connected or not, ordered by their ids.
func (a *API) Scores() []api.Score {
	scores := []api.Score{}
	for _, e := range a.service.scores.Snapshot().Scores {
		scores = append(scores, api.Score{PeerID: e.Peer, Score: e.Score})
	}
	return scores
}

// Bans returns the bans in force, ordered by peer.
func (a *API) Bans() []api.Ban {
	bans := []api.Ban{}
	for _, b := range a.service.scores.Bans() {
		bans = append(bans, api.Ban{PeerID: b.Peer, Until: b.Until.UTC(), Reason: b.Reason})
	}
	return bans
}

// Trusted returns the peers that are trusted, sorted, and whether they are so because of the configuration.
func (a *API) Trusted() []api.Trusted {
	trusted := []api.Trusted{}
	for _, id := range a.service.scores.Trusted() {
		trusted = append(trusted, api.Trusted{PeerID: id, Changed: !slices.Contains(a.service.scores.configured, id)})
	}
	return trusted
}

// Syncing returns the sync that is under way, or null.
func (a *API) Syncing() *api.Syncing {
	s := a.service.syncing.Load()
	if s == nil {
		return nil
	}
	p := s.progress
	return &api.Syncing{PeerID: s.peer, Slot: p.Slot, Target: p.Target, Blocks: p.Blocks, Bytes: p.Bytes, Began: s.began}
}

// peerOf is what is told of a peer. Serving is how many requests of each are being served.
func peerOf(p *peers.Info, serving map[peer.ID]int) api.Peer {
	of := api.Peer{
		PeerID:    p.ID,
		Direction: directionOf(p.Direction),
		Connected: p.Since.UTC(),
		Client:    metrics.ClientName(p.Agent),
		Agent:     p.Agent,
		Status:    p.Status,
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

// log returns the logger for what the service itself does.
func (s *Service) log() *slog.Logger { return s.cfg.Logger.With("module", "service") }
