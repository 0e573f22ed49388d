// Package config has the settings of the command line as a TOML file has them, in the manner of
// go-ethereum: tables of fields with the names that they have here.
//
// A file need not be complete. What it does not set keeps its default; a key that does not exist,
// or a value that is not allowed, is an error that names the key and what there is or what is
// allowed.
package config

import (
	limitsconfig "github.com/seed-2dd5877b/reqresp/limits/config"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
)

// Config are all settings.
type Config struct {
	Node    Node
	Network Network
	P2P     P2P
	// Limits are those of what is served, and how peers are scored, in the form of package limits/config.
	Limits  limitsconfig.File
	HTTP    HTTP
	Metrics Endpoint
	Pprof   Endpoint
	Log     Log
}

// Node is where the node keeps things.
type Node struct {
	// DataDir is the directory of the store and of the node's identity.
	DataDir string
	// IPCPath is the name of the IPC socket, in the node's directory if it is a plain name.
	// Empty opens none.
	IPCPath string
}

// Network is the network to speak on: one that is known by its name, or the three others. The
// store remembers it.
type Network struct {
	// Name is one of ssz.NetworkNames, or empty.
	Name string `toml:",omitempty"`
	// ConfigFile is the network's configuration in the format of the consensus specs.
	ConfigFile string `toml:",omitempty"`
	// GenesisTime is the time of slot 0, in Unix seconds.
	GenesisTime *uint64 `toml:",omitempty"`
	// GenesisValidatorsRoot is the root of the validators at genesis, in hexadecimal.
	GenesisValidatorsRoot string `toml:",omitempty"`
}

// HTTP is the RPC server over HTTP.
type HTTP struct {
	Endpoint
	// API are the namespaces that are exposed.
	API []string
	// VirtualHosts are the host names that requests may be for; "*" allows all.
	VirtualHosts []string
	// CORSDomain are the origins from which browsers may call.
	CORSDomain []string
}

// An Endpoint is where something is served over HTTP.
type Endpoint struct {
	Enabled bool
	// Addr is the address to listen at.
	Addr string
	// Port is the TCP port; 0 takes one that is free.
	Port int
}

// Log is what is logged, to standard error.
type Log struct {
	// Verbosity is the least level that is logged, and after it those of modules, like
	// "info,sync=debug".
	Verbosity string
	// Format is "text" or "json".
	Format string
}

// localhost is where endpoints listen that were not told otherwise: none has a password.
const localhost = "127.0.0.1"

// Default returns the defaults.
func Default() Config {
	return Config{
		Node: Node{IPCPath: "reqresp.ipc"},
		P2P:  defaultP2P(),
		HTTP: HTTP{
			Endpoint:     Endpoint{Addr: localhost, Port: 8545},
			API:          []string{api.Namespace},
			VirtualHosts: []string{"localhost"},
			CORSDomain:   []string{},
		},
		Metrics: Endpoint{Addr: localhost, Port: 6061},
		Pprof:   Endpoint{Addr: localhost, Port: 6060},
		Log:     Log{Verbosity: "info", Format: "text"},
	}
}
