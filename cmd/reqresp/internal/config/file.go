package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
	limitsconfig "github.com/seed-2dd5877b/reqresp/limits/config"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Load sets what a file sets. What it says of limits waits for LoadLimits. The error names the
// file, and the line or the key.
func (c *Config) Load(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	file, err := settings.Decode(text)
	if err != nil {
		return fmt.Errorf("%s:%w", path, err)
	}
	c.path = path
	var rest settings.File
	for _, e := range file {
		if len(e.Path) < 2 || !strings.EqualFold(e.Path[0], "limits") || strings.EqualFold(e.Path[1], "preset") {
			rest = append(rest, e)
			continue
		}
		if len(e.Path) > 2 && strings.EqualFold(e.Path[1], "methods") {
			if name, err := ParseMethod(e.Path[2]); err == nil {
				e.Path[2] = name
			}
		}
		c.limits = append(c.limits, e)
	}
	if err := c.Settings.Apply(rest); err != nil {
		return fmt.Errorf("%s:%w", path, err)
	}
	return nil
}

// LoadLimits adds the settings of limits, for whose defaults the preset is set now, and sets what the file says of
// them.
func (c *Config) LoadLimits() error {
	file, err := limitsconfig.NewFile(c.preset, Methods()...)
	if err != nil {
		return err
	}
	rows := file.Settings("limits.")
	for _, s := range rows {
		if s.Key == "limits.trusted" {
			s.Value = settings.Gone("is not for this file: want p2p.trusted_nodes in its place")
		}
	}
	c.Settings = append(c.Settings, rows...)
	if err := c.Settings.Apply(c.limits); err != nil {
		return fmt.Errorf("%s:%w", c.path, err)
	}
	effective, err := file.Config()
	if err != nil {
		return fmt.Errorf("%s: limits.%w", c.path, err)
	}
	c.Service.Preset, c.Service.Limits, c.Service.Scores = effective.Preset, effective.Limits, effective.Score
	return nil
}

// Resolve sets what follows from the settings, once all are set. It fails if they contradict each other.
func (c *Config) Resolve() error {
	if err := c.resolveDiscovery(); err != nil {
		return err
	}
	c.Service.Memory = int64(c.memory) << 20
	return byKey(c.Service.Validate())
}

func (c *Config) resolveDiscovery() error {
	o := c.discovery
	switch {
	case !c.discoveryV5 && len(o.BootNodes) > 0:
		return errors.New("p2p.bootstrap_nodes_v5 has nodes, but discovery is off: " +
			"want p2p.discovery_v5 on, or no such nodes")
	case !c.discoveryV5 && c.bootNodesFile != "":
		return errors.New("p2p.bootstrap_nodes_file has nodes, but discovery is off: " +
			"want p2p.discovery_v5 on, or no such file")
	case !c.discoveryV5:
		return nil
	case c.bootNodesFile != "":
		file, err := os.ReadFile(c.bootNodesFile)
		if err != nil {
			return fmt.Errorf("p2p.bootstrap_nodes_file: %w", err)
		}
		nodes, err := discovery.ParseBootNodes(file)
		if err != nil {
			return fmt.Errorf("p2p.bootstrap_nodes_file: %s: %w", c.bootNodesFile, err)
		}
		o.BootNodes = slices.Concat(o.BootNodes, nodes)
	}
	c.Service.Discovery = &o
	return nil
}

// Methods returns the names in the consensus specs of the methods that are served or may have limits, sorted.
func Methods() []string {
	names := slices.Collect(maps.Keys(quota.Served()))
	for _, spec := range beacon.NewFamily(ssz.Mainnet()).Specs() {
		names = append(names, spec.Name())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ParseMethod returns the name in the consensus specs of a method, which may be named with dashes and without the
// "beacon_" that blocks begin with: blocks-by-range is beacon_blocks_by_range.
func ParseMethod(text string) (string, error) {
	name, all := strings.ReplaceAll(text, "-", "_"), Methods()
	for _, name := range []string{name, "beacon_" + name} {
		if slices.Contains(all, name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("METHOD %q: want one of %s", text, strings.Join(all, ", "))
}
