package era

import (
	"errors"
	"fmt"
	"math"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The faults of an era file. An [*Error] wraps one of them.
var (
	// ErrIndex is returned when a slot index is malformed or contradicts itself: it is not where it has to be, its
	// size or its slots are wrong, or its entries lead out of its group or are not in order.
	ErrIndex = errors.New("era: bad slot index")
	// ErrGroup is returned when the groups of a file are not of consecutive eras, or when a group does not begin
	// with a Version record or has records out of place.
	ErrGroup = errors.New("era: bad group")
	// ErrRecord is returned when an entry of a slot index does not lead to a record of its kind and size.
	ErrRecord = errors.New("era: bad record")
	// ErrFrames is returned when the data of a record is not in snappy frames. The error of package snappy is
	// wrapped too.
	ErrFrames = errors.New("era: bad snappy frames")
	// ErrBlock is returned when a block is malformed or of another slot than the index says.
	ErrBlock = errors.New("era: bad block")
	// ErrBlockRoot is returned when the state of an era has another root for a slot than the file has: that of
	// another block, or of a block where the file has none.
	ErrBlockRoot = errors.New("era: block root is not that of the state")
	// ErrParent is returned when a block's parent is not the block before it.
	ErrParent = errors.New("era: parent root is not that of the block before")
	// ErrState is returned when a state is malformed, of another slot than the index says, of another network, or
	// contradicts itself.
	ErrState = errors.New("era: bad state")
	// ErrStateRoot is returned when the root of a state is not the one that a block or a later state says.
	ErrStateRoot = errors.New("era: state root is not that of the chain")
	// ErrName is returned when a file's name is not that of an era file, or not that of its content.
	ErrName = errors.New("era: bad file name")
)

// The deviations from the format that the reader accepts. [Report.Warnings] wrap one of them, or ErrName.
var (
	// ErrOffsetSign reports offsets in a slot index that are not sign-extended from 48 to 64 bits.
	ErrOffsetSign = errors.New("era: offsets are not sign-extended")
	// ErrEmptyOffset reports empty slots whose offset is that of the group's Version record instead of 0.
	ErrEmptyOffset = errors.New("era: offsets of empty slots are not 0")
	// ErrNotCanonical reports frames that are valid, but that some peers reject: see [snappy.CheckFrames].
	ErrNotCanonical = errors.New("era: frames are not canonical")
	// ErrUnknownRecord reports a record of an unknown type.
	ErrUnknownRecord = errors.New("era: record of unknown type")
)

// The errors of a lookup.
var (
	// ErrEmptySlot is returned when there is no block in a slot.
	ErrEmptySlot = errors.New("era: no block in this slot")
	// ErrNotHeld is returned when a file or a directory does not contain a slot or an era.
	ErrNotHeld = errors.New("era: not in this file")
)

// NoSlot stands for no slot.
const NoSlot ssz.Slot = math.MaxUint64

// An Error describes a fault of a file and its place.
type Error struct {
	Offset int64    // Offset is where in the file the record is, or the entry of an index.
	Slot   ssz.Slot // Slot is that of the block or state, or NoSlot if the error is not about a single one.
	Err    error    // Err wraps one of this package's errors, or an error of the source.
}

// Error returns the place and the reason in one line.
func (e *Error) Error() string {
	if e.Slot == NoSlot {
		return fmt.Sprintf("offset %d: %v", e.Offset, e.Err)
	}
	return fmt.Sprintf("offset %d, slot %d: %v", e.Offset, e.Slot, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// fault returns an *Error of a sentinel with a reason.
func fault(off int64, slot ssz.Slot, sentinel error, format string, args ...any) *Error {
	return &Error{off, slot, fmt.Errorf("%w: %w", sentinel, fmt.Errorf(format, args...))}
}
