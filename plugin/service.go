package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/gossipsub"
	"github.com/seed-2dd5877b/reqresp/plugin/history"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Service is the Req/Resp domain as a service. It is a node.Lifecycle,
// and can be started again after it was stopped. Start and Stop are the node's to
// call; everything else is safe for concurrent use.
type Service struct {
	env   environment
	cfg   Config
	chain beacon.Chain // nil for the embedded store
	// These outlive a restart of the service, as what was spent and counted does.
	limiter *limits.Limiter
	pacer   *outbound.Pacer
	scores  *scores
	metrics *metrics.Metrics
	table   []*reqresp.Spec // of the methods

	configured limits.Config // that of the limiter, as it was made

	applying sync.Mutex // is held while limits are changed over RPC

	retention    atomic.Pointer[Retention]
	retentionSet chan struct{} // gets an element when retention has been changed

	running atomic.Pointer[running]
	syncing atomic.Pointer[syncing] // nil if no sync is under way
}

var _ node.Lifecycle = (*Service)(nil)

// running is what Start opens and Stop closes.
type running struct {
	host    host.Host
	network *ssz.Network
	store   *store.Store   // nil with a chain of the caller's
	history *history.Chain // nil without era files
	peers   *peers.Manager
	server  *beacon.Server
	plan    *resources.Plan
	scores  *scoresFile

	discovery *discovery.Discovery // nil if it is off

	closers []func() error // of what was opened, in that order
}

func (r *running) onClose(f func() error) { r.closers = append(r.closers, f) }

