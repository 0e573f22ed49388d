package beacon

import "errors"

// What a peer's blocks can be at fault in. All are wrapped, together with
// reqresp.ErrViolation, in the [reqresp.Failure] of a call.
var (
	// ErrUnknownDigest is a chunk whose context bytes are no fork digest of the
	// network.
	ErrUnknownDigest = errors.New("beacon: unknown fork digest")
	// ErrWrongDigest is a block with the digest of another epoch than its slot's.
	ErrWrongDigest = errors.New("beacon: fork digest is not that of the block's epoch")
	// ErrOutOfRange is a block of a slot that was not asked for.
	ErrOutOfRange = errors.New("beacon: block outside the range asked for")
	// ErrSlotOrder is a block whose slot does not come after the one before.
	ErrSlotOrder = errors.New("beacon: slots do not ascend")
	// ErrNotLinked is a block whose parent is not the block before it.
	ErrNotLinked = errors.New("beacon: block does not link to the one before")
	// ErrUnexpectedRoot is a block with a root that was not asked for, or was
	// already answered.
	ErrUnexpectedRoot = errors.New("beacon: block was not asked for")
	// ErrMalformedBlock is a chunk that is no SSZ encoding of its fork's block.
	ErrMalformedBlock = errors.New("beacon: malformed block")
)
