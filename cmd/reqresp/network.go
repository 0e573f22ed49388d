package main

import (
	"fmt"
	"os"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// network returns the network that the settings tell, nil if they tell none.
func (in *invocation) network() (*store.Network, error) {
	c, set := in.config.Network, 0
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
		return nil, in.usagef("--network %s and --network.config exclude each other", c.Name)
	case set < 3:
		return nil, in.usagef("--network.config, --genesis-time and --genesis-validators-root go together: " +
			"configuration files lack the genesis, which the beacon API tells at /eth/v1/beacon/genesis")
	}
	file, err := os.ReadFile(c.ConfigFile)
	if err != nil {
		return nil, fmt.Errorf("network configuration: %w", err)
	}
	var root ssz.Root
	if err := root.UnmarshalText([]byte(c.GenesisValidatorsRoot)); err != nil {
		return nil, err
	}
	n := &store.Network{
		Config:                string(file),
		GenesisTime:           *c.GenesisTime,
		GenesisValidatorsRoot: root,
	}
	if _, err := n.Parse(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.ConfigFile, err)
	}
	return n, nil
}

// networkOrMainnet returns the network that the settings tell, else mainnet.
func (in *invocation) networkOrMainnet() (*ssz.Network, error) {
	n, err := in.network()
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

// discoveryOf returns the options of discovery, nil if it is off. It begins with the boot nodes of the
// settings, or if these have none, with those that are built in for the network: the one that is given,
// or else the one that the store remembers.
func discoveryOf(c *config.Config, told *store.Network) (o *discovery.Config, err error) {
	if o = c.Service.Discovery; o == nil || len(o.BootNodes) > 0 {
		return o, nil
	}
	with := *o
	n := told
	if n == nil {
		if n, err = storedNetwork(c.DataDir); err != nil {
			return nil, err
		}
	}
	if n == nil {
		return o, nil // The service says what is missing.
	}
	parsed, err := n.Parse()
	if err != nil {
		return nil, err
	}
	with.BootNodes = discovery.BootNodes(parsed)
	return &with, nil
}

// storedNetwork returns the network that the store in a datadir remembers, nil if it is new.
func storedNetwork(datadir string) (n *store.Network, err error) {
	s, done, err := openStore(datadir)
	if err != nil {
		return nil, err
	}
	defer done(&err)
	if stored, ok := s.Network(); ok {
		return &stored, nil
	}
	return nil, nil
}
