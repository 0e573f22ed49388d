package lightclient

import (
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Rules that a bootstrap or an update breaks, whatever the local clock shows and however far the store is. An error
// that wraps one of them wraps reqresp.ErrViolation too: the peer that sent the object is at fault.
var (
	// ErrMalformed is an object that is not an SSZ encoding of its fork's type, or whose fork is not that of its slot.
	ErrMalformed = errors.New("lightclient: malformed object")
	// ErrUntrusted is a bootstrap of another block than the trusted one.
	ErrUntrusted = errors.New("lightclient: bootstrap is not of the trusted block")
	// ErrExecutionBranch is a header whose execution payload is not that of its block, or that has one before Capella.
	ErrExecutionBranch = errors.New("lightclient: execution payload is not that of the block")
	// ErrCurrentCommitteeBranch is a sync committee that is not the current one of the header's state.
	ErrCurrentCommitteeBranch = errors.New("lightclient: current sync committee is not that of the state")
	// ErrNextCommitteeBranch is a sync committee that is not the next one of the attested state.
	ErrNextCommitteeBranch = errors.New("lightclient: next sync committee is not that of the state")
	// ErrFinalityBranch is a finalized header that is not the finalized block of the attested state.
	ErrFinalityBranch = errors.New("lightclient: finalized block is not that of the state")
	// ErrUnproven is a finalized header or a next sync committee that comes without a branch.
	ErrUnproven = errors.New("lightclient: object without a branch")
	// ErrNoParticipants is an update that no member of the sync committee has signed.
	ErrNoParticipants = errors.New("lightclient: no participants")
	// ErrSlotOrder is an update whose slots are not signature > attested >= finalized.
	ErrSlotOrder = errors.New("lightclient: slots out of order")
	// ErrNextCommittee is a next sync committee other than the one that the store knows.
	ErrNextCommittee = errors.New("lightclient: next sync committee differs from the known one")
	// ErrSignature is an update that the members of the sync committee who are said to have signed it have not signed.
	ErrSignature = errors.New("lightclient: invalid sync committee signature")
)

// Reasons why a store does not process an update that may be valid. The peer is not at fault.
var (
	// ErrFuture is an update that is signed after the current slot: the peer's clock is ahead, or the local one behind.
	ErrFuture = errors.New("lightclient: update is of a future slot")
	// ErrUnknownCommittee is an update of a period whose sync committee the store does not know yet.
	ErrUnknownCommittee = errors.New("lightclient: update is of a period whose sync committee is not known")
	// ErrIrrelevant is an update that is not newer than what the store has, and has no sync committee that the store
	// lacks.
	ErrIrrelevant = errors.New("lightclient: update is not newer")
)

// violation returns the error of a broken rule.
func violation(rule error, format string, args ...any) error {
	return fmt.Errorf("%w: %w: %s", reqresp.ErrViolation, rule, fmt.Sprintf(format, args...))
}

// problem returns an error that is not the peer's fault.
func problem(err error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", err, fmt.Sprintf(format, args...))
}
