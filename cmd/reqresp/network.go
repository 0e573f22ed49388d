package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// networkFlags tell the network. Where there is a store it remembers them.
func networkFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name:  "network",
			Usage: "`NAME` of the network: " + strings.Join(ssz.NetworkNames(), ", ") + "; for others see --config",
			Validator: func(name string) error {
				if _, _, err := ssz.NetworkNamed(name); err != nil {
					return fmt.Errorf("network %q: want %s, or --config FILE for others", name, strings.Join(ssz.NetworkNames(), ", "))
				}
				return nil
			},
		},
		&cli.StringFlag{
			Name:      "config",
			Usage:     "`FILE` with the network's configuration in the format of the consensus specs (config.yaml)",
			TakesFile: true,
		},
		&cli.Uint64Flag{
			Name:        "genesis-time",
			Usage:       "time of slot 0 in Unix `SECONDS`, which goes with --config",
			HideDefault: true,
		},
		rootFlag("genesis-validators-root", "`ROOT` of the validators at genesis, which goes with --config"),
	}
}

// networkOf returns the network that the flags tell, nil if they tell none.
func networkOf(cmd *cli.Command) (*store.Network, error) {
	var set []string
	for _, name := range []string{"config", "genesis-time", "genesis-validators-root"} {
		if cmd.IsSet(name) {
			set = append(set, name)
		}
	}
	switch {
	case len(set) == 0 && !cmd.IsSet("network"):
		return nil, nil
	case len(set) == 0:
		return namedNetwork(cmd.String("network"))
	case cmd.IsSet("network"):
		return nil, usagef(cmd, "--network %s and --%s exclude each other", cmd.String("network"), set[0])
	case len(set) < 3:
		return nil, usagef(cmd, "--config, --genesis-time and --genesis-validators-root go together: configuration files lack "+
			"the genesis, which the beacon API tells at /eth/v1/beacon/genesis")
	}
	config, err := os.ReadFile(cmd.String("config"))
	if err != nil {
		return nil, fmt.Errorf("network configuration: %w", err)
	}
	n := &store.Network{
		Config:                string(config),
		GenesisTime:           cmd.Uint64("genesis-time"),
		GenesisValidatorsRoot: parseRoot(cmd, "genesis-validators-root"),
	}
	if _, err := n.Parse(); err != nil {
		return nil, fmt.Errorf("%s: %w", cmd.String("config"), err)
	}
	return n, nil
}

// networkOrMainnet returns the network that the flags tell, else mainnet.
func networkOrMainnet(cmd *cli.Command) (*ssz.Network, error) {
	n, err := networkOf(cmd)
	if err == nil && n == nil {
		return ssz.Mainnet(), nil
	}
	if err != nil {
		return nil, err
	}
	return n.Parse()
}

// namedNetwork returns a network that is built in.
func namedNetwork(name string) (*store.Network, error) {
	n, config, err := ssz.NetworkNamed(name)
	if err != nil {
		return nil, err
	}
	return &store.Network{
		Config:                config,
		GenesisTime:           uint64(n.GenesisTime().Unix()),
		GenesisValidatorsRoot: n.GenesisValidatorsRoot(),
	}, nil
}

// explainNetwork tells what to do about a store's network.
func explainNetwork(cmd *cli.Command, err error) error {
	if _, ok := errors.AsType[*store.NetworkError](err); ok {
		return fmt.Errorf("%w: leave the network to the store, or choose another --datadir", err)
	}
	if errors.Is(err, store.ErrNoNetwork) {
		return usagef(cmd, "the store in %s is new: tell its network by --network NAME, "+
			"or by --config, --genesis-time and --genesis-validators-root", cmd.String("datadir"))
	}
	return err
}
