package beacon

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/libp2p/go-libp2p/core/crypto/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/crypto/sha3"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// NumberOfColumns is NUMBER_OF_COLUMNS of the consensus specs: how many data columns a block's blobs have.
const NumberOfColumns = 128

// A NodeID is the ID of a node in discovery, which its custody of data columns follows from. It is a
// number in big-endian order.
type NodeID [32]byte

// NodeIDOf returns the node ID of a peer, which is the Keccak-256 hash of its public key. The error tells that the
// peer's key is not a secp256k1 key, the only kind of which the specs define node IDs.
func NodeIDOf(id peer.ID) (NodeID, error) {
	key, err := id.ExtractPublicKey()
	if err != nil {
		return NodeID{}, fmt.Errorf("beacon: public key of peer %v: %w", id, err)
	}
	if key.Type() != pb.KeyType_Secp256k1 {
		return NodeID{}, fmt.Errorf("beacon: peer %v has a key of type %v, want Secp256k1", id, key.Type())
	}
	raw, err := key.Raw()
	if err != nil {
		return NodeID{}, fmt.Errorf("beacon: public key of peer %v: %w", id, err)
	}
	point, err := secp256k1.ParsePubKey(raw)
	if err != nil {
		return NodeID{}, fmt.Errorf("beacon: public key of peer %v: %w", id, err)
	}
	hash := sha3.NewLegacyKeccak256()
	hash.Write(point.SerializeUncompressed()[1:]) // without the byte that tells the form
	return NodeID(hash.Sum(nil)), nil
}

// CustodyGroups is get_custody_groups of the specs: the custody groups of a node with a custody group count, in
// ascending order. A larger count adds groups to those of a smaller one. A count above NUMBER_OF_CUSTODY_GROUPS stands
// for all groups.
func CustodyGroups(id NodeID, count uint64) []uint64 {
	count = min(count, ssz.NumberOfCustodyGroups)
	groups := make([]uint64, 0, count)
	if count == ssz.NumberOfCustodyGroups {
		for group := range uint64(ssz.NumberOfCustodyGroups) {
			groups = append(groups, group)
		}
		return groups
	}
	number := id
	slices.Reverse(number[:]) // It is hashed, and counted up, in little-endian order.
	for uint64(len(groups)) < count {
		hash := sha256.Sum256(number[:])
		if group := binary.LittleEndian.Uint64(hash[:]) % ssz.NumberOfCustodyGroups; !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
		for i := range number {
			if number[i]++; number[i] != 0 {
				break
			}
		}
	}
	slices.Sort(groups)
	return groups
}

// CustodyColumns returns the data columns of a node with a custody group count, in ascending order: those of
// compute_columns_for_custody_group of the specs for each of its [CustodyGroups].
func CustodyColumns(id NodeID, count uint64) (columns []uint64) {
	for _, group := range CustodyGroups(id, count) {
		for i := range uint64(NumberOfColumns / ssz.NumberOfCustodyGroups) {
			columns = append(columns, ssz.NumberOfCustodyGroups*i+group)
		}
	}
	slices.Sort(columns)
	return columns
}
