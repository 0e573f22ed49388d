package conformance

import (
	"reflect"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// fieldOf returns a field of a block by its path. It is not valid if the block has none of the name, or
// cannot be decoded.
func (s *session) fieldOf(b *beacon.Block, path ...string) (v reflect.Value) {
	t, err := s.network.TypeOf(b.Fork, "SignedBeaconBlock")
	if err != nil {
		return v
	}
	object, err := t.Decode(b.SSZ)
	if err != nil {
		return v
	}
	v = reflect.Indirect(reflect.ValueOf(object))
	for _, name := range path {
		if v = v.FieldByName(name); !v.IsValid() {
			return v
		}
		v = reflect.Indirect(v)
	}
	return v
}

// blobsOf returns how many blobs a block commits to.
func (s *session) blobsOf(b *beacon.Block) int {
	path := []string{"Message", "Body", "BlobKZGCommitments"}
	if b.Fork >= ssz.Gloas {
		path = []string{"Message", "Body", "SignedExecutionPayloadBid", "Message", "BlobKZGCommitments"}
	}
	if v := s.fieldOf(b, path...); v.IsValid() {
		return v.Len()
	}
	return 0 // before Deneb
}

// bidHash returns a block hash of a block's bid, from Gloas on.
func (s *session) bidHash(b *beacon.Block, name string) ([32]byte, bool) {
	v := s.fieldOf(b, "Message", "Body", "SignedExecutionPayloadBid", "Message", name)
	if !v.IsValid() {
		return [32]byte{}, false
	}
	return reflect.TypeAssert[[32]byte](v)
}

// builtOn reports whether a block builds on the payload of its parent. It does not know of blocks before
// Gloas, and of two that are not parent and child.
func (s *session) builtOn(parent, child *beacon.Block) (built, known bool) {
	bid, ok1 := s.bidHash(parent, "BlockHash")
	under, ok2 := s.bidHash(child, "ParentBlockHash")
	return bid == under, ok1 && ok2 && child.ParentRoot == parent.Root
}

// withBlobs returns the slots of those of some consecutive blocks that have blobs, and their number. From
// Gloas on a block has none if its payload was not revealed: the next tells.
func (s *session) withBlobs(blocks []*beacon.Block) map[ssz.Slot]int {
	blobs := make(map[ssz.Slot]int)
	for i, b := range blocks {
		n := s.blobsOf(b)
		if n > 0 && b.Fork >= ssz.Gloas {
			if i+1 == len(blocks) {
				continue
			}
			if built, known := s.builtOn(b, blocks[i+1]); !built || !known {
				continue
			}
		}
		if n > 0 {
			blobs[b.Slot] = n
		}
	}
	return blobs
}
