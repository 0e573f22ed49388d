package sidecar

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// parts sets the parts of an encoding that some paths lead to. The names in a path are joined by dots.
func parts(s *ssz.Shape, b []byte, wanted map[string]*[]byte) error {
	r := bytes.NewReader(b)
	for path, p := range wanted {
		at, n, err := s.Find(r, r.Size(), strings.Split(path, ".")...)
		if err != nil {
			return err
		}
		*p = b[at : at+n]
	}
	return nil
}

// A block is what sidecars are held against. Its slices are parts of the block's SSZ.
type block struct {
	*beacon.Block
	signature   []byte
	commitments []byte             // of commitmentSize each
	bid         map[string]*[]byte // from Gloas on, the fields that an envelope has to agree with
}

// readBlock reads the parts of a block. The error tells that it is malformed.
func readBlock(n *ssz.Network, given *beacon.Block) (*block, error) {
	b := &block{Block: given}
	if b.Fork < ssz.Deneb {
		return b, nil
	}
	wanted := map[string]*[]byte{"signature": &b.signature}
	if b.Fork < ssz.Gloas {
		wanted["message.body.blob_kzg_commitments"] = &b.commitments
	} else {
		const bid = "message.body.signed_execution_payload_bid.message."
		wanted[bid+"blob_kzg_commitments"] = &b.commitments
		b.bid = map[string]*[]byte{"execution_requests_root": new([]byte)}
		for _, c := range committed {
			b.bid[c.bid] = new([]byte)
		}
		for field, p := range b.bid {
			wanted[bid+field] = p
		}
	}
	shape, err := n.BlockShape(b.Fork)
	if err == nil {
		err = parts(shape, b.SSZ, wanted)
	}
	if err != nil {
		return nil, fmt.Errorf("sidecar: block %v of slot %d: %w", b.Root, b.Slot, err)
	}
	return b, nil
}

// blobs returns how many blobs the block commits to.
func (b *block) blobs() int { return len(b.commitments) / commitmentSize }

func (b *block) commitment(blob int) []byte {
	return b.commitments[blob*commitmentSize:][:commitmentSize]
}
