package ssz

import (
	"fmt"
	"slices"
	"strings"
)

// A Preset is a set of the constants that the specs fix when a client is built. It decides the sizes
// of the containers; a [Config] decides everything else.
type Preset uint8

// The presets: two of the consensus specs, and that of Gnosis.
const (
	MainnetPreset Preset = iota // Ethereum's main network and its public test networks
	MinimalPreset               // development networks with short epochs and small committees
	GnosisPreset                // Gnosis and its test network Chiado

	presetCount = iota
)

var presetNames = [presetCount]string{"mainnet", "minimal", "gnosis"}

// wantPreset is what an error says of a preset that is none.
const wantPreset = "mainnet, minimal or gnosis"

// A presetConstant is a constant that the presets fix.
type presetConstant struct {
	fork Fork // the first whose containers need it
	of   [presetCount]uint64
}

// The constants that are looked up often.
var (
	slotsPerEpoch                = presetConstants["SLOTS_PER_EPOCH"].of
	syncCommitteeSize            = presetConstants["SYNC_COMMITTEE_SIZE"].of
	epochsPerSyncCommitteePeriod = presetConstants["EPOCHS_PER_SYNC_COMMITTEE_PERIOD"].of
	numberOfColumns              = presetConstants["NUMBER_OF_COLUMNS"].of
)

// String returns "mainnet", "minimal" or "gnosis", or "preset_N" for a value that is no preset.
func (p Preset) String() string {
	if p >= presetCount {
		return fmt.Sprintf("preset_%d", uint8(p))
	}
	return presetNames[p]
}

// ParsePreset returns the preset of a name in any case. Its error wraps [ErrConfig].
func ParsePreset(name string) (Preset, error) {
	i := slices.IndexFunc(presetNames[:], func(known string) bool { return strings.EqualFold(name, known) })
	if i < 0 {
		return 0, fmt.Errorf("%w: preset %q: want %s", ErrConfig, name, wantPreset)
	}
	return Preset(i), nil
}

// orMainnet returns a preset, or mainnet for a value that is no preset.
func (p Preset) orMainnet() Preset {
	if p >= presetCount {
		return MainnetPreset
	}
	return p
}

// SlotsPerEpoch is SLOTS_PER_EPOCH.
func (p Preset) SlotsPerEpoch() uint64 { return slotsPerEpoch[p.orMainnet()] }

// SyncCommitteeSize is SYNC_COMMITTEE_SIZE, in validators.
func (p Preset) SyncCommitteeSize() uint64 { return syncCommitteeSize[p.orMainnet()] }

// EpochsPerSyncCommitteePeriod is EPOCHS_PER_SYNC_COMMITTEE_PERIOD.
func (p Preset) EpochsPerSyncCommitteePeriod() uint64 {
	return epochsPerSyncCommitteePeriod[p.orMainnet()]
}
