package reqresp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multistream"
)

// A Code is why a request was not answered. There is no
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

// An Error is an error response: it answers a request, and crosses the wire.
type Error struct {
	// Code is the kind of error.
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

var (
	// ErrTimeout is wrapped by the failure of a phase that took longer than its
	// timeout. It unwraps to os.ErrDeadlineExceeded.
	ErrTimeout error = &namedError{"reqresp: timeout", os.ErrDeadlineExceeded}
	// ErrClosed is returned by Start of a server that was stopped, and wrapped by the
	// failure of an exchange that is used after its Close, or that was cut off by
	// Stop. It unwraps to net.ErrClosed.
	ErrClosed error = &namedError{"reqresp: closed", net.ErrClosed}
	// ErrDisconnected is wrapped by the failure of an exchange whose connection
	// ended, and is the cause of its handler's context. It unwraps to net.ErrClosed.
	ErrDisconnected error = &namedError{"reqresp: disconnected", net.ErrClosed}

	// ErrUnsupported is wrapped by the failure of a call to a peer that supports none of the
	// protocols proposed.
	ErrUnsupported = errors.New("reqresp: peer does not support the protocol")
	// ErrViolation is wrapped by every failure that only a peer which breaks
	// the protocol can cause: malformed, oversized, missing or surplus chunks.
	ErrViolation = errors.New("reqresp: protocol violation")
	// ErrTooManyPending is wrapped by the failure of a call for which too many
	// others wait already. Nothing was sent.
	ErrTooManyPending = errors.New("reqresp: too many calls are pending")
	// ErrNoResponse is wrapped by the failure of a unary exchange that ended without its
	// response: on the caller's side beside ErrViolation, on the server's if the handler gave none.
	ErrNoResponse = errors.New("reqresp: no response")
	// ErrTooManyChunks is wrapped, beside ErrViolation, by the failure of a call
	// that was answered with more chunks than its limit.
	ErrTooManyChunks = errors.New("reqresp: more response chunks than asked for")
	// ErrAfterError is wrapped, beside ErrViolation and the peer's [*Error], by the
	// failure of a call that was answered with more after an error.
	ErrAfterError = errors.New("reqresp: response goes on after an error")
	// ErrRefused is wrapped by the error of a [Limiter], middleware or handler which has no room for an
	// exchange, and by that of an exchange beyond a bound of [ServerOptions], which it names. The server
	// resets the stream with network.StreamResourceLimitExceeded, and the peer's call fails with a [Failure]
	// that wraps ErrRefused, too, and is Remote. It is worth a try later, or elsewhere.
	ErrRefused = errors.New("reqresp: exchange refused")
	// ErrRateLimited is the same for an exchange of a peer that asks too often. The
	// stream is reset with network.StreamRateLimited. The consensus specs
	// forbid it, see [Limiter] for what they want.
	ErrRateLimited = errors.New("reqresp: rate limited")
)

type namedError struct {
	text string
	same error
}

func (e *namedError) Error() string { return e.text }
func (e *namedError) Unwrap() error { return e.same }

// A Failure is why an exchange ended without a response or an error response. Of a
// call, the peer cannot have seen the request in the phases up to PhaseNegotiate. Later
// it may have, and may have acted on it.
type Failure struct {
	// Peer is the other side.
	Peer peer.ID
	// Protocol is the protocol negotiated, or the preferred one before that.
	Protocol protocol.ID
	// Phase is how far the exchange had come.
	Phase Phase
	// Remote reports whether the peer ended the exchange by resetting the stream. If not, this side
	// ended it: for a limit of its own, a timeout, or what the peer sent.
	Remote bool
	// Err is the cause: one of this package's sentinels, a context's error, a
	// codec's error or libp2p's. [ReasonOf] tells its kind.
	Err error
}

// Error implements error.
func (f *Failure) Error() string {
	by := ""
	if f.Remote {
		by = ", reset by the peer"
	}
	return fmt.Sprintf("reqresp: %s with %s failed in phase %v%s: %v", f.Protocol, f.Peer, f.Phase, by, f.Err)
}

func newFailure(with peer.ID, id protocol.ID, phase Phase, err error) *Failure {
	reset, ok := errors.AsType[*network.StreamError](err)
	return &Failure{Peer: with, Protocol: id, Phase: phase, Remote: ok && reset.Remote, Err: err}
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// isTimeout reports whether err is a deadline's doing. The muxers have an
// error each for it; what they share is the Timeout method. A connection that died of
// idleness has it too, but that was no deadline of ours.
func isTimeout(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout() && !errors.Is(err, net.ErrClosed)
}

// isUnsupported reports whether err is multistream-select's refusal of all
// protocols proposed. A peer resets the stream right after its refusal, and the
// reset may overtake it.
func isUnsupported(err error) bool {
	return errors.Is(err, multistream.ErrNotSupported[protocol.ID]{}) ||
		errors.Is(err, &network.StreamError{ErrorCode: network.StreamProtocolNegotiationFailed, Remote: true})
}

// isDisconnected reports whether a stream's error is the end of its connection. Not
// all muxers say so, but then the connection does.
func isDisconnected(err error, conn network.Conn) bool {
	if isConnError(err) {
		return true
	}
	if _, ok := errors.AsType[*network.StreamError](err); ok {
		return false
	}
	return conn.IsClosed() || isMplex(conn) && isClosing(conn)
}

func isConnError(err error) bool {
	_, ok := errors.AsType[*network.ConnError](err)
	return ok || errors.Is(err, net.ErrClosed)
}

// streamCause names the reason behind the error of a stream of an exchange that
// runs in ctx.
func streamCause(ctx context.Context, stream network.Stream, err error) error {
	switch {
	case ctx.Err() != nil:
		return cause(ctx, err)
	case errors.Is(err, ErrBufferFull):
		return err
	case isUnsupported(err):
		// A protocol known to be supported is negotiated along with the request.
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case isTimeout(err):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	case isDisconnected(err, stream.Conn()):
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	return resetError(err)
}

// cause replaces what an ended context made some layer fail with by the reason
// for which the context ended.
func cause(ctx context.Context, err error) error {
	reason := context.Cause(ctx)
	switch {
	case reason == nil || errors.Is(err, reason):
		return err
	case errors.Is(reason, ctx.Err()) || errors.Is(err, ctx.Err()):
		return fmt.Errorf("%w: %w", reason, err)
	}
	// The reason may be any error of the caller's.
	return fmt.Errorf("%w: %w: %w", reason, ctx.Err(), err)
}

// codeReset plus a [Code] is what a stream is reset with to carry an error response that the
// protocol's wire format has no place for. libp2p's error code spec leaves
// everything above 10,000 to protocols.
const codeReset network.StreamErrorCode = 0x10000

// resetCode returns what a stream is reset with when its exchange ended in err. An error response of
// this side says what the peer is to know, whatever caused it.
func resetCode(err error) network.StreamErrorCode {
	e, ok := errors.AsType[*Error](err)
	local := ok && !e.Remote
	switch {
	case errors.Is(err, ErrRateLimited):
		return network.StreamRateLimited
	case errors.Is(err, ErrRefused):
		return network.StreamResourceLimitExceeded
	case local && e.Code == CodeInvalidRequest:
		return network.StreamProtocolViolation
	case local:
		return codeReset + network.StreamErrorCode(e.Code)
	case errors.Is(err, ErrViolation):
		return network.StreamProtocolViolation
	case errors.Is(err, ErrClosed):
		return network.StreamShutdown
	}
	return network.StreamGarbageCollected
}

// resetError names the meaning of a peer's reset. An error that is none is returned
// as it is.
func resetError(err error) error {
	reset, ok := errors.AsType[*network.StreamError](err)
	if !ok || !reset.Remote {
		return err
	}
	switch code := reset.ErrorCode; {
	case code == network.StreamRateLimited:
		return fmt.Errorf("%w: %w", ErrRateLimited, err)
	case code == network.StreamResourceLimitExceeded:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case code == network.StreamProtocolViolation:
		return remoteError(CodeInvalidRequest, err)
	case code > codeReset && code <= codeReset+0xff:
		return remoteError(Code(code-codeReset), err)
	}
	return err
}

func remoteError(code Code, err error) *Error {
	return &Error{Code: code, Remote: true, cause: err}
}

// A PanicError is the panic of a handler, or of a codec. The process goes on. A handler's peer gets a bare
// [CodeServerError], the server's trace and logger get all of it. A call whose codec panics fails with it, see
// [Outbound.Send].
type PanicError struct {
	// Value is what was passed to panic.
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

// recovered is called deferred and makes a panic the error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = newPanicError(p)
	}
}

func newPanicError(value any) *PanicError { return &PanicError{Value: value, Stack: debug.Stack()} }

func isPanic(err error) bool {
	_, ok := errors.AsType[*PanicError](err)
	return ok
}
