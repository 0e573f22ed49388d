package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"

	gethlog "github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/node"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/history"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const serveDescription = `Serves the blocks of a store to peers, and prints the multiaddrs at which they can dial, one a
line, as soon as they can. What happens is logged to standard error.

The network is set once, at the latest here, and remembered by the store. A store that is empty
is served too, which says so.

The store may hold blocks without the sidecars that belong to them. The earliest_available_slot in the
status is after the last block with blobs whose sidecars have to be served and are not held: such a
node is of no use to clients that sync Fulu history with blobs, which is logged. A block counts as
held with its data columns if all that --custody announces are held.

With --era it serves a directory of era files as they are, and the store for what comes after, as one
chain. The store may be empty, or has to link to the files: its first block is the child of their
last one, or both have the same blocks. 'reqresp sync --era DIR' fills an empty one. Blocks of the
files are verified by the roots in their states when they are first asked for, and named in the
log if they are damaged; 'reqresp era check' verifies all before. By root it finds the blocks of the
store, and of the files those of the last era and of eras that were asked for lately; 'reqresp era
index' writes an index by which it finds all blocks of the files.

An interrupt, SIGTERM or SIGHUP ends it in good order, with exit code 0: peers are told goodbye, and
what is being served gets five seconds. A second one ends it at once. SIGHUP does not reload
anything: 'reqresp limit' changes limits while it runs. Under nohup, SIGHUP is ignored.

Blocks that are damaged on the disk are not served, all others are; see 'reqresp verify'. Every
minute it logs how many peers there are and what was served. What single strangers do is logged
at the level debug, but for those that behave badly.

A chain that is "verified" is the one that the trusted root leads to, by the hashes of its blocks.
Their signatures, which these hashes do not cover, are not checked.

Peers dial it, and it dials peers to have as many as --maxpeers: those of --staticnodes, those that
were good before, and those that discovery finds. That is off unless --discovery.v5 is given. It
begins with --bootnodes and those of --bootnodes.file, or without any, with those that are built in
for mainnet, sepolia, hoodi, gnosis and chiado. Other networks publish theirs with their configuration.
The node's own record is logged, and with --json in what is printed.

A store that knows its network is served with today's schedule of forks: the one that is built in, or
that of --network.config. What has changed since is logged and remembered. A schedule that differs in
what has been is refused.

While it runs, 'reqresp peers', 'reqresp limits', 'reqresp top' and others look into it, over
the IPC socket in the datadir, or over HTTP with --http. Changes are possible over IPC only, unless
--http.api says otherwise: HTTP has no password. --metrics and --pprof are for Prometheus and for
the Go profiler.

Settings may be in a file; see 'reqresp config --help'.

