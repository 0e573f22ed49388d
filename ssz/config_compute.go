package ssz

import (
	"cmp"
	"math"
	"math/bits"
)

// ComputeMinEpochsForBlockRequests returns for how many epochs back a node has to serve blocks: what the
// configuration states, or else compute_min_epochs_for_block_requests of the consensus specs.
func (c *Config) ComputeMinEpochsForBlockRequests() uint64 {
	sum, carry := bits.Add64(c.MinValidatorWithdrawabilityDelay, c.ChurnLimitQuotient/2, 0)
	if carry != 0 {
		sum = math.MaxUint64
	}
	return cmp.Or(c.MinEpochsForBlockRequests, sum)
}

// ComputeMaxRequestBlobSidecars returns the most blob sidecars of one request in a fork: what the
// configuration states, or else compute_max_request_blob_sidecars of the consensus specs.
func (c *Config) ComputeMaxRequestBlobSidecars(f Fork) uint64 {
	if f >= Electra {
		return cmp.Or(c.MaxRequestBlobSidecarsElectra, saturating(c.MaxRequestBlocksDeneb, c.MaxBlobsPerBlockElectra))
	}
	return cmp.Or(c.MaxRequestBlobSidecars, saturating(c.MaxRequestBlocksDeneb, c.MaxBlobsPerBlock))
}

// ComputeMaxRequestDataColumnSidecars returns the most data column sidecars of one request: what the
// configuration states, or else compute_max_request_data_column_sidecars of the consensus specs.
func (c *Config) ComputeMaxRequestDataColumnSidecars() uint64 {
	columns := saturating(c.MaxRequestBlocksDeneb, numberOfColumns[c.Preset.orMainnet()])
	return cmp.Or(c.MaxRequestDataColumnSidecars, columns)
}

// ComputeMaxSignedInclusionListSize returns MAX_SIGNED_INCLUSION_LIST_SIZE of the consensus specs, in
// bytes: each byte of the transactions may be a transaction of its own, which has an offset of 4 bytes.
func (c *Config) ComputeMaxSignedInclusionListSize() uint64 {
	return 152 + 5*c.MaxTransactionsBytesPerInclusionList
}

// saturating returns a*b, or the largest number if that is larger.
func saturating(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi != 0 {
		return math.MaxUint64
	}
	return lo
}
