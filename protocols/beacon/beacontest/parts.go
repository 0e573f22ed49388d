package beacontest

import (
	"reflect"

	fastssz "github.com/ferranbt/fastssz"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

// blockHeader returns the header of a block, whose root is the block's.
func blockHeader(b ssz.SignedBlock) containers.BeaconBlockHeader {
	body := reflect.ValueOf(b).Elem().FieldByName("Message").FieldByName("Body").Addr().Interface()
	root, err := body.(interface{ HashTreeRoot() ([32]byte, error) }).HashTreeRoot()
	if err != nil {
		panic(err)
	}
	return containers.BeaconBlockHeader{
		Slot: b.Slot(), ProposerIndex: b.ProposerIndex(),
		ParentRoot: b.ParentRoot(), StateRoot: b.StateRoot(), BodyRoot: root,
	}
}

// commitments are those of the blobs of a block. No blob has them.
func commitments(slot ssz.Slot) [][48]byte {
	all := make([][48]byte, Blobs)
	for i := range all {
		all[i] = [48]byte{0xc0, byte(slot), byte(i)}
	}
	return all
}

// Where blob_kzg_commitments are in the tree of a block's body, and the first of them.
const (
	commitmentsNode = 16 + 11
	commitmentNode  = commitmentsNode * 2 * 4096
)

// prove returns the branch of a node in the tree of a block's body.
func prove(b ssz.SignedBlock, node int) [][]byte {
	body := reflect.ValueOf(b).Elem().FieldByName("Message").FieldByName("Body").Addr().Interface()
	tree, err := fastssz.ProofTree(body.(fastssz.HashRootProof))
	if err != nil {
		panic(err)
	}
	proof, err := tree.Prove(node)
	if err != nil {
		panic(err)
	}
	return proof.Hashes
}

func (c *Chain) addBlobs(slot ssz.Slot, root ssz.Root, block ssz.SignedBlock) {
	for index := range uint64(Blobs) {
		sidecar := Object("BlobSidecar", c.Fork(slot))
		Set(sidecar, "Index", index)
		Set(sidecar, "KZGCommitment", commitments(slot)[index])
		Set(sidecar, "SignedBlockHeader.Message", blockHeader(block))
		branch := sidecar.(*containers.BlobSidecar).KZGCommitmentInclusionProof[:]
		for i, hash := range prove(block, commitmentNode+int(index)) {
			branch[i] = [32]byte(hash)
		}
		c.Blobs = append(c.Blobs, c.item(slot, root, index, sidecar))
	}
}

func (c *Chain) addColumns(slot ssz.Slot, root ssz.Root, block ssz.SignedBlock) {
	fork := c.Fork(slot)
	for index := range uint64(Columns) {
		sidecar := Object("DataColumnSidecar", fork)
		Set(sidecar, "Index", index)
		Set(sidecar, "Column", make([][2048]byte, Blobs))
		Set(sidecar, "KZGProofs", make([][48]byte, Blobs))
		if fork >= ssz.Gloas {
			Set(sidecar, "Slot", slot)
			Set(sidecar, "BeaconBlockRoot", root)
		} else {
			Set(sidecar, "KZGCommitments", commitments(slot))
			Set(sidecar, "SignedBlockHeader.Message", blockHeader(block))
			branch := sidecar.(*containers.DataColumnSidecar).KZGCommitmentsInclusionProof[:]
			for i, hash := range prove(block, commitmentsNode) {
				branch[i] = [32]byte(hash)
			}
		}
		c.Columns = append(c.Columns, c.item(slot, root, index, sidecar))
	}
}

// update returns an update of any kind that attests a slot.
func (c *Chain) update(name string, attested ssz.Slot) *Item {
	update := Object(name, c.Fork(attested))
	Set(update, "AttestedHeader.Beacon.Slot", attested)
	Set(update, "SignatureSlot", attested+1)
	return c.item(attested, ssz.Root{}, 0, update)
}

func (c *Chain) addList(slot ssz.Slot, validator uint64) {
	list := Object("SignedInclusionList", ssz.Heze)
	Set(list, "Message.Slot", slot)
	Set(list, "Message.ValidatorIndex", validator)
	Set(list, "Message.DependentRoot", c.Dependent)
	Set(list, "Message.Transactions", [][]byte{{byte(slot), byte(validator)}})
	c.Lists = append(c.Lists, c.item(slot, c.Dependent, validator, list))
}
