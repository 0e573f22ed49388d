package ssz

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// A Period is a span of epochs in which neither the fork nor, from Fulu on, the blob parameters
// change. Each has a fork digest of its own. The periods of a network cover all epochs.
type Period struct {
	First, Last Epoch // both inclusive; Last is FarFutureEpoch in the last period
	Fork        Fork
	Version     Version
	Digest      ForkDigest
	// Blobs is get_blob_parameters of the consensus specs from Electra on, MAX_BLOBS_PER_BLOCK from
	// Deneb's activation on before that, and zero before Deneb.
	Blobs BlobParameters
}

// newSchedule derives the periods from a validated configuration.
func newSchedule(cfg *Config, genesisValidatorsRoot Root) ([]Period, error) {
	var periods []Period
	for _, first := range cfg.boundaries() {
		fork := cfg.forkAt(first)
		p := Period{
			First:   first,
			Last:    FarFutureEpoch,
			Fork:    fork,
			Version: cfg.Forks[fork].Version,
			Blobs:   cfg.blobsAt(first),
		}
		p.Digest = p.forkDigest(genesisValidatorsRoot)
		for _, other := range periods {
			if other.Digest == p.Digest {
				return nil, fmt.Errorf("%w: %v from epoch %d and %v from epoch %d have the same fork digest %v",
					ErrConfig, other.Fork, other.First, fork, first, p.Digest)
			}
		}
		if n := len(periods); n > 0 {
			periods[n-1].Last = first - 1
		}
		periods = append(periods, p)
	}
	return periods, nil
}

// boundaries returns the epochs at which a period begins, ascending and without duplicates.
func (c *Config) boundaries() []Epoch {
	epochs := []Epoch{0}
	for _, f := range c.Forks {
		epochs = append(epochs, f.Epoch)
	}
	for _, b := range c.BlobSchedule {
		if b.Epoch > c.Forks[Fulu].Epoch {
			epochs = append(epochs, b.Epoch)
		}
	}
	slices.Sort(epochs)
	epochs = slices.Compact(epochs)
	return slices.DeleteFunc(epochs, func(e Epoch) bool { return e == FarFutureEpoch })
}

// forkAt returns the youngest fork that is active at an epoch.
func (c *Config) forkAt(e Epoch) Fork {
	for f := Heze; f > Phase0; f-- {
		if at := c.Forks[f].Epoch; at <= e && at != FarFutureEpoch {
			return f
		}
	}
	return Phase0
}

func (c *Config) blobsAt(e Epoch) BlobParameters {
	fork := c.forkAt(e)
	switch {
	case fork < Deneb:
		return BlobParameters{}
	case fork < Electra:
		return BlobParameters{c.Forks[Deneb].Epoch, c.MaxBlobsPerBlock}
	case fork >= Fulu:
		for _, b := range slices.Backward(c.BlobSchedule) {
			if e >= b.Epoch {
				return b
			}
		}
	}
	return BlobParameters{c.Forks[Electra].Epoch, c.MaxBlobsPerBlockElectra}
}

// forkDigest is compute_fork_digest of the consensus specs.
func (p *Period) forkDigest(genesisValidatorsRoot Root) ForkDigest {
	var forkData [64]byte // the two leaves of ForkData
	copy(forkData[:32], p.Version[:])
	copy(forkData[32:], genesisValidatorsRoot[:])
	root := sha256.Sum256(forkData[:])
	if p.Fork >= Fulu {
		var params [16]byte
		binary.LittleEndian.PutUint64(params[:8], uint64(p.Blobs.Epoch))
		binary.LittleEndian.PutUint64(params[8:], p.Blobs.MaxBlobsPerBlock)
		for i, b := range sha256.Sum256(params[:]) {
			root[i] ^= b
		}
	}
	return ForkDigest(root[:4])
}
