package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/logging"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Validate returns an error that names the first key whose value is not allowed, and what is.
func (c *Config) Validate() error {
	for _, validate := range []func() error{c.validateNetwork, c.validateListen, c.validateLimits, c.validateEndpoints} {
		if err := validate(); err != nil {
			return err
		}
	}
	if _, err := logging.Parse(c.Log.Verbosity); err != nil {
		return fmt.Errorf("Log.Verbosity is %q: %w", c.Log.Verbosity, err)
	}
	return oneOf("Log.Format", c.Log.Format, logging.Formats()...)
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is %q: want %s", key, value, strings.Join(allowed, " or "))
}

func (c *Config) validateNetwork() error {
	n := &c.Network
	if n.Name != "" {
		if _, _, err := ssz.NetworkNamed(n.Name); err != nil {
			return fmt.Errorf("Network.Name is %q: want one of %s, or Network.ConfigFile for others", n.Name, strings.Join(ssz.NetworkNames(), ", "))
		}
	}
	if n.GenesisValidatorsRoot != "" {
		if err := new(ssz.Root).UnmarshalText([]byte(n.GenesisValidatorsRoot)); err != nil {
			return fmt.Errorf("Network.GenesisValidatorsRoot: %w", err)
		}
	}
	return nil
}

func (c *Config) validateListen() error {
	for _, addr := range c.P2P.Listen {
		if _, err := multiaddr.NewMultiaddr(addr); err != nil {
			return fmt.Errorf("P2P.Listen: %q is no multiaddr (like /ip4/0.0.0.0/udp/9000/quic-v1): %w", addr, err)
		}
	}
	if len(c.P2P.Listen) == 0 {
		return errors.New("P2P.Listen is empty: want one multiaddr or more, like /ip4/0.0.0.0/udp/9000/quic-v1")
	}
	return nil
}

func (c *Config) validateEndpoints() error {
	for _, e := range []struct {
		key string
		*Endpoint
	}{{"HTTP", &c.HTTP.Endpoint}, {"Metrics", &c.Metrics}, {"Pprof", &c.Pprof}} {
		if e.Port < 0 || e.Port > 65535 {
			return fmt.Errorf("%s.Port is %d: want 0 to 65535, where 0 takes one that is free", e.key, e.Port)
		}
		if e.Addr == "" {
			return fmt.Errorf("%s.Addr is empty: want an address to listen at, like %s, or 0.0.0.0 for all", e.key, localhost)
		}
	}
	for _, name := range c.HTTP.API {
		if err := oneOf("HTTP.API", name, api.Namespace, api.AdminNamespace); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) validateLimits() error {
	methods := methods()
	for _, name := range slices.Sorted(maps.Keys(c.Limits.Methods)) {
		if !slices.Contains(methods, name) {
			return fmt.Errorf("unknown key Limits.methods.%s: want a method, one of %s", name, strings.Join(methods, ", "))
		}
	}
	if _, err := c.Limits.Config(); err != nil {
		return fmt.Errorf("Limits: %w", err)
	}
	return nil
}

// methods returns the methods that may have quotas, sorted: those of the presets, and all that are served.
func methods() []string {
	names := slices.Collect(maps.Keys(limits.DefaultMethods()))
	for _, spec := range beacon.NewFamily(ssz.Mainnet()).Specs() {
		names = append(names, spec.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
