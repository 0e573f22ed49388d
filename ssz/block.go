package ssz

import "fmt"

// A SignedBlock is a decoded SignedBeaconBlock of any fork and preset. It is implemented by the
// SignedBeaconBlock types of the packages containers, mainnet, minimal and gnosis; a type switch leads
// back to the fields. An object may be read concurrently, its BlockRoot included, while nobody
// changes it.
type SignedBlock interface {
	Object

	// Slot returns the slot of the block.
	Slot() uint64
	// ProposerIndex returns the index of the validator that proposed the block.
	ProposerIndex() uint64
	// ParentRoot returns the block root of the block's parent.
	ParentRoot() [32]byte
	// StateRoot returns the root of the state after the block.
	StateRoot() [32]byte
	// BlockRoot returns the hash tree root of the message, by which the block is known. It takes
	// time linear in the size of the block, and is not remembered. It does not fail for a decoded
	// block.
	BlockRoot() ([32]byte, error)
}

// lastBlocks is the last fork whose blocks the protocols carry.
const lastBlocks = Heze

func (n *Network) blockType(fork Fork) (Type, error) {
	if fork > lastBlocks {
		return Type{}, fmt.Errorf("%w: no blocks of %v: want %v to %v", ErrFork, fork, Phase0, lastBlocks)
	}
	return n.blocks[fork], nil
}

// BlockShape returns the shape of the SignedBeaconBlock of a fork. The error wraps [ErrFork] if
// the fork is none.
func (n *Network) BlockShape(fork Fork) (*Shape, error) {
	t, err := n.blockType(fork)
	if err != nil {
		return nil, err
	}
	return t.Shape(), nil
}

// BlockBounds returns the least and the most bytes that the type allows for a SignedBeaconBlock of
// a fork; the most is far beyond MAX_PAYLOAD_SIZE. Both are 0 if this package does not define the
// blocks of the fork.
func (n *Network) BlockBounds(fork Fork) (least, most int) {
	t, err := n.blockType(fork)
	if err != nil {
		return 0, 0
	}
	return t.Shape().Bounds()
}

// CheckBlock reports whether b is the encoding of a SignedBeaconBlock of a fork. It looks at the
// form alone, not at what the block says. The error is a [*CheckError], or wraps [ErrFork] if this
// package does not define the blocks of the fork.
func (n *Network) CheckBlock(fork Fork, b []byte) error {
	t, err := n.blockType(fork)
	if err != nil {
		return err
	}
	return t.Shape().Check(b)
}

// BlockRoot checks b as CheckBlock does and returns the block root of the SignedBeaconBlock that it
// encodes: the hash tree root of its message. It decodes nothing and allocates nothing, which makes
// it the fastest way to the root of a block that has come as bytes.
func (n *Network) BlockRoot(fork Fork, b []byte) (Root, error) {
	if err := n.CheckBlock(fork, b); err != nil {
		return Root{}, err
	}
	return n.messages[fork].Root(b[signedBlockFixed:])
}

// DecodeBlock checks b as CheckBlock does and decodes it into a new object, which is a
// *SignedBeaconBlock... of package containers for phase0, and of package mainnet, minimal or
// gnosis for later forks. Gnosis has types of its own from Capella to Fulu, and those of mainnet otherwise.
// The result shares no memory with b.
func (n *Network) DecodeBlock(fork Fork, b []byte) (SignedBlock, error) {
	t, err := n.blockType(fork)
	if err != nil {
		return nil, err
	}
	block, err := t.Decode(b)
	if err != nil {
		return nil, err
	}
	return block.(SignedBlock), nil
}
