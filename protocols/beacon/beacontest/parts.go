package beacontest

import (
	"reflect"

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
		Slot: b.Slot(), ProposerIndex: b.ProposerIndex(), ParentRoot: b.ParentRoot(), StateRoot: b.StateRoot(), BodyRoot: root,
	}
}

func (c *Chain) addBlobs(slot ssz.Slot, root ssz.Root, header containers.BeaconBlockHeader) {
	for index := range uint64(Blobs) {
		sidecar := Object("BlobSidecar", c.Fork(slot))
		Set(sidecar, "Index", index)
		Set(sidecar, "SignedBlockHeader.Message", header)
		c.Blobs = append(c.Blobs, c.item(slot, root, index, sidecar))
	}
}

func (c *Chain) addColumns(slot ssz.Slot, root ssz.Root, header containers.BeaconBlockHeader) {
	for index := range uint64(Columns) {
		fork := c.Fork(slot)
		sidecar := Object("DataColumnSidecar", fork)
		Set(sidecar, "Index", index)
		Set(sidecar, "Column", make([][2048]byte, 1))
		Set(sidecar, "KZGProofs", make([][48]byte, 1))
		if fork >= ssz.Gloas {
			Set(sidecar, "Slot", slot)
			Set(sidecar, "BeaconBlockRoot", root)
		} else {
			Set(sidecar, "KZGCommitments", make([][48]byte, 1))
			Set(sidecar, "SignedBlockHeader.Message", header)
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

// Dependent is the dependent root of the inclusion lists.
var Dependent = ssz.Root{7}

func (c *Chain) addList(slot ssz.Slot, validator uint64) {
	list := Object("SignedInclusionList", ssz.Heze)
	Set(list, "Message.Slot", slot)
	Set(list, "Message.ValidatorIndex", validator)
	Set(list, "Message.DependentRoot", Dependent)
	Set(list, "Message.Transactions", [][]byte{{byte(slot), byte(validator)}})
	c.Lists = append(c.Lists, c.item(slot, Dependent, validator, list))
}