// close undoes open, however far that came.
func (r *running) close() error {
	var errs []error
	for _, f := range slices.Backward(r.closers) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// New makes a service that answers from chain, or from the embedded store if
// chain is nil, and registers it and its RPC APIs with stack, which must not have been started yet. It opens nothing
// and starts nothing. It refuses settings that conflict, with an error that names them.
func New(stack *node.Node, chain beacon.Chain, cfg Config) (*Service, error) {
	s, err := newService(onNode{stack}, stack.Config(), chain, cfg)
	if err != nil {
		return nil, err
	}
	if err := register(stack, s); err != nil {
		return nil, err
	}
	return s, nil
}

// NewStandalone makes a service as New does, but one that runs without a go-ethereum node. It keeps
// its files in a directory, which it makes if need be; with an empty one it keeps everything in memory.
// The caller calls Start and Stop, and may offer [Service.APIs] on an RPC server of its own.
func NewStandalone(dir string, chain beacon.Chain, cfg Config) (*Service, error) {
	return newService(inDirectory(dir), nil, chain, cfg)
}

func newService(env environment, stack *node.Config, chain beacon.Chain, cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(stack, chain == nil); err != nil {
		return nil, err
	}
	merged, err := cfg.limits()
	if err != nil {
		return nil, err
	}
	cfg.Limits, cfg.Scores = merged.Limits, merged.Score
	// Names and IDs are the same on every network.
	s := &Service{env: env, cfg: cfg, chain: chain, table: beacon.NewFamily(ssz.Mainnet()).Specs()}
	s.retention.Store(&cfg.Retention)
	s.retentionSet = make(chan struct{}, 1)
	if s.scores, err = newScores(&cfg); err != nil {
		return nil, err
	}
	if s.limiter, err = limits.New(&limits.Options{Config: cfg.Limits, Scores: s.scores, Addr: s.addr}); err != nil {
		return nil, fmt.Errorf("plugin: Config.Limits: %w", err)
	}
	s.configured = s.limiter.Config()
	if s.pacer, err = outbound.New(s.pacerOptions()); err != nil {
		return nil, fmt.Errorf("plugin: Config.Outbound: %w", err)
	}
	s.metrics = metrics.New(s.table, s.state)
	return s, nil
}

// APIs returns the RPC APIs: of Config.Name what only reads, and of that with "admin" at its end what
// changes something. New has registered them with the node.
func (s *Service) APIs() []rpc.API {
	return []rpc.API{
		{Namespace: s.cfg.Name, Service: &API{s}},
		{Namespace: s.cfg.Name + api.AdminSuffix, Service: &AdminAPI{s}},
	}
}

// Start opens the store, the host, the server and discovery, or undoes what it opened and fails: with an error that
// names the file, address or setting. It fails too if the service runs already. A service whose start has failed can
// be started again.
func (s *Service) Start() error {
	if s.running.Load() != nil {
		return errors.New("plugin: service already runs")
	}
	r := new(running)
	if err := s.open(r); err != nil {
		return errors.Join(err, r.close())
	}
	s.running.Store(r)
	return nil
}

func (s *Service) open(r *running) error {
	release, err := s.env.lock(s.cfg.Name)
	if err != nil {
		return err
	}
	r.onClose(release)
	if r.scores, err = s.scores.open(s.env.path(s.cfg.Name+"-scores.json"), s.log()); err != nil {
		return err
	}
	r.onClose(r.scores.close)
	s.warnOfLimits()
	chain := s.chain
	r.network = s.cfg.Network
	if chain == nil {
		if err := s.openStore(r); err != nil {
			return err
		}
		chain = r.store
	}
	if s.cfg.Era != "" {
		if err := s.openHistory(r); err != nil {
			return err
		}
		chain = r.history
	}
	s.checkSchedule(r.network)
	if r.plan, err = s.plan(); err != nil {
		return err
	}
	if err := s.openHost(r); err != nil {
		return err
	}
	if err := s.openServer(r, chain); err != nil {
		return err
	}
	r.onClose(s.reportRegularly(r))
	if r.store != nil {
		r.onClose(s.retainRegularly(r))
	}
	return s.openDiscovery(r)
}

// openServer starts the server and the manager of its peers.
func (s *Service) openServer(r *running, chain beacon.Chain) error {
	var err error
	if r.peers, err = peers.New(r.host, s.peerOptions()); err != nil {
		return err
	}
	metaData, err := s.metaData(r.network, chain)
	if err != nil {
		return err
	}
	r.setCustody(metaData().CustodyGroupCount)
	r.server = beacon.NewServer(r.host, r.network, chain, s.serverOptions(r, metaData))
	r.onClose(func() error { return s.stopServer(r.server) })
	if err := r.server.Start(); err != nil {
		return err
	}
	r.peers.Start(r.server)
	r.onClose(func() error { r.peers.Stop(); return nil })
	return nil
}

func (s *Service) serverOptions(r *running, metaData func() ssz.MetaDataV3) *beacon.ServerOptions {
	return &beacon.ServerOptions{
		Limiter:     s.limiter,
		Middleware:  append([]reqresp.Middleware{s.scores.Middleware()}, s.cfg.Middleware...),
		MaxStreams:  r.plan.MaxStreams,
		MaxMemory:   r.plan.MaxMemory,
		MetaData:    metaData,
		CallLimiter: s.pacer,
		Trace:       reqresp.JoinTraces(s.metrics.Trace(), s.scores.trace(), s.damageTrace(), s.cfg.Trace),
		PeerTrace:   peerTraces(r.peers.Trace(), s.cfg.PeerTrace),
		Now:         s.cfg.Now,
		Logger:      s.cfg.Logger.With("module", "beacon"),
	}
}

func (s *Service) stopServer(server *beacon.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain)
	defer cancel()
	if err := server.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// plan divides the memory.
func (s *Service) plan() (*resources.Plan, error) {
	c := s.limiter.Config()
	plan, err := resources.New(s.table, &resources.Options{
		Memory:    s.cfg.Memory,
		Peers:     s.cfg.Peers.Target,
		PerMethod: c.MaxConcurrent + c.MaxQueue,
		Gossipsub: !s.cfg.NoGossipsub && s.cfg.Host == nil,
	})
	if err != nil {
		return nil, fmt.Errorf("plugin: %w", err)
	}
	return plan, nil
}

func (s *Service) openHost(r *running) error {
	if s.cfg.Host != nil {
		if err := checkHost(s.cfg.Host); err != nil {
			return err
		}
		r.host = s.cfg.Host
		return nil
	}
	key, err := identity(s.env, &s.cfg)
	if err != nil {
		return err
	}
	if r.host, err = newHost(key, &s.cfg, r.plan, s.scores); err != nil {
		return err
	}
	r.onClose(r.host.Close)
	if !s.cfg.NoGossipsub {
		router, err := gossipsub.Start(r.host)
		if err != nil {
			return err
		}
		r.onClose(func() error { router.Stop(); return nil })
	}
	return listen(r.host, s.cfg.Listen)
}

// Stop says goodbye, waits for exchanges under way as long as Config.Drain
// allows, and closes what Start opened. The goodbyes have two seconds of their own. It does nothing if the service
// does not run.
func (s *Service) Stop() error {
	if r := s.running.Swap(nil); r != nil {
		return r.close()
	}
	return nil
}

// ErrNotRunning is returned by what needs a service that was started.
var ErrNotRunning = errors.New("plugin: service is not running")

// Host returns the libp2p host, or nil while the service is not running.
func (s *Service) Host() host.Host { return s.opened().host }

// opened returns what is open: nothing while the service is not running.
func (s *Service) opened() *running { return cmp.Or(s.running.Load(), &running{}) }

// Addrs returns the multiaddrs at which peers can dial the host, each with the peer
// id. It fails with ErrNotRunning while the service is not running.
func (s *Service) Addrs() ([]string, error) {
	r := s.running.Load()
	if r == nil {
		return nil, ErrNotRunning
	}
	addrs, err := peer.AddrInfoToP2pAddrs(host.InfoFromHost(r.host))
	if err != nil {
		return nil, fmt.Errorf("plugin: addresses of the host: %w", err)
	}
	texts := make([]string, len(addrs))
	for i, addr := range addrs {
		texts[i] = addr.String()
	}
	return texts, nil
}

// Server returns the server, which also has the client, or nil while the service
// is not running.
func (s *Service) Server() *beacon.Server { return s.opened().server }

// Store returns the embedded store, or nil while the service is not running or
// if it has a chain of its own.
func (s *Service) Store() *store.Store { return s.opened().store }

// History returns what serves the files of Config.Era along with the store, or nil while the service is not running or
// without such files.
func (s *Service) History() *history.Chain { return s.opened().history }

// Limiter returns the limiter of what is served. Its configuration can be changed at any time, starting from
// limits.Limiter.Config as Apply replaces all of it, and remains changed when the service is stopped and started again.
func (s *Service) Limiter() *limits.Limiter { return s.limiter }

// Scores returns the scores, bans and trusted peers. Its configuration can be changed at any time. A peer that is
// banned is left soon; one that is trusted is so until the service is made anew.
func (s *Service) Scores() *score.Book { return s.scores.Book }

// Metrics returns what the service does, as a collector to be registered: that of a second
// service in the process by prometheus.WrapRegistererWith, with a label that tells them apart. It
// counts on over restarts.
func (s *Service) Metrics() *metrics.Metrics { return s.metrics }