With --json it prints one object in place of the multiaddrs: peer_id, addrs, network,
fork_digest, enr with --discovery.v5, where operators can look (ipc, http, metrics, pprof), era with
--era (first_slot, last_slot), what is held (earliest_slot, head_slot, head_root, finalized_epoch,
finalized_root), whether the chain is verified (verified, trusted_root, trusted_slot), and
signatures, which is "unchecked".`

func (a *app) serve() command {
	asJSON := false
	return command{
		name: "serve", usage: "serve the blocks of a store to peers", description: serveDescription,
		configured: everything, verbosity: loud,
		flags: settings.Table{jsonFlag(&asJSON, "print peer id, addresses and what is held as one JSON object")},
		run:   func(ctx context.Context, in *invocation) error { return a.runServe(ctx, in, asJSON) },
	}
}

// serveResult is the JSON of serve.
type serveResult struct {
	PeerID     peer.ID        `json:"peer_id"`
	Addrs      []string       `json:"addrs"`
	Network    string         `json:"network"` // its name, empty if it has none
	ForkDigest ssz.ForkDigest `json:"fork_digest"`
	ENR        string         `json:"enr,omitempty"` // the node record; empty without discovery
	endpoints
	Era *eraSlots `json:"era,omitempty"` // null without era files
	holdings
}

// eraSlots are those of the era files.
type eraSlots struct {
	First ssz.Slot `json:"first_slot"`
	Last  ssz.Slot `json:"last_slot"`
}

func eraSlotsOf(h *history.Chain) *eraSlots {
	first, end := h.Slots()
	return &eraSlots{first, end - 1}
}

func (a *app) runServe(ctx context.Context, in *invocation, asJSON bool) (err error) {
	dir, err := in.datadir()
	if err != nil {
		return err
	}
	cfg := in.config.Service
	if cfg.Genesis, err = in.network(); err != nil {
		return err
	}
	if cfg.Era == "" {
		if err := checkStoreExists(dir); err != nil {
			return err
		}
	}
	if cfg.Discovery, err = discoveryOf(in.config, cfg.Genesis); err != nil {
		return err
	}
	cfg.Logger = a.logger(in.config)
	i, at, err := startOperated(in.config, cfg)
	if err != nil {
		return in.explainStore(err)
	}
	defer i.close(&err)
	logger := cfg.Logger.With("module", "service")
	if err := a.announce(ctx, i, at, logger, asJSON); err != nil {
		return err
	}
	<-ctx.Done()
	logger.Info("stopping", "cause", context.Cause(ctx))
	return nil
}

// announce tells where the node can be dialed and what it serves.
func (a *app) announce(ctx context.Context, i *instance, at endpoints, logger *slog.Logger, asJSON bool) error {
	status, err := i.Server().Status(ctx)
	if err != nil {
		return err
	}
	dialable, err := i.Addrs()
	if err != nil {
		return err
	}
	result := serveResult{
		PeerID:     i.Host().ID(),
		Addrs:      dialable,
		Network:    i.Server().Family().Network().Config().Name,
		ForkDigest: status.ForkDigest,
		ENR:        i.Record(),
		endpoints:  at,
		holdings:   holdingsOf(i.Store()),
	}
	if h := i.History(); h != nil {
		served, err := h.Status(ctx)
		if err != nil {
			return err
		}
		result.Era = eraSlotsOf(h)
		result.holdings.servedWith(served)
		logger.Info("era files", "first", result.Era.First, "last", result.Era.Last)
	}
	level := slog.LevelInfo
	if !result.Verified {
		level = slog.LevelWarn
	}
	logger.Log(ctx, level, "serving", "network", result.Network, "chain", result.holdings.String())
	if earliest := status.EarliestAvailableSlot; earliest > result.EarliestSlot {
		logger.Warn("the store holds blocks without their blobs: "+
			"this node is of no use to clients that sync Fulu history with blobs",
			"last block with blobs", earliest-1, "earliest_available_slot", earliest)
	}
	logger.Info("open to operators", "ipc", at.IPC, "http", at.HTTP, "metrics", at.Metrics, "pprof", at.Pprof)
	if asJSON {
		return a.stdout.printJSON(result)
	}
	for _, addr := range dialable {
		a.stdout.printf("%s\n", addr)
	}
	return a.stdout.err
}

// endpoints are where operators can look into a node. Those that are off are empty.
type endpoints struct {
	IPC     string `json:"ipc,omitempty"`
	HTTP    string `json:"http,omitempty"`
	Metrics string `json:"metrics,omitempty"`
	Pprof   string `json:"pprof,omitempty"`
}

// startOperated starts a node with the service on the embedded store, and what operators look
// into it by.
func startOperated(c *config.Config, cfg plugin.Config) (*instance, endpoints, error) {
	nc, err := operatedConfig(c, cfg.Logger)
	if err != nil {
		return nil, endpoints{}, err
	}
	i, err := newInstance(nc, nil, cfg)
	if err != nil {
		return nil, endpoints{}, err
	}
	measured, err := metrics.Handler(i.healthy, i.Metrics())
	if err != nil {
		return nil, endpoints{}, errors.Join(err, i.stack.Close())
	}
	metricsAt := i.register(c.Metrics, measured)
	pprofAt := i.register(c.Pprof, metrics.ProfileHandler())
	if err := i.stack.Start(); err != nil {
		return nil, endpoints{}, err // The node has closed itself.
	}
	at := endpoints{IPC: i.stack.IPCEndpoint(), Metrics: metricsAt(), Pprof: pprofAt()}
	if c.HTTP.Enabled {
		at.HTTP = i.stack.HTTPEndpoint()
	}
	return i, at, nil
}

// healthy tells whether the service runs.
func (i *instance) healthy() error {
	_, err := i.Addrs()
	return err
}

// register has the node serve HTTP at an endpoint, if that is on. The function tells where,
// once the node was started; empty if it is off.
func (i *instance) register(e config.Endpoint, h http.Handler) func() string {
	if !e.Enabled {
		return func() string { return "" }
	}
	endpoint := metrics.NewEndpoint(net.JoinHostPort(e.Addr, strconv.Itoa(e.Port)), h)
	i.stack.RegisterLifecycle(endpoint)
	return func() string { return "http://" + endpoint.Addr().String() }
}

// operatedConfig is nodeConfig with RPC servers.
func operatedConfig(c *config.Config, logger *slog.Logger) (*node.Config, error) {
	nc := nodeConfig(c.DataDir)
	nc.Logger = gethlog.NewLogger(logger.With("module", "node").Handler())
	nc.IPCPath = c.IPCPath
	if path := nc.IPCEndpoint(); len(path) > maxSocketPath {
		return nil, fmt.Errorf("the IPC socket's path %s is longer than the system allows, %d bytes: "+
			"choose another by --ipcpath, or none by --ipcpath=", path, maxSocketPath)
	}
	if c.HTTP.Enabled {
		nc.HTTPHost, nc.HTTPPort, nc.HTTPModules = c.HTTP.Addr, c.HTTP.Port, c.HTTP.API
		nc.HTTPVirtualHosts, nc.HTTPCors = c.HTTP.VirtualHosts, c.HTTP.CORSDomain
	}
	nc.BatchRequestLimit = node.DefaultConfig.BatchRequestLimit
	nc.BatchResponseMaxSize = node.DefaultConfig.BatchResponseMaxSize
	return nc, nil
}

// maxSocketPath is what fits into an address on all systems.
const maxSocketPath = 103
