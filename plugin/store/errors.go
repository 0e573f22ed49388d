package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

var (
	// ErrSchema is returned by Open for a database that this version of the package cannot use:
	// one with another version of the schema, or with data of another application.
	ErrSchema = errors.New("store: unusable database")

	// ErrBlock is returned by Append for a block that contradicts itself: without SSZ, with
	// frames of another length, or with a slot or parent root other than in its SSZ.
	ErrBlock = errors.New("store: inconsistent block")

	// ErrSidecar is returned by AppendSidecars for an object that is not what it is given for: of another block, fork or
	// index, malformed, or with a wrong inclusion proof.
	ErrSidecar = errors.New("store: inconsistent sidecar")

	// ErrOrder is returned by Append for a block that is not above the one before it, nor stored
	// already: below the earliest slot, in a slot known to be empty, or in the place of another.
	ErrOrder = errors.New("store: block out of order")

	// ErrNoNetwork is returned by AppendSidecars, Repair, Retain, UseNetwork and Verify when no network has been set.
	ErrNoNetwork = errors.New("store: no network is set")

	// ErrDiscarded is returned to a reader for a block which the store has discarded since it
	// named it. It wraps beacon.ErrDiscarded.
	ErrDiscarded = fmt.Errorf("store: block was discarded: %w", beacon.ErrDiscarded)

	// ErrCorrupt is wrapped by every error for what is damaged on the disk, each [*CorruptError] among them.
	ErrCorrupt = errors.New("store: damaged")

	// ErrIndexLost is returned by Verify and all methods that write but Repair when there are segment files and no index
	// of them, or a Repair has not come to its end. It wraps ErrCorrupt.
	ErrIndexLost = fmt.Errorf("%w: the index of the segment files is lost, and can be made anew", ErrCorrupt)

	// ErrFailed is returned by all methods that write after a write has failed. It wraps the
	// first failure. Reading goes on; to write again, open the store anew.
	ErrFailed = errors.New("store: an earlier write failed")
)

// The causes in a CorruptError.
var (
	errMissing     = errors.New("entry is missing")
	errShort       = errors.New("entry is too short")
	errLength      = errors.New("entry has the wrong length")
	errChecksum    = errors.New("checksum mismatch")
	errPlace       = errors.New("entry is that of another block")
	errParent      = errors.New("parent is not the block before it")
	errHeader      = errors.New("slot or parent root differs from the block's")
	errRoot        = errors.New("root differs from the block's")
	errIndex       = errors.New("root does not lead to the slot")
	errCommitments = errors.New("commitments differ from the block's")
)

// A SpaceError is returned by Append, AppendSidecars, Convert and CheckSpace when too little is free on the volume of
// the database or of the segment files, see [FreeSpace]. The call has stored nothing, apart from what Convert has moved
// before, and works once there is room.
type SpaceError struct {
	Free uint64 // how many bytes are free
	Want uint64 // how many have to be
}

// Error names both in MiB.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("store: %d MiB are free on the volume, want at least %d: make room",
		e.Free>>20, (e.Want+1<<20-1)>>20)
}

// A LinkError is returned by Append for a block whose parent is not the block stored before it.
type LinkError struct {
	Slot         ssz.Slot // the slot of the block that was to be appended
	ParentRoot   ssz.Root // the parent that it names
	PreviousSlot ssz.Slot // the slot of the block before it
	PreviousRoot ssz.Root // the root of the block before it
}

// Error names the slots and the roots.
func (e *LinkError) Error() string {
	return fmt.Sprintf("store: the parent of slot %d is %v, but the block before it, of slot %d, is %v",
		e.Slot, e.ParentRoot, e.PreviousSlot, e.PreviousRoot)
}

// A CorruptError says that what the store has of a block is missing, damaged, unreadable or in
// the wrong place.
type CorruptError struct {
	Slot ssz.Slot // the slot of the block
	Root ssz.Root // the root of the block; zero if unknown
	Err  error    // what is wrong
}

// Error names the slot, the root if known, and what is wrong.
func (e *CorruptError) Error() string {
	if e.Root == (ssz.Root{}) {
		return fmt.Sprintf("store: slot %d is corrupt: %v", e.Slot, e.Err)
	}
	return fmt.Sprintf("store: slot %d, root %v, is corrupt: %v", e.Slot, e.Root, e.Err)
}

// Unwrap returns what is wrong.
func (e *CorruptError) Unwrap() error { return e.Err }

// Is reports whether target is ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// A NetworkError is returned by SetNetwork and UseNetwork when the store's blocks are those of another network.
type NetworkError struct {
	Stored, Given Network
	// Differences are the values of Given that differ from those of Stored, see [Differences].
	Differences []string
}

// Error names both networks, if their names or genesis differ, and the values that differ.
func (e *NetworkError) Error() string {
	differences := strings.Join(e.Differences, "; ")
	stored, given := e.Stored.String(), e.Given.String()
	if stored == given {
		return fmt.Sprintf("store: the blocks are of %s, with another schedule: %s", stored, differences)
	}
	return fmt.Sprintf("store: the blocks are of %s, not of %s: %s", stored, given, differences)
}
