package plugin

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Service is the Req/Resp domain on a go-ethereum node. It is a node.Lifecycle,
// and can be started again after it was stopped. Start and Stop are the node's to
// call; everything else is safe for concurrent use.
type Service struct {
	stack *node.Node
	cfg   Config
	chain beacon.Chain // nil for the embedded store
	// limiter outlives a restart of the service, as what was spent does.
	limiter *limits.Limiter

	running atomic.Pointer[running]
}

var _ node.Lifecycle = (*Service)(nil)

// running is what Start opens and Stop closes.
type running struct {
	host    host.Host
	network *ssz.Network
	store   *store.Store
	db      ethdb.Database
	server  *beacon.Server
}

// New makes a service that answers from chain, or from the embedded store if
// chain is nil, and registers it and its RPC API with stack. It opens nothing and starts
// nothing. It refuses settings that conflict, with an error that names them.
func New(stack *node.Node, chain beacon.Chain, cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(stack.Config(), chain == nil); err != nil {
		return nil, err
	}
	limiter, err := limits.New(cfg.Limits)
	if err != nil {
		return nil, fmt.Errorf("plugin: Config.Limits: %w", err)
	}
	s := &Service{stack: stack, cfg: cfg, chain: chain, limiter: limiter}
	stack.RegisterAPIs([]rpc.API{{Namespace: "reqresp", Service: &API{s}}})
	stack.RegisterLifecycle(s)
	return s, nil
}

// Start opens the store, the host and the server, or undoes what it opened and
// fails.
func (s *Service) Start() error {
	if s.running.Load() != nil {
		return errors.New("plugin: service already runs")
	}
	r := new(running)
	if err := s.open(r); err != nil {
		return errors.Join(err, s.close(r))
	}
	s.running.Store(r)
	return nil
}

func (s *Service) open(r *running) error {
	chain := s.chain
	r.network = s.cfg.Network
	if chain == nil {
		if err := s.openStore(r); err != nil {
			return err
		}
		chain = r.store
	}
	if err := s.openHost(r); err != nil {
		return err
	}
	r.server = beacon.NewServer(r.host, r.network, chain, &beacon.ServerOptions{
		Pacer:      s.limiter,
		Middleware: s.cfg.Middleware,
		MetaData:   s.cfg.MetaData,
		Now:        s.cfg.Now,
		Logger:     s.cfg.Logger,
	})
	return r.server.Start()
}

func (s *Service) openHost(r *running) error {
	if s.cfg.Host != nil {
		r.host = s.cfg.Host
		return nil
	}
	key, err := identity(s.stack.Config(), s.cfg.ShareNodeKey)
	if err != nil {
		return err
	}
	r.host, err = newHost(key, s.cfg.Listen)
	return err
}

// Stop says goodbye, waits for exchanges under way as long as Config.Drain
// allows, and closes what Start opened.
func (s *Service) Stop() error {
	if r := s.running.Swap(nil); r != nil {
		return s.close(r)
	}
	return nil
}

// close undoes open, however far that came.
func (s *Service) close(r *running) error {
	var errs []error
	if r.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain)
		defer cancel()
		if err := r.server.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			errs = append(errs, err)
		}
	}
	if r.host != nil && r.host != s.cfg.Host {
		errs = append(errs, r.host.Close())
	}
	if r.db != nil {
		errs = append(errs, r.db.Close())
	}
	return errors.Join(errs...)
}

// ErrNotRunning is returned by what needs a service that was started.
var ErrNotRunning = errors.New("plugin: service is not running")

// Host returns the libp2p host, or nil while the service is not running.
func (s *Service) Host() host.Host {
	if r := s.running.Load(); r != nil {
		return r.host
	}
	return nil
}

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
func (s *Service) Server() *beacon.Server {
	if r := s.running.Load(); r != nil {
		return r.server
	}
	return nil
}

// Store returns the embedded store, or nil while the service is not running or
// if it has a chain of its own.
func (s *Service) Store() *store.Store {
	if r := s.running.Load(); r != nil {
		return r.store
	}
	return nil
}

// Limiter returns the limiter of what is served. Its quotas can be changed at
// any time.
func (s *Service) Limiter() *limits.Limiter { return s.limiter }
