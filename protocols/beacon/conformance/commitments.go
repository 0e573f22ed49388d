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
			if built, err := s.client.BuildsOn(b, blocks[i+1]); !built || err != nil {
				continue
			}
		}
		if n > 0 {
			blobs[b.Slot] = n
		}
	}
	return blobs
}
