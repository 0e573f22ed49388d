package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/logging"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Validate returns an error that names the first key whose value is not allowed, and what is, also
// beside those of other keys.
func (c *Config) Validate() error {
	if err := c.validateKeys(); err != nil {
		return err
	}
	return c.P2P.validateTogether()
}

// validateKeys looks at each key by itself: there may be more to come than a file has.
func (c *Config) validateKeys() error {
	for _, validate := range []func() error{c.validateNetwork, c.P2P.validate, c.validateLimits, c.validateEndpoints} {
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
		if _, err := ssz.BuiltInNamed(n.Name); err != nil {
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
	if c.Limits.Trusted != nil {
		return errors.New("Limits.trusted is not for this file: want P2P.TrustedNodes in its place")
	}
	methods := methods()
	for _, name := range slices.Sorted(maps.Keys(c.Limits.Methods)) {
		if !slices.Contains(methods, name) {
			return fmt.Errorf("unknown key Limits.methods.%s: want a method, one of %s", name, strings.Join(methods, ", "))
		}
	}
	if _, err := c.Limits.Config(); err != nil {
		return fmt.Errorf("Limits.%w", err)
	}
	return nil
}

// methods returns the methods that may have quotas, sorted: those of the presets, and all that are served.
func methods() []string {
	names := slices.Collect(maps.Keys(quota.Served()))
	for _, spec := range beacon.NewFamily(ssz.Mainnet()).Specs() {
		names = append(names, spec.Name())
	}
	slices.Sort(names)
	return slices.Compact(names)
}
