package ssz

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// configValues are the values of a file by key.
type configValues map[string]*yaml.Node

// unwrap takes an answer of the beacon API out of its envelope.
func unwrap(values configValues) (configValues, error) {
	data, ok := values["data"]
	if !ok || data.Kind != yaml.MappingNode {
		return values, nil
	}
	return mapping(data)
}

// Files that are mistaken for configurations, by keys that they have.
var otherFiles = []struct {
	keys []string
	what string
}{
	{[]string{"alloc", "difficulty"}, "the genesis of the execution layer (genesis.json)"},
	{[]string{"chainId"}, "the configuration of the execution layer"},
	{
		[]string{"genesis_validators_root"},
		"the answer of the beacon API to /eth/v1/beacon/genesis, want that to /eth/v1/config/spec",
	},
	{[]string{"scrape_configs"}, "the configuration of Prometheus"},
}

// checkKind refuses a file that is no network configuration: GENESIS_FORK_VERSION is in all of them, and
// their keys are in capitals.
func (v configValues) checkKind() error {
	_, isConfig := v["GENESIS_FORK_VERSION"]
	for _, other := range otherFiles {
		if !isConfig && v.hasAll(other.keys) {
			return fmt.Errorf("%w: GENESIS_FORK_VERSION is missing: the file is no network configuration, it seems to be %s",
				ErrConfig, other.what)
		}
	}
	for _, k := range append(new(Config).keys(), configKey{name: "PRESET_BASE"}) {
		lower := strings.ToLower(k.name)
		if node, ok := v[lower]; ok {
			return fmt.Errorf("%w: %s: line %d: want %s: keys are in capitals", ErrConfig, lower, node.Line, k.name)
		}
	}
	if isConfig {
		return nil
	}
	const most = 3
	found := slices.Sorted(maps.Keys(v))
	if len(found) > most {
		found = append(found[:most], "...")
	}
	return fmt.Errorf("%w: GENESIS_FORK_VERSION is missing: want a network configuration, not a file with the keys %q",
		ErrConfig, found)
}

func (v configValues) hasAll(keys []string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return v[key] == nil })
}

// checkVersions refuses a fork that is scheduled and has no version: the default would be that of another
// network.
func (v configValues) checkVersions(cfg *Config) error {
	for f := Altair; f <= Heze; f++ {
		prefix := strings.ToUpper(f.String())
		if cfg.Forks[f].Epoch != FarFutureEpoch && v[prefix+"_FORK_VERSION"] == nil {
			return fmt.Errorf("%w: %s_FORK_VERSION is missing: want that of the fork which %s_FORK_EPOCH %d schedules",
				ErrConfig, prefix, prefix, cfg.Forks[f].Epoch)
		}
	}
	return nil
}

// checkPreset refuses values that the preset fixes at others. A constant that no scheduled fork needs may
// differ: clients have those of forks under development in many versions.
func (v configValues) checkPreset(cfg *Config) error {
	for _, name := range slices.Sorted(maps.Keys(presetConstants)) {
		node, constant := v[name], presetConstants[name]
		if node == nil || cfg.Forks[constant.fork].Epoch == FarFutureEpoch {
			continue
		}
		if got, ok := parseUint(node); !ok || got != constant.of[cfg.Preset] {
			want := fmt.Sprintf("%d, which the preset %v (PRESET_BASE) fixes", constant.of[cfg.Preset], cfg.Preset)
			return badValue(name, node, want)
		}
	}
	return nil
}
