package beaconapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

var (
	// ErrNotFound is what a StatusError with status 404 is: the node does not have what was asked for.
	ErrNotFound = errors.New("beaconapi: not found")
	// ErrTooLarge is returned when an answer has more bytes than what was asked for can have.
	ErrTooLarge = errors.New("beaconapi: answer is too large")
	// ErrMalformed is returned when an answer is not what the API says it has to be.
	ErrMalformed = errors.New("beaconapi: malformed answer")
	// ErrStalled is returned when a node has sent nothing for 30 seconds within an answer, or for two minutes between
	// events.
	ErrStalled = errors.New("beaconapi: node sends nothing")
	// ErrNotFinalized is returned when nothing is finalized yet but genesis.
	ErrNotFinalized = errors.New("beaconapi: nothing is finalized yet")
)

// The times after which a node that sends nothing is given up.
const (
	answerTimeout = 30 * time.Second
	eventTimeout  = 2 * time.Minute
)

// A StatusError is returned when a node answers with another status than it should.
type StatusError struct {
	Code    int    // such as 404
	Message string // what the node says of it, up to 256 bytes; may be empty
}

// Error returns the status and the message.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("beaconapi: node answers %d %s", e.Code, http.StatusText(e.Code))
	if e.Message != "" {
		text += fmt.Sprintf(": %q", e.Message)
	}
	return text
}

// Is reports whether the status says what target does: ErrNotFound.
func (e *StatusError) Is(target error) bool {
	return target == ErrNotFound && e.Code == http.StatusNotFound
}

// A DisagreementError is returned when a block that is finalized according to one node is not one of another's chain.
type DisagreementError struct {
	Checkpoint Checkpoint // the checkpoint that is finalized
	By         string     // the URL of the node that says so
	Not        string     // the URL of the node whose chain does not have it
}

// Error returns the checkpoint and both nodes.
func (e *DisagreementError) Error() string {
	return fmt.Sprintf("beaconapi: %s says that block %v is finalized in epoch %d, it is not in the chain of %s",
		e.By, e.Checkpoint.Root, e.Checkpoint.Epoch, e.Not)
}
