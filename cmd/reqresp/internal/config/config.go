// Package config declares the settings of the command line. Each setting is one row of [Config.Settings], from which
// its flag, environment variable, TOML key, help and validation are made. The rows of the limits are in package
// limits/config: they have TOML keys only, and [Config.LoadLimits] adds them once the preset is known. The preset
// itself is a row of this package.
//
// Flags have go-ethereum's names where it has a flag for the same thing, such as --datadir and --http.port; other flags
// follow its style, such as --nogossipsub. An environment variable is REQRESP_ and the flag's name in capitals, with
// underscores for dots and dashes.
//
// A file need not be complete: settings that it does not mention keep their defaults. An unknown key or a value that is
// not allowed is an error that names the key, the value and what is allowed. Keys may have capitals and omit
// underscores, as in files of earlier versions.
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
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Config is what the settings are set to.
type Config struct {
	// Settings are the settings of all commands. Until LoadLimits has run, the preset is the only one of the limits.
	Settings settings.Table
	// DataDir is the directory of the store and of the node's identity.
	DataDir string
	// IPCPath is the name of the IPC socket, in the node's directory if it is a plain name. Empty opens none.
	IPCPath string
	// Network is the network to join. The store remembers it.
	Network Network
	// Service is the configuration of the service. LoadLimits sets Preset, Limits and Scores, and Resolve sets Memory
	// and Discovery, whose boot nodes are those of the settings: none that are built in.
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

// Network says which network it is: by Name if it is built in, or by the other three fields together.
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
		settings.New("node.data_dir", "datadir", settings.Text(&c.DataDir, nil),
			"`DIR` of the store and of this node's identity"),
		settings.New("node.ipc_path", "ipcpath", settings.Text(&c.IPCPath, nil),
			"`NAME` of the IPC socket in the datadir, or its path; empty opens none"),
		settings.New("node.era_dir", "era", settings.Text(&s.Era, nil),
			"`DIR` of era files, which are served as they are; the store has what comes after"),
		settings.New("node.custody", "custody", custody(&s.Custody),
			"`GROUPS` of data columns to announce, or all; none is the least that the network requires"),

		settings.New("retention.blocks", "retention.blocks", retention(&s.Retention.Blocks),
			"`EPOCHS` that blocks are kept with their sidecars, all, or spec: what has to be served"),
		settings.New("retention.blob_sidecars", "retention.blobs", retention(&s.Retention.BlobSidecars),
			"`EPOCHS` that blob sidecars are kept at most, all or spec"),
		settings.New("retention.data_column_sidecars", "retention.columns", retention(&s.Retention.DataColumnSidecars),
			"`EPOCHS` that data columns are kept at most, all or spec"),
		settings.New("retention.execution_payload_envelopes", "retention.envelopes",
			retention(&s.Retention.ExecutionPayloadEnvelopes),
			"`EPOCHS` that execution payload envelopes are kept at most, all or spec"),

		settings.New("network.name", "network", settings.Text(&n.Name, checkNetwork),
			"`NAME` of the network: "+networkNames()),
		settings.New("network.config_file", "network.config", settings.Text(&n.ConfigFile, nil),
			"`FILE` with another network's configuration: config.yaml, or the answer to /eth/v1/config/spec"),
		settings.New("network.genesis_time", "genesis-time", settings.Optional(&n.GenesisTime),
			"time of slot 0 in Unix `SECONDS`, which goes with --network.config"),
		settings.New("network.genesis_validators_root", "genesis-validators-root",
			settings.Text(&n.GenesisValidatorsRoot, checkRoot),
			"`ROOT` of the validators at genesis, which goes with --network.config"),

		settings.New("p2p.listen", "listen", listen(&s.Listen), "multiaddrs `ADDR` to listen on"),
		settings.New("p2p.max_peers", "maxpeers", settings.Number(&s.Peers.Target, 1, peers.MaxTarget),
			"`NUMBER` of peers to have"),
		settings.New("p2p.min_outbound", "minoutbound", settings.Number(&s.Peers.MinOutbound, 0, peers.MaxTarget),
			"`NUMBER` of peers to have dialed; 0 is a quarter of --maxpeers"),
		settings.New("p2p.no_dial", "nodial", settings.Switch(&s.Peers.NoDial), "dial no peers but the static ones"),
		settings.New("p2p.static_nodes", "staticnodes", staticNodes(&s.Peers.Static), "`PEER` that is always dialed again"),
		settings.New("p2p.trusted_nodes", "trustednodes",
			settings.ListOf(&s.Peers.Trusted, discovery.ParsePeerID, peer.ID.String),
			"`ID` (or enr:…) of a peer that is never banned, or left for lack of room"),
		settings.New("p2p.discovery_v5", "discovery.v5", settings.Switch(&c.discoveryV5),
			"find peers by discv5, and be found"),
		settings.New("p2p.disc_addr", "discovery.addr", discoveryAddr(&c.discovery),
			"UDP `ADDRESS:PORT` of discovery; port 0 takes one that is free"),
		settings.New("p2p.bootstrap_nodes_v5", "bootnodes", bootNodes(&c.discovery),
			"`RECORD` (enr:…) of a node that discovery begins with; none takes those built in"),
		settings.New("p2p.bootstrap_nodes_file", "bootnodes.file", settings.Text(&c.bootNodesFile, nil),
			"`FILE` with more such records, as networks publish them (bootstrap_nodes.yaml, boot_enr.yaml)"),
		settings.New("p2p.external_ip", "discovery.externalip", externalIP(&c.discovery),
			"address `IP` of this node, as others reach it; none has it learned"),
		settings.New("p2p.no_gossipsub", "nogossipsub", settings.Switch(&s.NoGossipsub),
			"do without gossipsub, for which clients like Lighthouse ban a node"),
		settings.New("p2p.memory", "memory", memory(&c.memory),
			"`MIB` for streams and messages of peers; 0 takes an eighth of the machine's memory"),

		settings.New("http.enabled", "http", settings.Switch(&c.HTTP.Enabled), "serve RPC over HTTP, without a password"),
		settings.New("http.addr", "http.addr", address(&c.HTTP.Addr), "`ADDRESS` of RPC over HTTP; 0.0.0.0 is all"),
		settings.New("http.port", "http.port", settings.Number(&c.HTTP.Port, 0, 65535),
			"TCP `PORT` of RPC over HTTP; 0 takes one that is free"),
		settings.New("http.api", "http.api", settings.List(&c.HTTP.API, checkNamespace),
			"namespaces `NAME` to expose: reqresp to look, reqrespadmin to change"),
		settings.New("http.virtual_hosts", "http.vhosts", settings.List(&c.HTTP.VirtualHosts, nil),
			"hosts `NAME` that requests may be for, * for all"),
		settings.New("http.cors_domain", "http.corsdomain", settings.List(&c.HTTP.CORSDomain, nil),
			"`ORIGIN` from which browsers may call"),
		settings.New("metrics.enabled", "metrics", settings.Switch(&c.Metrics.Enabled),
			"serve metrics for Prometheus at /metrics"),
		settings.New("metrics.addr", "metrics.addr", address(&c.Metrics.Addr), "`ADDRESS` of the metrics"),
		settings.New("metrics.port", "metrics.port", settings.Number(&c.Metrics.Port, 0, 65535),
			"TCP `PORT` of the metrics; 0 takes one that is free"),
		settings.New("pprof.enabled", "pprof", settings.Switch(&c.Pprof.Enabled), "serve profiles at /debug/pprof/"),
		settings.New("pprof.addr", "pprof.addr", address(&c.Pprof.Addr), "`ADDRESS` of the profiles"),
		settings.New("pprof.port", "pprof.port", settings.Number(&c.Pprof.Port, 0, 65535),
			"TCP `PORT` of the profiles; 0 takes one that is free"),

		settings.New("log.verbosity", "verbosity", settings.Text(&c.Log.Verbosity, checkVerbosity),
			"log from `LEVEL` on: debug, info, warn or error; or, say, info,sync=debug"),
		settings.New("log.format", "log.format", settings.OneOf(&c.Log.Format, logging.Formats()...),
			"`FORMAT` of the log's lines"),

		settings.New("limits.preset", "limits.preset", settings.OneOf(&c.preset, limitsconfig.Presets()...),
			"`PRESET` of limits; none has the same for all methods"),
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
