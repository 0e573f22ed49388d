package main

import (
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	limitsconfig "github.com/seed-2dd5877b/reqresp/limits/config"
)

// A setting is a field of the configuration that a flag, or an environment variable named after
// it, may set.
type setting struct {
	flag cli.Flag
	// apply sets the field to the flag's value.
	apply func(cmd *cli.Command, c *config.Config)
}

// env returns the environment variable of a flag: REQRESP_HTTP_PORT of http.port.
func env(name string) cli.ValueSourceChain {
	return cli.EnvVars("REQRESP_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name)))
}

// The names of environment variables follow from those of flags, as the help of config tells:
// in every line of every help they are in the way.
func init() {
	full := cli.FlagStringer
	cli.FlagStringer = func(f cli.Flag) string {
		line, _, _ := strings.Cut(full(f), " [$REQRESP_")
		return line
	}
}

// defaults are what help shows.
var defaults = config.Default()

func textSetting(name, usage string, field func(*config.Config) *string) setting {
	return setting{
		flag:  &cli.StringFlag{Name: name, Usage: usage, Value: *field(&defaults), Sources: env(name)},
		apply: func(cmd *cli.Command, c *config.Config) { *field(c) = cmd.String(name) },
	}
}

func listSetting(name, usage string, field func(*config.Config) *[]string) setting {
	return setting{
		flag:  &cli.StringSliceFlag{Name: name, Usage: usage, Value: *field(&defaults), Sources: env(name)},
		apply: func(cmd *cli.Command, c *config.Config) { *field(c) = cmd.StringSlice(name) },
	}
}

func numberSetting(name, usage string, field func(*config.Config) *int) setting {
	return setting{
		flag:  &cli.IntFlag{Name: name, Usage: usage, Value: *field(&defaults), Sources: env(name)},
		apply: func(cmd *cli.Command, c *config.Config) { *field(c) = cmd.Int(name) },
	}
}

func switchSetting(name, usage string, field func(*config.Config) *bool) setting {
	return setting{
		flag:  &cli.BoolFlag{Name: name, Usage: usage, Sources: env(name)},
		apply: func(cmd *cli.Command, c *config.Config) { *field(c) = cmd.Bool(name) },
	}
}

func datadirSettings() []setting {
	return []setting{
		textSetting("datadir", "`DIR` of the store and of this node's identity",
			func(c *config.Config) *string { return &c.Node.DataDir }),
	}
}

// peerSettings are those of a node that others dial.
func peerSettings() []setting {
	return []setting{
		listSetting("listen", "multiaddr `ADDR` to listen on",
			func(c *config.Config) *[]string { return &c.P2P.Listen }),
		numberSetting("maxpeers", "`NUMBER` of peers to have", func(c *config.Config) *int { return &c.P2P.MaxPeers }),
		numberSetting("minoutbound", "`NUMBER` of these to have dialed; 0 is a quarter",
			func(c *config.Config) *int { return &c.P2P.MinOutbound }),
		switchSetting("nodial", "dial no peers but the static ones", func(c *config.Config) *bool { return &c.P2P.NoDial }),
		listSetting("staticnodes", "`PEER` that is always dialed again; may be repeated",
			func(c *config.Config) *[]string { return &c.P2P.StaticNodes }),
		listSetting("trustednodes", "`ID` (or enr:…) of a peer that is never banned, or left for lack of room; may be repeated",
			func(c *config.Config) *[]string { return &c.P2P.TrustedNodes }),
		switchSetting("discovery.v5", "find peers by discv5, and be found", func(c *config.Config) *bool { return &c.P2P.DiscoveryV5 }),
		textSetting("discovery.addr", "UDP `ADDRESS:PORT` for that; port 0 takes one that is free",
			func(c *config.Config) *string { return &c.P2P.DiscAddr }),
		listSetting("bootnodes", "`RECORD` (enr:…) of a node that discovery begins with, if not those built in; may be repeated",
			func(c *config.Config) *[]string { return &c.P2P.BootstrapNodesV5 }),
		textSetting("bootnodes.file", "`FILE` with more such records, as networks publish them (bootstrap_nodes.yaml, boot_enr.yaml)",
			func(c *config.Config) *string { return &c.P2P.BootstrapNodesFile }),
		listSetting("discovery.externalip", "address `IP` of this node, as others reach it, which it learns otherwise; one each of IPv4 and IPv6",
			func(c *config.Config) *[]string { return &c.P2P.ExternalIP }),
		switchSetting("nogossipsub", "do without gossipsub, for which clients like Lighthouse ban a node",
			func(c *config.Config) *bool { return &c.P2P.NoGossipsub }),
	}
}

func memorySettings() []setting {
	return []setting{
		numberSetting("memory", "`MIB` for streams and messages of peers; 0 takes an eighth of the machine's",
			func(c *config.Config) *int { return &c.P2P.Memory }),
	}
}

// networkSettings tell the network. Where there is a store it remembers them.
func networkSettings() []setting {
	return []setting{
		textSetting("network", "`NAME` of the network: "+networkNames(),
			func(c *config.Config) *string { return &c.Network.Name }),
		textSetting("network.config", "`FILE` with another network's configuration: config.yaml, or the answer to /eth/v1/config/spec",
			func(c *config.Config) *string { return &c.Network.ConfigFile }),
		{
			flag: &cli.Uint64Flag{
				Name:        "genesis-time",
				Usage:       "time of slot 0 in Unix `SECONDS`, which goes with --network.config",
				HideDefault: true,
				Sources:     env("genesis-time"),
			},
			apply: func(cmd *cli.Command, c *config.Config) { c.Network.GenesisTime = new(cmd.Uint64("genesis-time")) },
		},
		textSetting("genesis-validators-root", "`ROOT` of the validators at genesis, which goes with --network.config",
			func(c *config.Config) *string { return &c.Network.GenesisValidatorsRoot }),
	}
}

// operateSettings are those of a node that operators may look into.
func operateSettings() []setting {
	return []setting{
		textSetting("ipcpath", "`NAME` of the IPC socket in the datadir, or its path; empty opens none",
			func(c *config.Config) *string { return &c.Node.IPCPath }),
		switchSetting("http", "serve RPC over HTTP, without a password", func(c *config.Config) *bool { return &c.HTTP.Enabled }),
		textSetting("http.addr", "`ADDRESS` for that", func(c *config.Config) *string { return &c.HTTP.Addr }),
		numberSetting("http.port", "TCP `PORT` for that; 0 takes one that is free", func(c *config.Config) *int { return &c.HTTP.Port }),
		listSetting("http.api", "namespace `NAME` to expose: reqresp to look, reqrespadmin to change",
			func(c *config.Config) *[]string { return &c.HTTP.API }),
		listSetting("http.vhosts", "host `NAME` that requests may be for, * for all; may be repeated",
			func(c *config.Config) *[]string { return &c.HTTP.VirtualHosts }),
		listSetting("http.corsdomain", "`ORIGIN` from which browsers may call; may be repeated",
			func(c *config.Config) *[]string { return &c.HTTP.CORSDomain }),
		switchSetting("metrics", "serve metrics for Prometheus at /metrics", func(c *config.Config) *bool { return &c.Metrics.Enabled }),
		textSetting("metrics.addr", "`ADDRESS` for that", func(c *config.Config) *string { return &c.Metrics.Addr }),
		numberSetting("metrics.port", "TCP `PORT` for that; 0 takes one that is free",
			func(c *config.Config) *int { return &c.Metrics.Port }),
		switchSetting("pprof", "serve profiles at /debug/pprof/", func(c *config.Config) *bool { return &c.Pprof.Enabled }),
		textSetting("pprof.addr", "`ADDRESS` for that", func(c *config.Config) *string { return &c.Pprof.Addr }),
		numberSetting("pprof.port", "TCP `PORT` for that; 0 takes one that is free",
			func(c *config.Config) *int { return &c.Pprof.Port }),
	}
}

func limitsSettings() []setting {
	return []setting{
		textSetting("limits.preset", "`PRESET` of limits: "+strings.Join(limitsconfig.Presets(), ", ")+" (the same for all methods)",
			func(c *config.Config) *string { return &c.Limits.Preset }),
	}
}

// allSettings are those of all commands.
func allSettings() (all []setting) {
	for _, settings := range [][]setting{
		datadirSettings(), networkSettings(), peerSettings(), memorySettings(), limitsSettings(), operateSettings(), logSettings(loud),
	} {
		all = append(all, settings...)
	}
	return all
}

// flagsOf returns the flags of settings, and that of the file that may set them too.
func flagsOf(groups ...[]setting) []cli.Flag {
	flags := []cli.Flag{configFlag()}
	for _, settings := range groups {
		for _, s := range settings {
			flags = append(flags, s.flag)
		}
	}
	return flags
}

// settings returns the configuration in effect for a command: flags go before the environment,
// that before the file, and that before the defaults.
func settings(cmd *cli.Command) (config.Config, error) {
	c := config.Default()
	if verbosity := cmd.String("verbosity"); verbosity != "" {
		c.Log.Verbosity = verbosity // The command's default, if it is not set.
	}
	if path := cmd.String("config"); path != "" {
		if err := c.Load(path); err != nil {
			return c, err
		}
	}
	for _, s := range allSettings() {
		if cmd.IsSet(s.flag.Names()[0]) {
			s.apply(cmd, &c)
		}
	}
	if err := c.Validate(); err != nil {
		return c, usagef(cmd, "%w", err)
	}
	return c, nil
}

// settingsWithDatadir is settings for a command that needs a directory.
func settingsWithDatadir(cmd *cli.Command) (config.Config, error) {
	c, err := settings(cmd)
	if err == nil && c.Node.DataDir == "" {
		err = usagef(cmd, "a datadir is missing: want --datadir DIR, REQRESP_DATADIR, or DataDir below [Node] in a --config FILE")
	}
	return c, err
}
