package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const serveDescription = `Serves the blocks of a store to peers, and prints the multiaddrs at which they can dial, one a
line, as soon as they can. What happens is logged to standard error.

The network is told once, at the latest here, and remembered by the store. A store that is empty
is served too, which says so.

The store holds blocks alone. Peers are told so by an earliest_available_slot after the last block
with blobs that have to be served: such a node is of no use to clients that sync Fulu history with
blobs, which is logged. Requests for sidecars of blocks without blobs are answered.

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
fork_digest, enr with --discovery.v5, where operators can look (ipc, http, metrics, pprof), what the
store holds (earliest_slot, head_slot, head_root, finalized_epoch, finalized_root), whether the
chain is verified (verified, trusted_root, trusted_slot), and signatures, which is "unchecked".`

func (a *app) serve() *cli.Command {
	return &cli.Command{
		Name:        "serve",
		Usage:       "serve the blocks of a store to peers",
		Description: serveDescription,
		Flags: append([]cli.Flag{
			jsonFlag("print peer id, addresses and what is held as one JSON object"),
		}, flagsOf(datadirSettings(), networkSettings(), peerSettings(), memorySettings(), limitsSettings(), operateSettings(), logSettings(loud))...),
		Action: a.runServe,
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
	holdings
}

func (a *app) runServe(ctx context.Context, cmd *cli.Command) (err error) {
	if cmd.Args().Present() {
		return usagef(cmd, "serve takes no arguments, not %q", cmd.Args().First())
	}
	c, err := settingsWithDatadir(cmd)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	genesis, err := networkOf(cmd, c.Network)
	if err != nil {
		return err
	}
	if err := checkStoreExists(c.Node.DataDir); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	logger := a.logger(c.Log)
	cfg := plugin.Config{Genesis: genesis, Listen: c.P2P.Listen}
	if cfg.Peers, err = c.P2P.Peers(); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	if cfg.Discovery, err = discoveryOf(&c, genesis); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	i, at, err := startOperated(&c, logger, cfg)
	if err != nil {
		return fmt.Errorf("serve: %w", explainStore(cmd, c.Node.DataDir, err))
	}
	defer i.close(&err)
	logger = logger.With("module", "service")
	if err := a.announce(ctx, cmd, i, at, logger); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	<-ctx.Done()
	logger.Info("stopping", "cause", context.Cause(ctx))
	return nil
}

// checkStoreExists keeps a mistyped datadir from becoming an empty store.
func checkStoreExists(datadir string) error {
	_, err := os.Stat(nodeConfig(datadir).ResolvePath(""))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no store in %s: fill one by 'reqresp import' or 'reqresp sync'", datadir)
	}
	return err
}

// announce tells where the node can be dialed and what it serves.
func (a *app) announce(ctx context.Context, cmd *cli.Command, i *instance, at endpoints, logger *slog.Logger) error {
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
	level := slog.LevelInfo
	if !result.Verified {
		level = slog.LevelWarn
	}
	logger.Log(ctx, level, "serving", "network", result.Network, "chain", result.holdings.String())
	if earliest := status.EarliestAvailableSlot; earliest > result.EarliestSlot {
		logger.Warn("the store holds blocks without their blobs: this node is of no use to clients that sync Fulu history with blobs",
			"last block with blobs", earliest-1, "earliest_available_slot", earliest)
	}
	logger.Info("open to operators", "ipc", at.IPC, "http", at.HTTP, "metrics", at.Metrics, "pprof", at.Pprof)
	if cmd.Bool("json") {
		return a.stdout.printJSON(result)
	}
	for _, addr := range dialable {
		a.stdout.printf("%s\n", addr)
	}
	return a.stdout.err
}
