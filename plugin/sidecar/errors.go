package sidecar

import (
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// What is wrong with an object, besides what is wrong with it by itself: see [beacon.BlobSidecar.Verify],
// [beacon.DataColumnSidecar.Verify] and [beacon.ErrMalformed].
var (
	// ErrFork is an object of another fork than its block, or of a kind that blocks of the fork do not have.
	ErrFork = errors.New("sidecar: block of its fork has no such object")
	// ErrBlock is an object of another block: its slot or root are not the block's.
	ErrBlock = errors.New("sidecar: not of the block")
	// ErrFields is an object whose Slot, BlockRoot or Index are not those in its SSZ.
	ErrFields = errors.New("sidecar: fields contradict the SSZ")
	// ErrSignature is a sidecar whose signature of the block's header is not that of the block.
	ErrSignature = errors.New("sidecar: signature is not the block's")
	// ErrCommitments is a sidecar whose KZG commitments are not those in the block, or a data column sidecar with
	// more or fewer cells than the block has commitments.
	ErrCommitments = errors.New("sidecar: commitments are not the block's")
	// ErrProof is a sidecar with a KZG proof that does not hold, or that is malformed as a commitment or a cell is.
	ErrProof = errors.New("sidecar: KZG proof is wrong")
	// ErrRepeated is a sidecar with the index of one before it that has passed all checks but its proof.
	ErrRepeated = errors.New("sidecar: index is given twice")
	// ErrBid is an execution payload envelope that is not what the block's bid commits to.
	ErrBid = errors.New("sidecar: payload is not that of the bid")
)

// An Error says which object fails which check.
type Error struct {
	Kind  beacon.Kind
	Slot  ssz.Slot // of the block that it was given for
	Root  ssz.Root // of that block
	Index uint64   // of the blob or column, as the object has it; zero for an envelope
	// Err is the check: one of the errors of this package or of package beacon, or wraps it.
	Err error
}

// Error names the object and what is wrong.
func (e *Error) Error() string {
	if e.Kind == beacon.KindExecutionPayloadEnvelope {
		return fmt.Sprintf("%v of slot %d, block %v: %v", e.Kind, e.Slot, e.Root, e.Err)
	}
	return fmt.Sprintf("%v %d of slot %d, block %v: %v", e.Kind, e.Index, e.Slot, e.Root, e.Err)
}

// Unwrap returns the check.
func (e *Error) Unwrap() error { return e.Err }

// Errors are all objects that failed, by slot, kind and index. There is at least one.
type Errors []*Error

// Error names the first object, and how many others have failed.
func (e Errors) Error() string {
	if len(e) == 1 {
		return e[0].Error()
	}
	return fmt.Sprintf("%v (and %d others)", e[0], len(e)-1)
}

// Unwrap returns the error of each object.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i := range e {
		all[i] = e[i]
	}
	return all
}
