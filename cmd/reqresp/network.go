package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// networkOf returns the network that the settings tell, nil if they tell none.
func networkOf(cmd *cli.Command, c config.Network) (*store.Network, error) {
	set := 0
	for _, is := range []bool{c.ConfigFile != "", c.GenesisTime != nil, c.GenesisValidatorsRoot != ""} {
		if is {
			set++
		}
	}
	switch {
	case set == 0 && c.Name == "":
		return nil, nil
	case set == 0:
		return namedNetwork(c.Name)
	case c.Name != "":
		return nil, usagef(cmd, "--network %s and --network.config exclude each other", c.Name)
	case set < 3:
		return nil, usagef(cmd, "--network.config, --genesis-time and --genesis-validators-root go together: configuration files lack "+
			"the genesis, which the beacon API tells at /eth/v1/beacon/genesis")
	}
	file, err := os.ReadFile(c.ConfigFile)
	if err != nil {
		return nil, fmt.Errorf("network configuration: %w", err)
	}
	n := &store.Network{
		Config:                string(file),
		GenesisTime:           *c.GenesisTime,
		GenesisValidatorsRoot: rootOf(c.GenesisValidatorsRoot),
	}
	if _, err := n.Parse(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.ConfigFile, err)
	}
	return n, nil
}

// networkOrMainnet returns the network that the settings tell, else mainnet.
func networkOrMainnet(cmd *cli.Command, c config.Network) (*ssz.Network, error) {
	n, err := networkOf(cmd, c)
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
	b, err := ssz.BuiltInNamed(name)
	if err != nil {
		return nil, err
	}
	n := store.BuiltIn(b)
	return &n, nil
}

// networkNames lists the networks that are built in, for help.
func networkNames() string {
	var names []string
	for _, b := range ssz.BuiltIns() {
		name := b.Name
		if b.Retired {
			name += " (retired)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// explainNetwork tells what to do about a store's network.
func explainNetwork(cmd *cli.Command, datadir string, err error) error {
	if _, ok := errors.AsType[*store.NetworkError](err); ok {
		return fmt.Errorf("%w: give --network.config with the schedule that the store has, or choose another --datadir", err)
	}
	if errors.Is(err, store.ErrNoNetwork) {
		return usagef(cmd, "the store in %s is new: tell its network by --network NAME, "+
			"or by --network.config, --genesis-time and --genesis-validators-root", datadir)
	}
	return err
}
