// Package config declares the settings of the command line. Each is one row of [Config.Settings], which makes its
// flag, its environment variable, its key in a TOML file, its help and its check.
//
// A file need not be complete. What it does not set keeps its default. A key that does not exist, or a value that is
// not allowed, is an error that names the key, the value and what is allowed. Keys may be written with
// capitals and without underscores, as files had them before.
package config

import (
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
	memory        int           // in MiB
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
		{Key: "node.data_dir", Flag: "datadir", Value: settings.Text(&c.DataDir, nil),
			Usage: "`DIR` of the store and of this node's identity"},
		{Key: "node.ipc_path", Flag: "ipcpath", Value: settings.Text(&c.IPCPath, nil),
			Usage: "`NAME` of the IPC socket in the datadir, or its path; empty opens none"},

		{Key: "network.name", Flag: "network", Value: settings.Text(&n.Name, checkNetwork),
			Usage: "`NAME` of the network: " + networkNames()},
		{Key: "network.config_file", Flag: "network.config", Value: settings.Text(&n.ConfigFile, nil),
			Usage: "`FILE` with another network's configuration: config.yaml, or the answer to /eth/v1/config/spec"},
		{Key: "network.genesis_time", Flag: "genesis-time", Value: settings.Optional(&n.GenesisTime),
			Usage: "time of slot 0 in Unix `SECONDS`, which goes with --network.config"},
		{Key: "network.genesis_validators_root", Flag: "genesis-validators-root",
			Value: settings.Text(&n.GenesisValidatorsRoot, checkRoot),
			Usage: "`ROOT` of the validators at genesis, which goes with --network.config"},

		{Key: "p2p.listen", Flag: "listen", Usage: "multiaddrs `ADDR` to listen on", Value: listen(&s.Listen)},
		{Key: "p2p.max_peers", Flag: "maxpeers", Value: settings.Number(&s.Peers.Target, 1, peers.MaxTarget),
			Usage: "`NUMBER` of peers to have"},
		{Key: "p2p.min_outbound", Flag: "minoutbound", Value: settings.Number(&s.Peers.MinOutbound, 0, peers.MaxTarget),
			Usage: "`NUMBER` of peers to have dialed; 0 is a quarter of --maxpeers"},
		{Key: "p2p.no_dial", Flag: "nodial", Value: settings.Switch(&s.Peers.NoDial),
			Usage: "dial no peers but the static ones"},
		{Key: "p2p.static_nodes", Flag: "staticnodes", Value: staticNodes(&s.Peers.Static),
			Usage: "`PEER` that is always dialed again"},
		{Key: "p2p.trusted_nodes", Flag: "trustednodes",
			Value: settings.ListOf(&s.Peers.Trusted, discovery.ParsePeerID, peer.ID.String),
			Usage: "`ID` (or enr:…) of a peer that is never banned, or left for lack of room"},
		{Key: "p2p.discovery_v5", Flag: "discovery.v5", Value: settings.Switch(&c.discoveryV5),
			Usage: "find peers by discv5, and be found"},
		{Key: "p2p.disc_addr", Flag: "discovery.addr", Value: discoveryAddr(&c.discovery),
			Usage: "UDP `ADDRESS:PORT` of discovery; port 0 takes one that is free"},
		{Key: "p2p.bootstrap_nodes_v5", Flag: "bootnodes", Value: bootNodes(&c.discovery),
			Usage: "`RECORD` (enr:…) of a node that discovery begins with; none takes those built in"},
		{Key: "p2p.bootstrap_nodes_file", Flag: "bootnodes.file", Value: settings.Text(&c.bootNodesFile, nil),
			Usage: "`FILE` with more such records, as networks publish them (bootstrap_nodes.yaml, boot_enr.yaml)"},
		{Key: "p2p.external_ip", Flag: "discovery.externalip", Value: externalIP(&c.discovery),
			Usage: "address `IP` of this node, as others reach it; none has it learned"},
		{Key: "p2p.no_gossipsub", Flag: "nogossipsub", Value: settings.Switch(&s.NoGossipsub),
			Usage: "do without gossipsub, for which clients like Lighthouse ban a node"},
		{Key: "p2p.memory", Flag: "memory", Value: settings.Number(&c.memory, 0, resources.MaxMemory>>20),
			Usage: "`MIB` for streams and messages of peers; 0 takes an eighth of the machine's memory"},

		{Key: "http.enabled", Flag: "http", Value: settings.Switch(&c.HTTP.Enabled),
			Usage: "serve RPC over HTTP, without a password"},
		{Key: "http.addr", Flag: "http.addr", Value: address(&c.HTTP.Addr),
			Usage: "`ADDRESS` of RPC over HTTP; 0.0.0.0 is all"},
		{Key: "http.port", Flag: "http.port", Value: settings.Number(&c.HTTP.Port, 0, 65535),
			Usage: "TCP `PORT` of RPC over HTTP; 0 takes one that is free"},
		{Key: "http.api", Flag: "http.api", Value: settings.List(&c.HTTP.API, checkNamespace),
			Usage: "namespaces `NAME` to expose: reqresp to look, reqrespadmin to change"},
		{Key: "http.virtual_hosts", Flag: "http.vhosts", Value: settings.List(&c.HTTP.VirtualHosts, nil),
			Usage: "hosts `NAME` that requests may be for, * for all"},
		{Key: "http.cors_domain", Flag: "http.corsdomain", Value: settings.List(&c.HTTP.CORSDomain, nil),
			Usage: "`ORIGIN` from which browsers may call"},
		{Key: "metrics.enabled", Flag: "metrics", Value: settings.Switch(&c.Metrics.Enabled),
			Usage: "serve metrics for Prometheus at /metrics"},
		{Key: "metrics.addr", Flag: "metrics.addr", Usage: "`ADDRESS` of the metrics", Value: address(&c.Metrics.Addr)},
		{Key: "metrics.port", Flag: "metrics.port", Value: settings.Number(&c.Metrics.Port, 0, 65535),
			Usage: "TCP `PORT` of the metrics; 0 takes one that is free"},
		{Key: "pprof.enabled", Flag: "pprof", Value: settings.Switch(&c.Pprof.Enabled),
			Usage: "serve profiles at /debug/pprof/"},
		{Key: "pprof.addr", Flag: "pprof.addr", Usage: "`ADDRESS` of the profiles", Value: address(&c.Pprof.Addr)},
		{Key: "pprof.port", Flag: "pprof.port", Value: settings.Number(&c.Pprof.Port, 0, 65535),
			Usage: "TCP `PORT` of the profiles; 0 takes one that is free"},

		{Key: "log.verbosity", Flag: "verbosity", Value: settings.Text(&c.Log.Verbosity, checkVerbosity),
			Usage: "log from `LEVEL` on: debug, info, warn or error; or, say, info,sync=debug"},
		{Key: "log.format", Flag: "log.format", Value: settings.OneOf(&c.Log.Format, logging.Formats()...),
			Usage: "`FORMAT` of the log's lines"},

		{Key: "limits.preset", Flag: "limits.preset", Value: settings.OneOf(&c.preset, limitsconfig.Presets()...),
			Usage: "`PRESET` of limits; none has the same for all methods"},
	}
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
