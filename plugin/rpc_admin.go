package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/config"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// AdminAPI is the RPC namespace of a service's calls that change something, "reqrespadmin" unless Config.Name
// says otherwise. They may be made concurrently; those that need the service to run fail with [ErrNotRunning]
// otherwise. A peer is named by its peer id, or by its node record. Package client has a client for them,
// package api tells what of it is kept.
type AdminAPI struct {
	service *Service
}

// SetLimit changes what each peer may use of a method, at once and for exchanges under way too,
// and returns what results. It ends with the process: for good it is set in Config.Limits.
func (a *AdminAPI) SetLimit(method string, change api.LimitChange) (*api.Limit, error) {
	limit, err := a.service.setLimit(method, change)
	if err != nil {
		return nil, err
	}
	a.service.log().Info("limit was changed", "method", method,
		"requests", limit.Requests, "items", limit.Items, "bytes", limit.Bytes)
	return &limit, nil
}

// Connect dials a peer at a multiaddr with its peer id, or by its node record (ENR), whatever the target and
// its back-off, exchanges statuses with it, and returns what it told. From then on it is a peer as any other;
// those that are always dialed again are set in Config.Peers.
func (a *AdminAPI) Connect(ctx context.Context, addr string) (*beacon.Status, error) {
	r := a.service.running.Load()
	if r == nil {
		return nil, ErrNotRunning
	}
	to, err := discovery.ParsePeer(addr)
	if err != nil {
		return nil, fmt.Errorf("address %w", err)
	}
	status, err := r.peers.Connect(ctx, to)
	if err != nil {
		return nil, err
	}
	return &status, nil
}

// Disconnect says goodbye to a peer and hangs up. It may come back, and a static peer is dialed again.
func (a *AdminAPI) Disconnect(ctx context.Context, id string) (bool, error) {
	r, of, err := a.about(id)
	if err != nil {
		return false, err
	}
	return true, r.peers.Disconnect(ctx, of, beacon.GoodbyeTooManyPeers)
}

// Ban keeps a peer out for a time, a duration like "24h", also over restarts, and leaves it if it is
// connected. A time between a second and a year takes the place of that of a ban there is. The reason is for people
// to read. A peer that is trusted cannot be banned. If the ban cannot be written to the disk the error says
// so: it is in force then until the node ends.
func (a *AdminAPI) Ban(ctx context.Context, id, duration, reason string) (bool, error) {
	r, of, err := a.about(id)
	if err != nil {
		return false, err
	}
	d, err := time.ParseDuration(duration)
	if err != nil || d <= 0 {
		return false, fmt.Errorf("duration %q: want more than none, like 30m or 24h", duration)
	}
	if err := a.service.scores.Ban(of, d, reason); err != nil {
		return false, err
	}
	a.service.log().Info("peer was banned", "peer", of, "for", d, "reason", reason)
	err = r.peers.Disconnect(ctx, of, beacon.GoodbyeBanned)
	if errors.Is(err, peers.ErrNotConnected) {
		err = nil
	}
	return true, errors.Join(r.scores.saveNow("the ban is in force until the node ends"), err)
}

// Unban ends a ban and forgets the peer's score, and returns whether there was a ban.
func (a *AdminAPI) Unban(id string) (bool, error) {
	r, of, err := a.about(id)
	if err != nil {
		return false, err
	}
	banned := a.service.scores.Forgive(of)
	a.service.log().Info("peer was forgiven", "peer", of, "banned", banned)
	return banned, r.scores.saveNow("the ban has ended until the node ends")
}

// Trust has a peer never be penalised, banned or left for lack of room. A ban that it has ends, for good; the trust
// ends with the process, unless Config.Peers names the peer.
func (a *AdminAPI) Trust(id string) (bool, error) { return a.trust(id, true) }

// Untrust has a peer be as any other. One that Config.Peers names is trusted again when the process is started again.
func (a *AdminAPI) Untrust(id string) (bool, error) { return a.trust(id, false) }

func (a *AdminAPI) trust(id string, trusted bool) (bool, error) {
	r, of, err := a.about(id)
	if err != nil {
		return false, err
	}
	a.service.scores.Trust(of, trusted)
	a.service.log().Info("trust was changed", "peer", of, "trusted", trusted)
	return true, r.scores.saveNow("trust has changed") // Who is trusted is no longer banned.
}

// about returns what a call is to be done by, and the peer that it is about.
func (a *AdminAPI) about(id string) (*running, peer.ID, error) {
	r := a.service.running.Load()
	if r == nil {
		return nil, "", ErrNotRunning
	}
	of, err := discovery.ParsePeerID(id)
	if err == nil && of == r.host.ID() {
		err = fmt.Errorf("peer %v is this node itself: want another", of)
	}
	return r, of, err
}

func (s *Service) limitOf(method string, q limits.Quota) api.Limit {
	return api.Limit{
		Method:   method,
		Requests: q.Requests,
		Items:    q.Items,
		Bytes:    limits.ByteRate(q.Bytes),
		Changed:  q != s.configured.Method(method).Peer,
	}
}

// setLimit changes what each peer may use of a method, and returns what results.
func (s *Service) setLimit(method string, change api.LimitChange) (api.Limit, error) {
	if all := s.quotas(); all[method] == (limits.Quota{}) {
		return api.Limit{}, fmt.Errorf("method %q: want one of %s", method, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	c := s.limiter.Config()
	m := c.Method(method)
	setRate(&m.Peer.Requests, change.Requests)
	setRate(&m.Peer.Items, change.Items)
	setRate(&m.Peer.Bytes, (*limits.Rate)(change.Bytes))
	c.Methods[method] = m
	if err := s.limiter.Apply(c); err != nil {
		return api.Limit{}, err
	}
	c = s.limiter.Config()
	return s.limitOf(method, c.Method(method).Peer), nil
}

// warnOfLimits logs which limits make requesters wait at the floor.
func (s *Service) warnOfLimits() {
	for _, err := range (config.Config{Limits: s.limiter.Config()}).Warnings() {
		s.log().Warn("limit is low", "err", err)
	}
}

func setRate(to, from *limits.Rate) {
	if from != nil {
		*to = *from
	}
}
