package reqresp

import (
	"errors"
	"fmt"
	"strings"
)

// A Code tells a requester why its request was not answered. There is no
// constant for zero, which on the wire means success: an error with it would be
// meaningless.
type Code uint8

const (
	// CodeInvalidRequest says that the request is malformed or breaks a rule.
	CodeInvalidRequest Code = 1
	// CodeServerError says that the responder failed.
	CodeServerError Code = 2
	// CodeResourceUnavailable says that the responder does not have what was
	// asked for, where a protocol allows for that answer.
	CodeResourceUnavailable Code = 3
)

// String returns the code's name, or its number where it has none.
func (c Code) String() string {
	switch c {
	case CodeInvalidRequest:
		return "invalid request"
	case CodeServerError:
		return "server error"
	case CodeResourceUnavailable:
		return "resource unavailable"
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// An Error is a verdict on a request that crosses the wire.
type Error struct {
	// Code is the verdict.
	Code Code
	// Message explains it. A local error's is sent to the peer; a remote
	// error's was chosen by the peer and may hold any bytes.
	Message string
	// Remote is set on errors that a peer sent. Such an error is never passed on
	// to another peer.
	Remote bool

	cause error
}

// Errorf returns a local error whose text is meant for the peer. Operands
// wrapped with %w are kept as the error's cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	cause := errors.Unwrap(err)
	if _, several := err.(interface{ Unwrap() []error }); several {
		cause = err
	}
	return &Error{Code: code, Message: err.Error(), cause: cause}
}

// WithCause returns a copy of e that unwraps to err. The cause stays here: the
// peer never sees it.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// Error implements error. A remote message is quoted, as it may hold any bytes. One that came as
// a reset's code has none.
func (e *Error) Error() string {
	switch {
	case e.Remote && e.Message == "":
		return fmt.Sprintf("reqresp: peer answered %v", e.Code)
	case e.Remote:
		return fmt.Sprintf("reqresp: peer answered %v: %q", e.Code, e.Message)
	case e.cause != nil && !strings.Contains(e.Message, e.cause.Error()):
		return fmt.Sprintf("reqresp: %v: %s (%v)", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("reqresp: %v: %s", e.Code, e.Message)
}

// Unwrap returns the local cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }
