package record

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A ForkID is ENRForkID of the consensus specs, the value of the eth2 entry: which fork a node is on,
// and which one it knows of next.
type ForkID struct {
	Digest      ssz.ForkDigest // that of the fork which it is on
	NextVersion ssz.Version    // the current one if no fork with another is scheduled
	NextEpoch   ssz.Epoch      // FarFutureEpoch if nothing is scheduled
}

const forkIDSize = 16

// ErrForkID is returned for bytes that are no ENRForkID.
var ErrForkID = errors.New("discovery: malformed eth2 entry")

// ForkIDAt returns what a node of a network announces in an epoch.
func ForkIDAt(n *ssz.Network, e ssz.Epoch) ForkID {
	now := n.PeriodAt(e)
	id := ForkID{Digest: now.Digest, NextVersion: now.Version, NextEpoch: ssz.FarFutureEpoch}
	for _, p := range n.Periods() {
		if p.First <= e {
			continue
		}
		// The next period may just change the blob parameters; the next version is that of the next fork.
		id.NextEpoch = min(id.NextEpoch, p.First)
		if p.Version != now.Version {
			id.NextVersion = p.Version
			break
		}
	}
	return id
}

// NextDigestAt returns the nfd entry in an epoch: the digest of the next period, or zero if none is
// scheduled.
func NextDigestAt(n *ssz.Network, e ssz.Epoch) ssz.ForkDigest {
	last := n.PeriodAt(e).Last
	if last == ssz.FarFutureEpoch {
		return ssz.ForkDigest{}
	}
	return n.DigestAt(last + 1)
}

// AppendSSZ appends the SSZ encoding.
func (id ForkID) AppendSSZ(dst []byte) []byte {
	dst = append(dst, id.Digest[:]...)
	dst = append(dst, id.NextVersion[:]...)
	return binary.LittleEndian.AppendUint64(dst, uint64(id.NextEpoch))
}

// DecodeForkID decodes the SSZ encoding. The error wraps ErrForkID.
func DecodeForkID(b []byte) (ForkID, error) {
	if len(b) != forkIDSize {
		return ForkID{}, fmt.Errorf("%w: %d bytes, want %d", ErrForkID, len(b), forkIDSize)
	}
	return ForkID{
		Digest:      ssz.ForkDigest(b[:4]),
		NextVersion: ssz.Version(b[4:8]),
		NextEpoch:   ssz.Epoch(binary.LittleEndian.Uint64(b[8:])),
	}, nil
}
