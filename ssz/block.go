package ssz

import (
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz/containers"
	"github.com/seed-2dd5877b/reqresp/ssz/mainnet"
	"github.com/seed-2dd5877b/reqresp/ssz/minimal"
)

// A SignedBlock is a decoded SignedBeaconBlock of any fork and preset. It is implemented by the
// SignedBeaconBlock types of the packages containers, mainnet and minimal; a type switch leads
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

// A blockType is what a SignedBeaconBlock is in a fork and a preset.
type blockType struct {
	shape *Shape
	zero  func() SignedBlock // returns a new zero object
}

func blockTypeOf[T any, P interface {
	*T
	SignedBlock
}]() blockType {
	return blockType{P(nil).Shape(), func() SignedBlock { return P(new(T)) }}
}

// blockTypes is indexed by preset and fork. It ends with the last fork whose blocks are defined.
var blockTypes = [...][Fulu + 1]blockType{
	MainnetPreset: {
		Phase0:    blockTypeOf[containers.SignedBeaconBlock](),
		Altair:    blockTypeOf[mainnet.SignedBeaconBlockAltair](),
		Bellatrix: blockTypeOf[mainnet.SignedBeaconBlockBellatrix](),
		Capella:   blockTypeOf[mainnet.SignedBeaconBlockCapella](),
		Deneb:     blockTypeOf[mainnet.SignedBeaconBlockDeneb](),
		Electra:   blockTypeOf[mainnet.SignedBeaconBlockElectra](),
		Fulu:      blockTypeOf[mainnet.SignedBeaconBlockElectra](),
	},
	MinimalPreset: {
		Phase0:    blockTypeOf[containers.SignedBeaconBlock](),
		Altair:    blockTypeOf[minimal.SignedBeaconBlockAltair](),
		Bellatrix: blockTypeOf[minimal.SignedBeaconBlockBellatrix](),
		Capella:   blockTypeOf[minimal.SignedBeaconBlockCapella](),
		Deneb:     blockTypeOf[minimal.SignedBeaconBlockDeneb](),
		Electra:   blockTypeOf[minimal.SignedBeaconBlockElectra](),
		Fulu:      blockTypeOf[minimal.SignedBeaconBlockElectra](),
	},
}

func (n *Network) blockType(fork Fork) (blockType, error) {
	if fork > Fulu {
		return blockType{}, fmt.Errorf("%w: no blocks of %v: want %v to %v", ErrFork, fork, Phase0, Fulu)
	}
	return blockTypes[n.cfg.Preset][fork], nil
}

// BlockShape returns the shape of the SignedBeaconBlock of a fork. The error wraps [ErrFork] if
// this package does not define the blocks of the fork.
func (n *Network) BlockShape(fork Fork) (*Shape, error) {
	t, err := n.blockType(fork)
	return t.shape, err
}

// BlockBounds returns the least and the most bytes that the type allows for a SignedBeaconBlock of
// a fork; the most is far beyond MAX_PAYLOAD_SIZE. Both are 0 if this package does not define the
// blocks of the fork.
func (n *Network) BlockBounds(fork Fork) (least, most int) {
	t, err := n.blockType(fork)
	if err != nil {
		return 0, 0
	}
	return t.shape.Bounds()
}

// CheckBlock reports whether b is the encoding of a SignedBeaconBlock of a fork. It looks at the
// form alone, not at what the block says. The error is a [*CheckError], or wraps [ErrFork] if this
// package does not define the blocks of the fork.
func (n *Network) CheckBlock(fork Fork, b []byte) error {
	t, err := n.blockType(fork)
	if err != nil {
		return err
	}
	return t.shape.Check(b)
}

// DecodeBlock checks b as CheckBlock does and decodes it into a new object, which is a
// *SignedBeaconBlock... of package containers for phase0, and of package mainnet or minimal for
// later forks. The result shares no memory with b.
func (n *Network) DecodeBlock(fork Fork, b []byte) (SignedBlock, error) {
	t, err := n.blockType(fork)
	if err != nil {
		return nil, err
	}
	if err := t.shape.Check(b); err != nil {
		return nil, err
	}
	block := t.zero()
	if err := block.UnmarshalSSZ(b); err != nil {
		return nil, fmt.Errorf("ssz: %v block of %d bytes: %w", fork, len(b), err)
	}
	return block, nil
}
