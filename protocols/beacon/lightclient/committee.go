package lightclient

import (
	"bytes"
	"fmt"
	"math/bits"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/internal/bls"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A committee is a sync committee as it was received.
type committee struct {
	root    ssz.Root // hash tree root of the SyncCommittee
	keys    []byte   // the compressed keys, one after the other
	isEmpty bool     // whether it is SyncCommittee()
}

// decodeCommittee reads an encoded SyncCommittee, which is well formed. It keeps b.
func decodeCommittee(n *ssz.Network, b []byte) (*committee, error) {
	t, err := n.TypeOf(ssz.Altair, "SyncCommittee")
	if err != nil {
		return nil, err
	}
	root, err := t.Shape().Root(b)
	if err != nil {
		return nil, err
	}
	size := n.Preset().SyncCommitteeSize()
	return &committee{root, b[:size*bls.PublicKeySize], isZero(b)}, nil
}

// signers are the sync committee of a store, whose members' keys are decompressed when they are first needed.
type signers struct {
	root    ssz.Root
	keys    []byte
	members []*bls.PublicKey
}

// signers returns a copy that a store owns.
func (c *committee) signers() *signers {
	return &signers{c.root, bytes.Clone(c.keys), make([]*bls.PublicKey, len(c.keys)/bls.PublicKeySize)}
}

// verify checks that the members whose bits are set have signed a message, with FastAggregateVerify of the specs.
func (c *signers) verify(participation []byte, message [32]byte, signature *[bls.SignatureSize]byte) error {
	keys := make([]bls.PublicKey, 0, len(c.members))
	for i := range c.members {
		if participation[i/8]>>(i%8)&1 == 0 {
			continue
		}
		key, err := c.member(i)
		if err != nil {
			return fmt.Errorf("member %d: %w", i, err)
		}
		keys = append(keys, key)
	}
	return bls.FastAggregateVerify(keys, message, signature)
}

func (c *signers) member(i int) (bls.PublicKey, error) {
	if c.members[i] == nil {
		key, err := bls.ParsePublicKey((*[bls.PublicKeySize]byte)(c.keys[i*bls.PublicKeySize:]))
		if err != nil {
			return key, err
		}
		c.members[i] = &key
	}
	return *c.members[i], nil
}

// countBits returns how many bits are set.
func countBits(b []byte) (n int) {
	for _, x := range b {
		n += bits.OnesCount8(x)
	}
	return n
}
