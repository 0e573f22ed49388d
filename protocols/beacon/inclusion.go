package beacon

import (
	"crypto/sha256"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// Where things lie in a SignedBeaconBlockHeader, and what is behind it in both kinds of sidecars.
const (
	bodyRootAt       = 8 + 8 + 32 + 32
	signedHeaderSize = headerSize + 96
)

// Where blob_kzg_commitments are in the tree of a BeaconBlockBody: it is the twelfth field of no more
// than sixteen, and a list of up to MAX_BLOB_COMMITMENTS_PER_BLOCK, 4096.
const (
	commitmentsIndex = 11
	commitmentsDepth = 4  // KZG_COMMITMENTS_INCLUSION_PROOF_DEPTH
	commitmentDepth  = 17 // KZG_COMMITMENT_INCLUSION_PROOF_DEPTH
	maxCommitments   = 1 << 12
	commitmentSize   = 48
)

var commitmentsShape = shape.List(shape.ByteVector(commitmentSize), maxCommitments)

// rootOfBranch returns the root of a tree that has a leaf at an index, and this branch of siblings, the
// leaf's own first.
func rootOfBranch(leaf [32]byte, branch []byte, index uint64) [32]byte {
	var pair [64]byte
	for ; len(branch) > 0; branch = branch[32:] {
		at := index & 1 << 5
		copy(pair[at:], leaf[:])
		copy(pair[at^32:], branch[:32])
		leaf = sha256.Sum256(pair[:])
		index >>= 1
	}
	return leaf
}
