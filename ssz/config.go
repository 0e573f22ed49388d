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

	MaxRequestInclusionList           uint64 // MAX_REQUEST_INCLUSION_LIST, from Heze on
	MinSlotsForInclusionListsRequests uint64 // MIN_SLOTS_FOR_INCLUSION_LISTS_REQUESTS
	// MaxTransactionsBytesPerInclusionList is MAX_TRANSACTIONS_BYTES_PER_INCLUSION_LIST, or under its older
	// name MAX_BYTES_PER_INCLUSION_LIST.
	MaxTransactionsBytesPerInclusionList uint64

	// The specs compute the following from other values. Zero means the value that they compute. Files
	// of networks that want another, and files from the time when these were configured, state them.

	MinEpochsForBlockRequests     uint64 // MIN_EPOCHS_FOR_BLOCK_REQUESTS
	MaxRequestBlobSidecars        uint64 // MAX_REQUEST_BLOB_SIDECARS, in Deneb
	MaxRequestBlobSidecarsElectra uint64 // MAX_REQUEST_BLOB_SIDECARS_ELECTRA, from Electra on
	MaxRequestDataColumnSidecars  uint64 // MAX_REQUEST_DATA_COLUMN_SIDECARS
}

// DefaultConfig returns a preset's configuration as the consensus specs publish it, and for gnosis as
// Gnosis does, but without a name, a fork after phase0 and a blob schedule: those are a network's own.
// It leaves out what the specs compute.
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
		MaxRequestInclusionList:                16,
		MinSlotsForInclusionListsRequests:      1,
		MaxTransactionsBytesPerInclusionList:   8192,
	}
	for f := range cfg.Forks {
		cfg.Forks[f] = ScheduledFork{Version{0: byte(f)}, FarFutureEpoch}
	}
	cfg.Forks[Phase0].Epoch = 0
	switch p {
	case MainnetPreset: // as it is
	case MinimalPreset:
		cfg.SlotDuration = 6 * time.Second
		cfg.ChurnLimitQuotient = 32
		cfg.setVersions(1)
	case GnosisPreset:
		cfg.SlotDuration = 5 * time.Second
		cfg.ChurnLimitQuotient = 4096
		cfg.MaxBlobsPerBlock, cfg.MaxBlobsPerBlockElectra = 2, 2
		cfg.MinEpochsForBlobSidecarsRequests, cfg.MinEpochsForDataColumnSidecarsRequests = 16384, 16384
		cfg.MinEpochsForBlockRequests = 33024
		cfg.setVersions(0x64)
	}
	return cfg
}

// setVersions sets the last byte of all fork versions, which tells networks apart.
func (c *Config) setVersions(last byte) {
	for f := range c.Forks {
		c.Forks[f].Version[3] = last
	}
}

func (c *Config) clone() Config {
	clone := *c
	clone.BlobSchedule = slices.Clone(c.BlobSchedule)
	return clone
}
