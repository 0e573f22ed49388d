package ssz

import (
	"fmt"
	"strings"
)

// A Preset is a set of the constants that the consensus specs fix when a client is built. It
// decides the sizes of the containers; a [Config] decides everything else.
type Preset uint8

// The presets of the consensus specs.
const (
	MainnetPreset Preset = iota // mainnet and all public test networks
	MinimalPreset               // development networks with short epochs and small committees
)

// String returns "mainnet" or "minimal", or "preset_N" for a value that is no preset.
func (p Preset) String() string {
	switch p {
	case MainnetPreset:
		return "mainnet"
	case MinimalPreset:
		return "minimal"
	default:
		return fmt.Sprintf("preset_%d", uint8(p))
	}
}

// ParsePreset returns the preset of a name in any case. Its error wraps [ErrConfig].
func ParsePreset(name string) (Preset, error) {
	for _, p := range []Preset{MainnetPreset, MinimalPreset} {
		if strings.EqualFold(name, p.String()) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%w: preset %q: want mainnet or minimal", ErrConfig, name)
}

// SlotsPerEpoch is SLOTS_PER_EPOCH.
func (p Preset) SlotsPerEpoch() uint64 {
	if p == MinimalPreset {
		return 8
	}
	return 32
}

// SyncCommitteeSize is SYNC_COMMITTEE_SIZE, in validators.
func (p Preset) SyncCommitteeSize() uint64 {
	if p == MinimalPreset {
		return 32
	}
	return 512
}

// EpochsPerSyncCommitteePeriod is EPOCHS_PER_SYNC_COMMITTEE_PERIOD.
func (p Preset) EpochsPerSyncCommitteePeriod() uint64 {
	if p == MinimalPreset {
		return 8
	}
	return 256
}
