package ssz

import (
	"encoding/binary"
	"fmt"
)

// A BlockHeader is the part of a beacon block that lies in the same place in every fork.
type BlockHeader struct {
	Slot          Slot
	ProposerIndex uint64
	ParentRoot    Root
	StateRoot     Root
}

// The layout of a SignedBeaconBlock, which no fork has changed: the offset of its message and the
// signature, then the message's fixed part.
const (
	signedBlockFixed = 4 + 96
	blockFixed       = 8 + 8 + 32 + 32 + 4
)

// PeekBlock reads the header of an encoded SignedBeaconBlock of any fork and preset without
// decoding it. It looks at nothing else: that the header is readable does not mean that the block
// is well formed, which is for [Network.CheckBlock] to say.
//
// The error is a [*CheckError] with reason [ErrSize] if b ends before the header does, or
// [ErrOffset] if the message is not where it has to begin.
func PeekBlock(b []byte) (BlockHeader, error) {
	if len(b) < signedBlockFixed+blockFixed {
		return BlockHeader{}, &CheckError{
			Type:   "SignedBeaconBlock",
			Reason: fmt.Errorf("%w: %d bytes, want at least %d", ErrSize, len(b), signedBlockFixed+blockFixed),
		}
	}
	if offset := binary.LittleEndian.Uint32(b); offset != signedBlockFixed {
		return BlockHeader{}, &CheckError{
			Type:   "SignedBeaconBlock",
			Path:   "message",
			Reason: fmt.Errorf("%w: %d, want %d", ErrOffset, offset, signedBlockFixed),
		}
	}
	message := b[signedBlockFixed:]
	return BlockHeader{
		Slot:          Slot(binary.LittleEndian.Uint64(message)),
		ProposerIndex: binary.LittleEndian.Uint64(message[8:]),
		ParentRoot:    Root(message[16:]),
		StateRoot:     Root(message[48:]),
	}, nil
}
