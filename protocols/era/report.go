package era

import (
	"errors"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Report is what [File.Check] found.
type Report struct {
	// Groups has one element for each group of the file, in order, as far as the check came.
	Groups []GroupReport
	// Problems are the faults of the file, group by group.
	Problems []*Error
	// Warnings are deviations from the format that do no harm.
	Warnings []*Error
}

// A GroupReport describes a group. Its roots link the files of a chain. A root is zero if the file does not have it, or
// if the record that has it is damaged.
type GroupReport struct {
	Era    uint64
	Blocks int      // how many slots are not empty
	Fork   ssz.Fork // of the state
	// EraRoot names the era in the names of files, see [State.EraRoot].
	EraRoot ssz.Root
	// ParentRoot is the parent root of the first block: the block root of the last block before the era.
	ParentRoot ssz.Root
	// BlockRoot is the block root of the last block.
	BlockRoot ssz.Root
	// StateRoot is the hash tree root of the state, which is in the block of the state's slot and in later states.
	StateRoot ssz.Root
	// FirstStateRoot is the root of the state after the first slot of the era: the StateRoot of the era before. It
	// is zero in era 0.
	FirstStateRoot ssz.Root
}

// problemKinds are the errors that say that a file is at fault.
var problemKinds = []error{
	ErrIndex, ErrGroup, ErrRecord, ErrFrames, ErrBlock, ErrBlockRoot, ErrParent, ErrState, ErrStateRoot, ErrName,
}

// problem adds an error to the report if the file is at fault, and else returns it.
func (r *Report) problem(err error) error {
	for _, kind := range problemKinds {
		if e, ok := errors.AsType[*Error](err); ok && errors.Is(err, kind) {
			r.Problems = append(r.Problems, e)
			return nil
		}
	}
	return err
}

func (r *Report) warn(off int64, slot ssz.Slot, kind error, format string, args ...any) {
	r.Warnings = append(r.Warnings, fault(off, slot, kind, format, args...))
}
