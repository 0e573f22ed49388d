package beacon

import (
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
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

// An object is a response whose type depends on the fork.
type object interface {
	// take makes the object of a chunk that was received, and returns the slot whose epoch decides
	// its fork digest. The error is about the bytes.
	take(t *ssz.Type, c Chunk) (ssz.Slot, error)
	// give returns the chunk to send for the object. Frames may be nil.
	give() Chunk
}

// checked checks a chunk's bytes against their type.
func checked(t *ssz.Type, c Chunk) error {
	if err := t.Shape().Check(c.SSZ); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
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
