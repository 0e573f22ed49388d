package reqresp

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// A PanicError is a handler's panic. The peer is told a bare [CodeServerError], the
// server's trace and logger all of it; the process goes on. A [RequestResponse] fails with it
// requests on which the codec panics.
type PanicError struct {
	// Value is what the handler panicked with.
	Value any
	// Stack is the stack trace of the panic.
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("reqresp: panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// recovered is called deferred and makes the panic of a handler its error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = &PanicError{Value: p, Stack: debug.Stack()}
	}
}

func isPanic(err error) bool {
	_, ok := errors.AsType[*PanicError](err)
	return ok
}

// panicked ends an exchange in the panic of its codec.
func (o *Outbound) panicked(err error) error {
	if o.call.result.RequestBytes == 0 {
		return o.fail(PhaseRequest, err)
	}
	return o.fail(PhaseResponse, err)
}
