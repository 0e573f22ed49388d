package beacontest

import (
	fastssz "github.com/ferranbt/fastssz"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

// blockHeader returns the header of a block, whose root is the block's.
func blockHeader(b ssz.SignedBlock) containers.BeaconBlockHeader {
	body := field(b, "Message.Body").Addr().Interface()
	root, err := body.(interface{ HashTreeRoot() ([32]byte, error) }).HashTreeRoot()
	if err != nil {
		panic(err)
	}
	return containers.BeaconBlockHeader{
		Slot: b.Slot(), ProposerIndex: b.ProposerIndex(),
		ParentRoot: b.ParentRoot(), StateRoot: b.StateRoot(), BodyRoot: root,
	}
}

// signedHeader returns the header of a block with the block's signature.
func signedHeader(b ssz.SignedBlock) containers.SignedBeaconBlockHeader {
	return containers.SignedBeaconBlockHeader{
		Message: blockHeader(b), Signature: field(b, "Signature").Interface().([96]byte),
	}
}

// A blob is a blob with what proves it.
type blob struct {
	Commitment [48]byte
	Proof      [48]byte // of the blob
	Cells      [beacon.NumberOfColumns][cellSize]byte
	Proofs     [beacon.NumberOfColumns][48]byte // of the cells
}

// cellSize is BYTES_PER_CELL.
const cellSize = 2048

// madeUp returns the blobs of a block of the chain that is made up: all zero, with commitments that no blob has.
func madeUp(slot ssz.Slot) []*blob {
	all := make([]*blob, Blobs)
	for i := range all {
		all[i] = &blob{Commitment: [48]byte{0xc0, byte(slot), byte(i)}}
	}
	return all
}

func commitmentsOf(blobs []*blob) [][48]byte {
	all := make([][48]byte, len(blobs))
	for i, b := range blobs {
		all[i] = b.Commitment
	}
	return all
}

// Where blob_kzg_commitments are in the tree of a block's body, and the first of them.
const (
	commitmentsNode = 16 + 11
	commitmentNode  = commitmentsNode * 2 * 4096
)

// prove returns the branch of a node in the tree of a block's body.
func prove(b ssz.SignedBlock, node int) []ssz.Root {
	tree, err := fastssz.ProofTree(field(b, "Message.Body").Addr().Interface().(fastssz.HashRootProof))
	if err != nil {
		panic(err)
	}
	proof, err := tree.Prove(node)
	if err != nil {
		panic(err)
	}
	branch := make([]ssz.Root, len(proof.Hashes))
	for i, hash := range proof.Hashes {
		branch[i] = ssz.Root(hash)
	}
	return branch
}

// addSidecars adds the sidecars of a block that has some blobs: those of the fork.
func (c *Chain) addSidecars(slot ssz.Slot, root ssz.Root, block ssz.SignedBlock, blobs []*blob) {
	switch fork := c.Fork(slot); {
	case len(blobs) == 0:
	case fork >= ssz.Fulu:
		c.addColumns(slot, root, block, blobs)
	case fork >= ssz.Deneb:
		c.addBlobs(slot, root, block, blobs)
	}
}

func (c *Chain) addBlobs(slot ssz.Slot, root ssz.Root, block ssz.SignedBlock, blobs []*blob) {
	header := signedHeader(block)
	for index, b := range blobs {
		sidecar := &containers.BlobSidecar{
			Index: uint64(index), KZGCommitment: b.Commitment, KZGProof: b.Proof, SignedBlockHeader: header,
		}
		for i, cell := range b.Cells[:len(b.Cells)/2] { // the others are the extension
			copy(sidecar.Blob[i*cellSize:], cell[:])
		}
		for i, hash := range prove(block, commitmentNode+index) {
			sidecar.KZGCommitmentInclusionProof[i] = hash
		}
		c.Blobs = append(c.Blobs, newItem(slot, root, uint64(index), Encode(sidecar)))
	}
}

func (c *Chain) addColumns(slot ssz.Slot, root ssz.Root, block ssz.SignedBlock, blobs []*blob) {
	gloas := c.Fork(slot) >= ssz.Gloas
	var ofBlock containers.DataColumnSidecar // what all sidecars of the block have
	if !gloas {
		ofBlock.KZGCommitments, ofBlock.SignedBlockHeader = commitmentsOf(blobs), signedHeader(block)
		for i, hash := range prove(block, commitmentsNode) {
			ofBlock.KZGCommitmentsInclusionProof[i] = hash
		}
	}
	for index := range c.columns {
		var cells [][cellSize]byte
		var proofs [][48]byte
		for _, b := range blobs {
			cells, proofs = append(cells, b.Cells[index]), append(proofs, b.Proofs[index])
		}
		var sidecar ssz.Object
		if gloas {
			sidecar = &containers.DataColumnSidecarGloas{
				Index: index, Column: cells, KZGProofs: proofs, Slot: uint64(slot), BeaconBlockRoot: root,
			}
		} else {
			s := ofBlock
			s.Index, s.Column, s.KZGProofs = index, cells, proofs
			sidecar = &s
		}
		c.Columns = append(c.Columns, newItem(slot, root, index, Encode(sidecar)))
	}
}

// update returns an update of any kind that attests a slot.
func (c *Chain) update(name string, attested ssz.Slot) *Item {
	update := Object(name, c.Fork(attested))
	Set(update, "AttestedHeader.Beacon.Slot", attested)
	Set(update, "SignatureSlot", attested+1)
	return newItem(attested, ssz.Root{}, 0, Encode(update))
}

func (c *Chain) addList(slot ssz.Slot, validator uint64) {
	list := Object("SignedInclusionList", ssz.Heze)
	Set(list, "Message.Slot", slot)
	Set(list, "Message.ValidatorIndex", validator)
	Set(list, "Message.DependentRoot", c.Dependent)
	Set(list, "Message.Transactions", [][]byte{{byte(slot), byte(validator)}})
	c.Lists = append(c.Lists, newItem(slot, c.Dependent, validator, Encode(list)))
}
