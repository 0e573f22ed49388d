// Package config declares the settings of the command line: in [Config.Settings] each one is a row, which makes its flag,
// its environment variable, its key in a TOML file, its help and its check.
//
// A file need not be complete. What it does not set keeps its default. A key that does not exist, or a value that is not
// allowed, is an error that names the key, the value and what is allowed. Keys may be written with capitals and without
// underscores, as files had them before.
package config

import (
	"fmt"
	"log/slog"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/logging"
	"github.com/seed-2dd5877b/reqresp/internal/settings"
	limitsconfig "github.com/seed-2dd5877b/reqresp/limits/config"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Config is what the settings are set to.
type Config struct {
	// Settings are those of all commands. LoadLimits adds the limits; before there is only their preset.
	Settings settings.Table
	// DataDir is the directory of the store and of the node's identity.
	DataDir string
	// IPCPath is the name of the IPC socket, in the node's directory if it is a plain name. Empty opens none.
	IPCPath string
	// Network is the network to speak on. The store remembers it.
	Network Network
	// Service is how the service takes part. LoadLimits sets Limits and Scores, and Resolve Discovery, which
	// has no boot nodes that are built in.
	Service plugin.Config
	// HTTP is the RPC server over HTTP.
	HTTP struct {
		Endpoint
		API, VirtualHosts, CORSDomain []string
	}
	// Metrics and Pprof are the servers for Prometheus and for the Go profiler.
	Metrics, Pprof Endpoint
	// Log is what is logged, to standard error.
	Log struct{ Verbosity, Format string }

	discovery     discovery.Config
	discoveryV5   bool
	bootNodesFile string
	preset        string
	path          string        // of the file
	limits        settings.File // what the file says of them
}

// Network is a network that is known by its name, or the three others.
type Network struct {
	// Name is one of ssz.NetworkNames, or empty.
	Name string
	// ConfigFile is a file with the network's configuration in the format of the consensus specs.
	ConfigFile string
	// GenesisTime is the time of slot 0, in Unix seconds.
	GenesisTime *uint64
	// GenesisValidatorsRoot is the root of the validators at genesis, in hexadecimal.
	GenesisValidatorsRoot string
}

// An Endpoint is where something is served over HTTP.
type Endpoint struct {
	Enabled bool
	// Addr is the address to listen at.
	Addr string
	// Port is the TCP port; 0 takes one that is free.
	Port int
}

// New returns the defaults, for a command that logs from a level on.
func New(level slog.Level) *Config {
	// None of the endpoints has a password.
	local := func(port int) Endpoint { return Endpoint{Addr: "127.0.0.1", Port: port} }
	c := &Config{IPCPath: "reqresp.ipc", Metrics: local(6061), Pprof: local(6060), preset: limitsconfig.Default}
	c.Service.Listen, c.Service.Peers.Target = plugin.DefaultListen(), peers.DefaultTarget
	c.discovery.Listen = discovery.DefaultListen
	c.HTTP.Endpoint, c.HTTP.API, c.HTTP.VirtualHosts = local(8545), []string{api.Namespace}, []string{"localhost"}
	c.Log.Verbosity, c.Log.Format = logging.Name(level), "text"
	c.Settings = c.table()
	c.Settings.Mark()
	return c
}

// table declares the settings.
func (c *Config) table() settings.Table {
	n, s := &c.Network, &c.Service
	return settings.Table{
		{Key: "node.data_dir", Flag: "datadir", Usage: "`DIR` of the store and of this node's identity", Value: settings.Text(&c.DataDir, "", nil)},
		{Key: "node.ipc_path", Flag: "ipcpath", Usage: "`NAME` of the IPC socket in the datadir, or its path; empty opens none", Value: settings.Text(&c.IPCPath, "", nil)},

		{Key: "network.name", Flag: "network", Usage: "`NAME` of the network: " + networkNames(), Value: settings.Text(&n.Name, "", checkNetwork)},
		{Key: "network.config_file", Flag: "network.config", Usage: "`FILE` with another network's configuration: config.yaml, or the answer to /eth/v1/config/spec", Value: settings.Text(&n.ConfigFile, "", nil)},
		{Key: "network.genesis_time", Flag: "genesis-time", Usage: "time of slot 0 in Unix `SECONDS`, which goes with --network.config", Value: settings.Optional(&n.GenesisTime, 0, 1<<64-1)},
		{Key: "network.genesis_validators_root", Flag: "genesis-validators-root", Usage: "`ROOT` of the validators at genesis, which goes with --network.config", Value: settings.Text(&n.GenesisValidatorsRoot, "", checkRoot)},

		{Key: "p2p.listen", Flag: "listen", Usage: "multiaddrs `ADDR` to listen on", Value: listen(&s.Listen)},
		{Key: "p2p.max_peers", Flag: "maxpeers", Usage: "`NUMBER` of peers to have", Value: settings.Number(&s.Peers.Target, 1, peers.MaxTarget)},
		{Key: "p2p.min_outbound", Flag: "minoutbound", Usage: "`NUMBER` of peers to have dialed; 0 is a quarter of --maxpeers", Value: settings.Number(&s.Peers.MinOutbound, 0, peers.MaxTarget)},
		{Key: "p2p.no_dial", Flag: "nodial", Usage: "dial no peers but the static ones", Value: settings.Switch(&s.Peers.NoDial)},
		{Key: "p2p.static_nodes", Flag: "staticnodes", Usage: "`PEER` that is always dialed again", Value: staticNodes(&s.Peers.Static)},
		{Key: "p2p.trusted_nodes", Flag: "trustednodes", Usage: "`ID` (or enr:…) of a peer that is never banned, or left for lack of room", Value: settings.ListOf(&s.Peers.Trusted, discovery.ParsePeerID, peer.ID.String)},
		{Key: "p2p.discovery_v5", Flag: "discovery.v5", Usage: "find peers by discv5, and be found", Value: settings.Switch(&c.discoveryV5)},
		{Key: "p2p.disc_addr", Flag: "discovery.addr", Usage: "UDP `ADDRESS:PORT` of discovery; port 0 takes one that is free", Value: discoveryAddr(&c.discovery)},
		{Key: "p2p.bootstrap_nodes_v5", Flag: "bootnodes", Usage: "`RECORD` (enr:…) of a node that discovery begins with; none takes those built in", Value: bootNodes(&c.discovery)},
		{Key: "p2p.bootstrap_nodes_file", Flag: "bootnodes.file", Usage: "`FILE` with more such records, as networks publish them (bootstrap_nodes.yaml, boot_enr.yaml)", Value: settings.Text(&c.bootNodesFile, "", nil)},
		{Key: "p2p.external_ip", Flag: "discovery.externalip", Usage: "address `IP` of this node, as others reach it; none has it learned", Value: externalIP(&c.discovery)},
		{Key: "p2p.no_gossipsub", Flag: "nogossipsub", Usage: "do without gossipsub, for which clients like Lighthouse ban a node", Value: settings.Switch(&s.NoGossipsub)},
		{Key: "p2p.memory", Flag: "memory", Usage: "`MIB` for streams and messages of peers; 0 takes an eighth of the machine's memory", Value: memory(&s.Memory)},

		{Key: "http.enabled", Flag: "http", Usage: "serve RPC over HTTP, without a password", Value: settings.Switch(&c.HTTP.Enabled)},
		{Key: "http.addr", Flag: "http.addr", Usage: "`ADDRESS` of RPC over HTTP; 0.0.0.0 is all", Value: address(&c.HTTP.Addr)},
		{Key: "http.port", Flag: "http.port", Usage: "TCP `PORT` of RPC over HTTP; 0 takes one that is free", Value: settings.Number(&c.HTTP.Port, 0, 65535)},
		{Key: "http.api", Flag: "http.api", Usage: "namespaces `NAME` to expose: reqresp to look, reqrespadmin to change", Value: settings.List(&c.HTTP.API, checkNamespace)},
		{Key: "http.virtual_hosts", Flag: "http.vhosts", Usage: "hosts `NAME` that requests may be for, * for all", Value: settings.List(&c.HTTP.VirtualHosts, nil)},
		{Key: "http.cors_domain", Flag: "http.corsdomain", Usage: "`ORIGIN` from which browsers may call", Value: settings.List(&c.HTTP.CORSDomain, nil)},
		{Key: "metrics.enabled", Flag: "metrics", Usage: "serve metrics for Prometheus at /metrics", Value: settings.Switch(&c.Metrics.Enabled)},
		{Key: "metrics.addr", Flag: "metrics.addr", Usage: "`ADDRESS` of the metrics", Value: address(&c.Metrics.Addr)},
		{Key: "metrics.port", Flag: "metrics.port", Usage: "TCP `PORT` of the metrics; 0 takes one that is free", Value: settings.Number(&c.Metrics.Port, 0, 65535)},
		{Key: "pprof.enabled", Flag: "pprof", Usage: "serve profiles at /debug/pprof/", Value: settings.Switch(&c.Pprof.Enabled)},
		{Key: "pprof.addr", Flag: "pprof.addr", Usage: "`ADDRESS` of the profiles", Value: address(&c.Pprof.Addr)},
		{Key: "pprof.port", Flag: "pprof.port", Usage: "TCP `PORT` of the profiles; 0 takes one that is free", Value: settings.Number(&c.Pprof.Port, 0, 65535)},

		{Key: "log.verbosity", Flag: "verbosity", Usage: "log from `LEVEL` on: debug, info, warn or error; or, say, info,sync=debug", Value: settings.Text(&c.Log.Verbosity, "", checkVerbosity)},
		{Key: "log.format", Flag: "log.format", Usage: "`FORMAT` of the log's lines", Value: settings.OneOf(&c.Log.Format, logging.Formats()...)},

		{Key: "limits.preset", Flag: "limits.preset", Usage: "`PRESET` of limits; none has the same for all methods", Value: settings.OneOf(&c.preset, limitsconfig.Presets()...)},
	}
}

func memory(to *int64) settings.Value {
	const least, most = resources.MinMemory >> 20, resources.MaxMemory >> 20
	want := fmt.Sprintf("0, or a whole number from %d to %d", least, most)
	return settings.Scaled(to, 1<<20, want, func(n int64) bool { return n == 0 || n >= least && n <= most })
}

// networkNames lists the networks that are built in, for help.
func networkNames() (names string) {
	for i, b := range ssz.BuiltIns() {
		if i > 0 {
			names += ", "
		}
		names += b.Name
		if b.Retired {
			names += " (retired)"
		}
	}
	return names
}
