package beacon

import (
	"crypto/sha256"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// A Chunk is an object as it crossed the wire, of any fork and preset. Its slices belong to whoever
// holds it.
type Chunk struct {
	// Fork is the fork whose type this is.
	Fork ssz.Fork
	// Digest is the fork digest that came along, that of the object's epoch.
	Digest ssz.ForkDigest
	// SSZ is the SSZ encoding. It is well formed.
	SSZ []byte
	// Frames is SSZ as snappy frames, as received: what a store keeps and a server sends on.
	Frames []byte
}

// Sidecars are a block and what belongs to it besides, all or some of it.
type Sidecars struct {
	// Block is the block.
	Block *Block
	// Blobs are blob sidecars, of a block of Deneb or Electra.
	Blobs []*BlobSidecar
	// Columns are data column sidecars, of a block of Fulu or later.
	Columns []*DataColumnSidecar
	// Envelope is the execution payload envelope, of a block of Gloas or later. It may be nil.
	Envelope *ExecutionPayloadEnvelope
}

// An object is a response whose type depends on the fork.
type object interface {
	// decode makes the object of a chunk that was received, and returns the slot whose epoch decides
	// its fork digest. The error is about the bytes.
	decode(t *ssz.Type, c Chunk) (ssz.Slot, error)
	// chunk returns the chunk to send for the object. Frames may be nil.
	chunk() Chunk
}

func (c Chunk) chunk() Chunk { return c }

// checked checks a chunk's bytes against their type.
func checked(t *ssz.Type, c Chunk) error {
	if err := t.Shape().Check(c.SSZ); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// decodeChunk makes the object of a type's name that a chunk holds.
func decodeChunk[T any, P interface {
	*T
	object
}](n *ssz.Network, name string, c Chunk) (*T, error) {
	t, err := n.TypeOf(c.Fork, name)
	if err != nil {
		return nil, err
	}
	made := P(new(T))
	_, err = made.decode(&t, c)
	return made, err
}

// headerSize is the size of a BeaconBlockHeader.
const headerSize = 8 + 8 + 32 + 32 + 32

// readHeader reads the BeaconBlockHeader at the beginning of b, and returns the slot and the root of
// the block, which is the header's.
func readHeader(b []byte) (ssz.Slot, ssz.Root, error) {
	var header containers.BeaconBlockHeader
	if err := header.UnmarshalSSZ(b[:headerSize]); err != nil {
		return 0, ssz.Root{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	root, err := header.HashTreeRoot()
	if err != nil {
		return 0, ssz.Root{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return ssz.Slot(header.Slot), root, nil
}

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
