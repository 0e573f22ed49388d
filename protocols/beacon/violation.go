package beacon

import "errors"

// What a peer's answer can be at fault in. All are wrapped, together with
// reqresp.ErrViolation, in the [reqresp.Failure] of a call.
var (
	// ErrUnknownDigest is a chunk whose context bytes are no fork digest of the
	// network.
	ErrUnknownDigest = errors.New("beacon: unknown fork digest")
	// ErrWrongDigest is an object with the digest of another epoch than its slot's.
	ErrWrongDigest = errors.New("beacon: fork digest is not that of the object's epoch")
	// ErrOutOfRange is an object of a slot, or an update of a period, that was not asked for.
	ErrOutOfRange = errors.New("beacon: object outside the range asked for")
	// ErrSlotOrder is an object whose slot is on the wrong side of the one before: slots ascend by
	// range, and descend by head. It is an update too whose period does not follow the one before.
	ErrSlotOrder = errors.New("beacon: slots out of order")
	// ErrIndexOrder is a sidecar whose index does not come after the one before in its slot, or leaves
	// a blob out.
	ErrIndexOrder = errors.New("beacon: indices out of order")
	// ErrNotLinked is a block that does not link to the one before it, or a sidecar of a second block in
	// one slot: the answer is not of a single chain. Between two answers over mplex, see [Client], it comes without
	// reqresp.ErrViolation.
	ErrNotLinked = errors.New("beacon: object does not link to the one before")
	// ErrUnexpectedRoot is an object of a root that was not asked for, or was
	// already answered.
	ErrUnexpectedRoot = errors.New("beacon: root was not asked for")
	// ErrUnexpectedIndex is a sidecar with an index that was not asked for or cannot be.
	ErrUnexpectedIndex = errors.New("beacon: index was not asked for")
	// ErrNotIncluded is a sidecar whose commitments are not those of the block in its header: its
	// inclusion proof is wrong.
	ErrNotIncluded = errors.New("beacon: inclusion proof of commitments is wrong")
	// ErrNotBuiltOn is an execution payload envelope by range whose payload the chain has not built on.
	ErrNotBuiltOn = errors.New("beacon: payload is not the chain's")
	// ErrRepeated is an inclusion list of a validator that had one before in the answer.
	ErrRepeated = errors.New("beacon: object was sent before")
	// ErrMalformed is a chunk that is no SSZ encoding of its fork's type, which is not that of blocks, or
	// a data column whose cells, commitments and proofs are not of one number or too many.
	ErrMalformed = errors.New("beacon: malformed object")
	// ErrMalformedBlock is a chunk that is no SSZ encoding of its fork's block.
	ErrMalformedBlock = errors.New("beacon: malformed block")
)
