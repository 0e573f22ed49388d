package ssz

import (
	"fmt"
	"math"
	"time"
)

// maxBlobCommitments is MAX_BLOB_COMMITMENTS_PER_BLOCK, the same in all presets.
const maxBlobCommitments = 4096

// NumberOfCustodyGroups is NUMBER_OF_CUSTODY_GROUPS, the same in all networks.
const NumberOfCustodyGroups = 128

func (c *Config) validate() error {
	if c.Preset >= presetCount {
		return fmt.Errorf("%w: preset %v: want %s", ErrConfig, c.Preset, wantPreset)
	}
	if err := c.validateForks(); err != nil {
		return err
	}
	if err := c.validateBlobSchedule(); err != nil {
		return err
	}
	if c.SlotDuration < time.Millisecond {
		return fmt.Errorf("%w: slot duration %v: want at least 1ms", ErrConfig, c.SlotDuration)
	}
	for _, v := range []struct {
		name     string
		value    uint64
		min, max uint64
	}{
		{"MAX_PAYLOAD_SIZE", c.MaxPayloadSize, 1, math.MaxInt32},
		{"MAX_REQUEST_BLOCKS", c.MaxRequestBlocks, 1, math.MaxInt32},
		{"MAX_REQUEST_BLOCKS_DENEB", c.MaxRequestBlocksDeneb, 1, math.MaxInt32},
		{"MAX_REQUEST_PAYLOADS", c.MaxRequestPayloads, 1, math.MaxInt32},
		{"MAX_BLOBS_PER_BLOCK", c.MaxBlobsPerBlock, 0, maxBlobCommitments},
		{"MAX_BLOBS_PER_BLOCK_ELECTRA", c.MaxBlobsPerBlockElectra, 0, maxBlobCommitments},
		{"MAX_REQUEST_INCLUSION_LIST", c.MaxRequestInclusionList, 1, math.MaxInt32},
		{"MAX_TRANSACTIONS_BYTES_PER_INCLUSION_LIST", c.MaxTransactionsBytesPerInclusionList, 1, math.MaxInt32},
		{"MAX_REQUEST_BLOB_SIDECARS", c.MaxRequestBlobSidecars, 0, math.MaxInt32},
		{"MAX_REQUEST_BLOB_SIDECARS_ELECTRA", c.MaxRequestBlobSidecarsElectra, 0, math.MaxInt32},
		{"MAX_REQUEST_DATA_COLUMN_SIDECARS", c.MaxRequestDataColumnSidecars, 0, math.MaxInt32},
		{"CUSTODY_REQUIREMENT", c.CustodyRequirement, 0, NumberOfCustodyGroups},
	} {
		if v.value < v.min || v.value > v.max {
			return fmt.Errorf("%w: %s %d: want %d to %d", ErrConfig, v.name, v.value, v.min, v.max)
		}
	}
	return nil
}

func (c *Config) validateForks() error {
	if e := c.Forks[Phase0].Epoch; e != 0 {
		return fmt.Errorf("%w: phase0 at epoch %d: want 0", ErrConfig, e)
	}
	for f := Altair; f <= Heze; f++ {
		switch before := c.Forks[f-1].Epoch; {
		case c.Forks[f].Epoch >= before:
		case before == FarFutureEpoch:
			return fmt.Errorf("%w: %v at epoch %d: want %v before it, which is not scheduled",
				ErrConfig, f, c.Forks[f].Epoch, f-1)
		default:
			return fmt.Errorf("%w: %v at epoch %d: want %d or later, the epoch of %v",
				ErrConfig, f, c.Forks[f].Epoch, before, f-1)
		}
	}
	return nil
}

func (c *Config) validateBlobSchedule() error {
	for i, b := range c.BlobSchedule {
		if i > 0 && b.Epoch <= c.BlobSchedule[i-1].Epoch {
			return fmt.Errorf("%w: BLOB_SCHEDULE entry %d at epoch %d: want an epoch after %d, that of the entry before",
				ErrConfig, i, b.Epoch, c.BlobSchedule[i-1].Epoch)
		}
		if b.MaxBlobsPerBlock > maxBlobCommitments {
			return fmt.Errorf("%w: BLOB_SCHEDULE entry %d with MAX_BLOBS_PER_BLOCK %d: want at most %d",
				ErrConfig, i, b.MaxBlobsPerBlock, maxBlobCommitments)
		}
	}
	return nil
}
