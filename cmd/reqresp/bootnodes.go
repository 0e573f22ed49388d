package main

import (
	"errors"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

// discoveryOf returns the options of discovery, nil if it is off. It begins with the boot nodes of the
// settings, or if these have none, with those that are built in for the network: the one that is told,
// or else the one that the store remembers.
func discoveryOf(c *config.Config, told *store.Network) (*discovery.Options, error) {
	o, err := c.P2P.Discovery()
	if err != nil || o == nil || len(o.BootNodes) > 0 {
		return o, err
	}
	n := told
	if n == nil {
		if n, err = storedNetwork(c.Node.DataDir); err != nil {
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
	o.BootNodes = discovery.BootNodes(parsed)
	return o, nil
}

// storedNetwork returns the network that the store in a datadir remembers, nil if it is new.
func storedNetwork(datadir string) (n *store.Network, err error) {
	stack, err := newNode(nodeConfig(datadir))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	s, db, err := plugin.OpenStore(stack, plugin.DefaultName)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if stored, ok := s.Network(); ok {
		return &stored, nil
	}
	return nil, nil
}
