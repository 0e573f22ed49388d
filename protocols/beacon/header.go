package beacon

import (
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

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
