package ssz

import (
	"slices"
	"time"
)

// A ScheduledFork says when a fork activates and under which version.
type ScheduledFork struct {
	Version Version
	Epoch   Epoch // FarFutureEpoch if the fork is not scheduled
}

// BlobParameters is the most blobs a block may carry from an epoch on.
type BlobParameters struct {
	Epoch            Epoch
	MaxBlobsPerBlock uint64
}

// A Config is the part of a network's configuration that Req/Resp needs, in the terms of the
// configuration files of the consensus specs. Begin with [ParseConfig] or [DefaultConfig]: the
// zero Config is not valid.
type Config struct {
	Preset Preset // PRESET_BASE
	Name   string // CONFIG_NAME; may be empty

	// Forks holds the X_FORK_VERSION and X_FORK_EPOCH of every fork X, indexed by [Fork]. Phase0
	// has GENESIS_FORK_VERSION and epoch 0.
	Forks [Heze + 1]ScheduledFork
	// BlobSchedule is BLOB_SCHEDULE: the changes of the blob maximum from Fulu on, by ascending
	// epoch. It may be empty.
	BlobSchedule []BlobParameters

	SlotDuration time.Duration // SLOT_DURATION_MS, or else SECONDS_PER_SLOT

	MaxPayloadSize          uint64 // MAX_PAYLOAD_SIZE, bytes of SSZ in one message
	MaxRequestBlocks        uint64 // MAX_REQUEST_BLOCKS, before Deneb
	MaxRequestBlocksDeneb   uint64 // MAX_REQUEST_BLOCKS_DENEB, from Deneb on
	MaxRequestPayloads      uint64 // MAX_REQUEST_PAYLOADS, from Gloas on
	MaxBlobsPerBlock        uint64 // MAX_BLOBS_PER_BLOCK, in Deneb
	MaxBlobsPerBlockElectra uint64 // MAX_BLOBS_PER_BLOCK_ELECTRA, from Electra to the blob schedule

	MinEpochsForBlobSidecarsRequests       uint64 // MIN_EPOCHS_FOR_BLOB_SIDECARS_REQUESTS
	MinEpochsForDataColumnSidecarsRequests uint64 // MIN_EPOCHS_FOR_DATA_COLUMN_SIDECARS_REQUESTS

	MinValidatorWithdrawabilityDelay uint64 // MIN_VALIDATOR_WITHDRAWABILITY_DELAY, epochs
	ChurnLimitQuotient               uint64 // CHURN_LIMIT_QUOTIENT
	CustodyRequirement               uint64 // CUSTODY_REQUIREMENT, custody groups
}

// DefaultConfig returns a preset's configuration as the consensus specs publish it, but without
// a name, a fork after phase0 and a blob schedule: those are a network's own.
func DefaultConfig(p Preset) Config {
	cfg := Config{
		Preset:                                 p,
		SlotDuration:                           12 * time.Second,
		MaxPayloadSize:                         10 << 20,
		MaxRequestBlocks:                       1024,
		MaxRequestBlocksDeneb:                  128,
		MaxRequestPayloads:                     128,
		MaxBlobsPerBlock:                       6,
		MaxBlobsPerBlockElectra:                9,
		MinEpochsForBlobSidecarsRequests:       4096,
		MinEpochsForDataColumnSidecarsRequests: 4096,
		MinValidatorWithdrawabilityDelay:       256,
		ChurnLimitQuotient:                     65536,
		CustodyRequirement:                     4,
	}
	for f := range cfg.Forks {
		cfg.Forks[f] = ScheduledFork{Version{0: byte(f)}, FarFutureEpoch}
	}
	cfg.Forks[Phase0].Epoch = 0
	if p == MinimalPreset {
		cfg.SlotDuration = 6 * time.Second
		cfg.ChurnLimitQuotient = 32
		for f := range cfg.Forks {
			cfg.Forks[f].Version[3] = 1
		}
		return cfg
	}
	return cfg
}

func (c *Config) clone() Config {
	clone := *c
	clone.BlobSchedule = slices.Clone(c.BlobSchedule)
	return clone
}
