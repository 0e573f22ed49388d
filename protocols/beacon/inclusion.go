package beacon

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz"
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

// checkInclusion is verify_blob_sidecar_inclusion_proof of the specs.
func (b *BlobSidecar) checkInclusion() error {
	const commitmentAt = 8 + 131072
	if b.Index >= maxCommitments {
		return fmt.Errorf("%w: blob %d of slot %d", ErrUnexpectedIndex, b.Index, b.Slot)
	}
	var padded [64]byte
	copy(padded[:], b.SSZ[commitmentAt:commitmentAt+commitmentSize])
	header := b.SSZ[blobHeaderAt:]
	branch := header[signedHeaderSize:][:commitmentDepth*32]
	// Below the list's root its length is on the right.
	index := commitmentsIndex*2*maxCommitments + b.Index
	if rootOfBranch(sha256.Sum256(padded[:]), branch, index) != [32]byte(header[bodyRootAt:]) {
		return fmt.Errorf("%w: blob %d of slot %d", ErrNotIncluded, b.Index, b.Slot)
	}
	return nil
}

// checkForm is verify_data_column_sidecar of the specs as far as the sidecar itself goes, and then
// verify_data_column_sidecar_inclusion_proof. From Gloas on a sidecar has no such proof.
func (d *DataColumnSidecar) checkForm(n *ssz.Network) error {
	column, commitments, proofs := d.parts()
	cells := uint64(len(column) / cellSize)
	most := n.BlobParametersAt(n.EpochOf(d.Slot)).MaxBlobsPerBlock
	switch {
	case d.Index >= numberOfColumns:
		return fmt.Errorf("%w: column %d of slot %d", ErrUnexpectedIndex, d.Index, d.Slot)
	case cells == 0 || cells > most:
		return fmt.Errorf("%w: column of %d cells in slot %d, want 1 to %d", ErrMalformed, cells, d.Slot, most)
	case uint64(len(proofs)/commitmentSize) != cells:
		return fmt.Errorf("%w: %d proofs for %d cells in slot %d", ErrMalformed, len(proofs)/commitmentSize, cells, d.Slot)
	case d.Fork >= ssz.Gloas:
		return nil
	case uint64(len(commitments)/commitmentSize) != cells:
		return fmt.Errorf("%w: %d commitments for %d cells in slot %d", ErrMalformed, len(commitments)/commitmentSize, cells, d.Slot)
	}
	return d.checkInclusion(commitments)
}

func (d *DataColumnSidecar) checkInclusion(commitments []byte) error {
	leaf, err := commitmentsShape.Root(commitments)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	header := d.SSZ[columnHeaderAt:]
	branch := header[signedHeaderSize:][:commitmentsDepth*32]
	if rootOfBranch(leaf, branch, commitmentsIndex) != [32]byte(header[bodyRootAt:]) {
		return fmt.Errorf("%w: column %d of slot %d", ErrNotIncluded, d.Index, d.Slot)
	}
	return nil
}

// parts returns the SSZ of the lists of a sidecar, which is well formed. From Gloas on there are no
// commitments.
func (d *DataColumnSidecar) parts() (column, commitments, proofs []byte) {
	offset := func(i int) int { return int(binary.LittleEndian.Uint32(d.SSZ[8+4*i:])) }
	if d.Fork >= ssz.Gloas {
		return d.SSZ[offset(0):offset(1)], nil, d.SSZ[offset(1):]
	}
	return d.SSZ[offset(0):offset(1)], d.SSZ[offset(1):offset(2)], d.SSZ[offset(2):]
}

// cellSize is BYTES_PER_CELL.
const cellSize = 2048

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
