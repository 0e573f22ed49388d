package bls

import (
	"crypto/sha256"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A DomainType separates signatures of one purpose from those of others.
type DomainType [4]byte

// Domain types of the consensus specs.
var (
	DomainBeaconProposer = DomainType{0}
	DomainSyncCommittee  = DomainType{7}
)

// SigningRoot is compute_signing_root of the specs: the message that is signed for an object, under compute_domain of
// a type, the fork version of an epoch and the network's genesis validators root.
func SigningRoot(n *ssz.Network, t DomainType, epoch ssz.Epoch, object ssz.Root) [32]byte {
	version, genesis := n.PeriodAt(epoch).Version, n.GenesisValidatorsRoot()
	var pair [64]byte // the leaves of ForkData, then those of SigningData
	copy(pair[:32], version[:])
	copy(pair[32:], genesis[:])
	forkData := sha256.Sum256(pair[:])

	copy(pair[:], object[:])
	copy(pair[32:], t[:])
	copy(pair[36:], forkData[:28])
	return sha256.Sum256(pair[:])
}
