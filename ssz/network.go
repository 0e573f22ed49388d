package ssz

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

// A Network is what identifies a chain and fixes its types: a configuration, a genesis, and the
// schedule of forks and fork digests that follow from them. It is immutable; its methods may be
// called concurrently.
type Network struct {
	cfg                   Config
	genesisTime           time.Time
	genesisValidatorsRoot Root
	periods               []Period               // ascending; the first begins at epoch 0
	blocks                [lastBlocks + 1]Type   // SignedBeaconBlock by fork
	messages              [lastBlocks + 1]*Shape // of BeaconBlock by fork
	byRoot, byRootDeneb   *Shape                 // of BeaconBlocksByRootRequest
	inclusionList         *Shape                 // of SignedInclusionList
}

// NewNetwork returns the network of a configuration and a genesis. Configuration files hold
// neither the time nor the validators root of the genesis; they come with the genesis state, or
// from the genesis call of the beacon API.
//
// The error wraps [ErrConfig] if a value is out of range, if a fork is scheduled before its
// predecessor, if the blob schedule does not ascend, or if two periods share a fork digest.
func NewNetwork(cfg Config, genesisTime time.Time, genesisValidatorsRoot Root) (*Network, error) {
	cfg = cfg.clone()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	// Far from here the arithmetic of package time overflows.
	if s := genesisTime.Unix(); s < 0 || s > math.MaxUint32 {
		return nil, fmt.Errorf("%w: genesis time %d: want Unix seconds from 0 to %d", ErrConfig, s, uint32(math.MaxUint32))
	}
	periods, err := newSchedule(&cfg, genesisValidatorsRoot)
	if err != nil {
		return nil, err
	}
	n := &Network{
		cfg:                   cfg,
		genesisTime:           genesisTime,
		genesisValidatorsRoot: genesisValidatorsRoot,
		periods:               periods,
	}
	return n, n.resolveTypes()
}

// resolveTypes looks up the types that are in use with every request. It cannot fail.
func (n *Network) resolveTypes() (err error) {
	n.inclusionList = (*containers.SignedInclusionList)(nil).Shape().UpTo(n.cfg.ComputeMaxSignedInclusionListSize())
	for fork := range n.blocks {
		if n.blocks[fork], err = n.TypeOf(Fork(fork), "SignedBeaconBlock"); err != nil {
			return err
		}
		if n.messages[fork], err = n.ShapeOf(Fork(fork), "BeaconBlock"); err != nil {
			return err
		}
	}
	if n.byRoot, err = n.ShapeOf(Phase0, "BeaconBlocksByRootRequest"); err != nil {
		return err
	}
	n.byRootDeneb, err = n.ShapeOf(Deneb, "BeaconBlocksByRootRequest")
	return err
}

// Config returns a copy of the network's configuration.
func (n *Network) Config() Config { return n.cfg.clone() }

// Preset returns the preset of the network's configuration.
func (n *Network) Preset() Preset { return n.cfg.Preset }

// GenesisTime returns the time at which slot 0 begins.
func (n *Network) GenesisTime() time.Time { return n.genesisTime }

// GenesisValidatorsRoot returns the root that tells networks of one configuration apart.
func (n *Network) GenesisValidatorsRoot() Root { return n.genesisValidatorsRoot }

// Periods returns the network's schedule in ascending order. The caller owns the slice.
func (n *Network) Periods() []Period { return slices.Clone(n.periods) }

// PeriodAt returns the period that an epoch belongs to.
func (n *Network) PeriodAt(e Epoch) Period {
	for i := len(n.periods) - 1; i > 0; i-- {
		if n.periods[i].First <= e {
			return n.periods[i]
		}
	}
	return n.periods[0]
}

// PeriodOf returns the period that a fork digest names. It reports false if the digest is none of
// this network.
func (n *Network) PeriodOf(d ForkDigest) (Period, bool) {
	for _, p := range n.periods {
		if p.Digest == d {
			return p, true
		}
	}
	return Period{}, false
}

// ForkAt returns the fork of an epoch.
func (n *Network) ForkAt(e Epoch) Fork { return n.PeriodAt(e).Fork }

// DigestAt returns the fork digest of an epoch.
func (n *Network) DigestAt(e Epoch) ForkDigest { return n.PeriodAt(e).Digest }

// ForkOf returns the fork that a fork digest belongs to. It reports false if the digest is none
// of this network.
func (n *Network) ForkOf(d ForkDigest) (Fork, bool) {
	p, ok := n.PeriodOf(d)
	return p.Fork, ok
}

// EpochOf returns the epoch of a slot.
func (n *Network) EpochOf(s Slot) Epoch { return Epoch(uint64(s) / n.cfg.Preset.SlotsPerEpoch()) }

// SyncCommitteePeriodOf returns the sync committee period of a slot.
func (n *Network) SyncCommitteePeriodOf(s Slot) uint64 {
	return uint64(n.EpochOf(s)) / n.cfg.Preset.EpochsPerSyncCommitteePeriod()
}

// StartSlot returns the first slot of an epoch, or the last slot of all if the epoch begins after
// that.
func (n *Network) StartSlot(e Epoch) Slot {
	hi, lo := bits.Mul64(uint64(e), n.cfg.Preset.SlotsPerEpoch())
	if hi != 0 {
		return math.MaxUint64
	}
	return Slot(lo)
}

// SlotAt returns the slot of a time, which is 0 before genesis. Times more than 292 years after
// genesis count as 292 years.
func (n *Network) SlotAt(t time.Time) Slot {
	return Slot(max(0, t.Sub(n.genesisTime)) / n.cfg.SlotDuration)
}

// TimeAt returns the time at which a slot begins, at most 292 years after genesis.
func (n *Network) TimeAt(s Slot) time.Time {
	if last := Slot(math.MaxInt64 / n.cfg.SlotDuration); s > last {
		s = last
	}
	return n.genesisTime.Add(time.Duration(s) * n.cfg.SlotDuration)
}

// MaxRequestBlocks returns the most blocks that may be asked for in one request at an epoch:
// MAX_REQUEST_BLOCKS, or MAX_REQUEST_BLOCKS_DENEB from Deneb on.
func (n *Network) MaxRequestBlocks(e Epoch) uint64 {
	return n.cfg.maxRequestBlocks(n.ForkAt(e))
}

// BeaconBlocksByRootShape returns the shape of a [BeaconBlocksByRootRequest] at an epoch.
func (n *Network) BeaconBlocksByRootShape(e Epoch) *Shape {
	if n.ForkAt(e) >= Deneb {
		return n.byRootDeneb
	}
	return n.byRoot
}

// MinEpochsForBlockRequests is [Config.ComputeMinEpochsForBlockRequests] of the network's configuration.
func (n *Network) MinEpochsForBlockRequests() uint64 { return n.cfg.ComputeMinEpochsForBlockRequests() }

// BlobParametersAt returns the blob parameters of an epoch, as [Period] defines them.
func (n *Network) BlobParametersAt(e Epoch) BlobParameters { return n.PeriodAt(e).Blobs }
