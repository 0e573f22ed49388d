package lightclient

import (
	"crypto/sha256"
	"math/bits"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Generalized indices that the specs prove light client data by.
type gindices struct{ finalizedRoot, currentCommittee, nextCommittee uint64 }

// stateGindices returns those of a fork's BeaconState: finalized_root_gindex_at_slot and its siblings in the specs.
func stateGindices(fork ssz.Fork) gindices {
	switch {
	case fork >= ssz.Gloas:
		return gindices{735, 2945, 2946}
	case fork >= ssz.Electra:
		return gindices{169, 86, 87}
	default:
		return gindices{105, 54, 55}
	}
}

// Generalized indices within a BeaconBlockBody.
const (
	executionPayloadGindex        = 25   // EXECUTION_PAYLOAD_GINDEX
	executionBlockHashGindex      = 412  // EXECUTION_BLOCK_HASH_GINDEX, of Capella
	executionBlockHashGindexDeneb = 812  // EXECUTION_BLOCK_HASH_GINDEX_DENEB
	executionBlockHashGindexGloas = 2856 // EXECUTION_BLOCK_HASH_GINDEX_GLOAS
)

// isValidBranch is is_valid_normalized_merkle_branch of the specs. The branch is the encoding of a vector of roots,
// which may have zero roots in front of those that the index needs.
func isValidBranch(leaf ssz.Root, branch []byte, gindex uint64, root ssz.Root) bool {
	depth := bits.Len64(gindex) - 1
	extra := len(branch) - 32*depth
	if extra < 0 || !isZero(branch[:extra]) {
		return false
	}
	var pair [64]byte
	for branch = branch[extra:]; len(branch) > 0; branch = branch[32:] {
		at := gindex & 1 << 5
		copy(pair[at:], leaf[:])
		copy(pair[at^32:], branch[:32])
		leaf = sha256.Sum256(pair[:])
		gindex >>= 1
	}
	return leaf == root
}

// sibling returns the first root of a branch that the index needs, which is that of the leaf's sibling.
func sibling(branch []byte, gindex uint64) []byte {
	return branch[len(branch)-32*(bits.Len64(gindex)-1):][:32]
}

func isZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
