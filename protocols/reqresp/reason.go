package reqresp

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
)

// Reason sorts the ways in which an exchange can end, in either direction. It has
// few values, so that exchanges can be counted by it. Where rust-libp2p's
// request_response has a failure for it, that is named.
type Reason uint8

const (
	// ReasonSuccess is a good end: the response was read, or written, to its end.
	ReasonSuccess Reason = iota
	// ReasonErrorResponse is an answer with an [*Error].
	ReasonErrorResponse
	// ReasonDial is a peer that could not be connected, before a context's deadline
	// if it has one (DialFailure).
	ReasonDial
	// ReasonUnsupported is a peer that supports none of the protocols proposed
	// (UnsupportedProtocols).
	ReasonUnsupported
	// ReasonTimeout is a phase that took too long, or a context's deadline
	// (Timeout).
	ReasonTimeout
	// ReasonDisconnected is a connection that ended (ConnectionClosed).
	ReasonDisconnected
	// ReasonReset is a stream that the peer reset, without a code that says more (Io).
	ReasonReset
	// ReasonViolation is a peer that broke the protocol: malformed, oversized,
	// missing or surplus messages (Io).
	ReasonViolation
	// ReasonIO is a message that could not be encoded, or a stream that broke in any
	// other way (Io).
	ReasonIO
	// ReasonOverLimit is an exchange for which there was no room, on either side.
	ReasonOverLimit
	// ReasonCancelled is a context that was cancelled.
	ReasonCancelled
	// ReasonShutdown is a server or client that was stopped.
	ReasonShutdown
	// ReasonOmission is a handler that gave no response (ResponseOmission).
	ReasonOmission
	// ReasonPanic is a handler that panicked.
	ReasonPanic
)

var reasonNames = [...]string{
	ReasonSuccess:       "success",
	ReasonErrorResponse: "error response",
	ReasonDial:          "dial",
	ReasonUnsupported:   "unsupported",
	ReasonTimeout:       "timeout",
	ReasonDisconnected:  "disconnected",
	ReasonReset:         "reset",
	ReasonViolation:     "violation",
	ReasonIO:            "io",
	ReasonOverLimit:     "over limit",
	ReasonCancelled:     "cancelled",
	ReasonShutdown:      "shutdown",
	ReasonOmission:      "omission",
	ReasonPanic:         "panic",
}

// String returns the reason's name, such as "timeout".
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// ReasonOf returns why an exchange ended, given the error of a call or of a [Result]. Nil is a success.
func ReasonOf(err error) Reason {
	if err == nil {
		return ReasonSuccess
	}
	for _, r := range reasons {
		if r.is(err) {
			return r.reason
		}
	}
	return ReasonIO
}

// reasons are in the order in which they are looked for: the first that fits says
// most about an error that wraps several.
var reasons = []struct {
	reason Reason
	is     func(error) bool
}{
	{ReasonPanic, isPanic},
	{ReasonOverLimit, wraps(ErrTooManyPending)},
	{ReasonViolation, wraps(ErrViolation)},
	{ReasonOmission, wraps(ErrNoResponse)},
	{ReasonOverLimit, wraps(ErrRefused)},
	{ReasonOverLimit, wraps(ErrRateLimited)},
	{ReasonOverLimit, wraps(ErrBufferFull)},
	{ReasonUnsupported, wraps(ErrUnsupported)},
	{ReasonShutdown, wraps(ErrClosed)},
	{ReasonTimeout, wraps(ErrTimeout)},
	{ReasonDisconnected, wraps(ErrDisconnected)},
	{ReasonCancelled, wraps(context.Canceled)},
	{ReasonDial, isDialFailure},
	{ReasonOverLimit, wraps(network.ErrResourceLimitExceeded)},
	{ReasonTimeout, isTimeout},
	{ReasonErrorResponse, isError},
	{ReasonReset, wraps(network.ErrReset)},
}

func wraps(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func isDialFailure(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Phase == PhaseDial
}

func isError(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok
}
