package reqresp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multistream"
)

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
	// ErrNoResponse is wrapped, beside ErrViolation, by the failure of a unary call
	// that was answered by the end of the stream.
	ErrNoResponse = errors.New("reqresp: stream ended without a response")
	// ErrTooManyChunks is wrapped, beside ErrViolation, by the failure of a call
	// that was answered with more chunks than its limit.
	ErrTooManyChunks = errors.New("reqresp: more response chunks than asked for")
	// ErrAfterVerdict is wrapped, beside ErrViolation and the peer's [*Error], by the
	// failure of a call that was answered with more after an error.
	ErrAfterVerdict = errors.New("reqresp: response goes on after an error")
	// ErrResponseOmission is wrapped by what a [ServerTrace] is told of an exchange
	// whose handler returned without the response that its peer waits for.
	ErrResponseOmission = errors.New("reqresp: handler gave no response")
	// ErrRefused is wrapped by the error of a [Pacer], middleware or handler which
	// has no room for an exchange. The server resets its stream with
	// network.StreamResourceLimitExceeded, and the peer's call fails with an error
	// that wraps ErrRefused in turn. It is worth a try later, or elsewhere.
	ErrRefused = errors.New("reqresp: exchange refused")
	// ErrRateLimited is the same for an exchange of a peer that asks too often. The
	// stream is reset with network.StreamRateLimited. The consensus specs
	// forbid it, see [Pacer] for what they want.
	ErrRateLimited = errors.New("reqresp: rate limited")
)

type namedError struct {
	text string
	same error
}

func (e *namedError) Error() string { return e.text }
func (e *namedError) Unwrap() error { return e.same }

// Phase tells how far an exchange had come.
type Phase uint8

const (
	// PhaseQueue is the wait for the client's own bound on concurrent calls, and for its
	// [CallPacer].
	PhaseQueue Phase = iota + 1
	// PhaseDial is connecting to the peer.
	PhaseDial
	// PhaseNegotiate is opening the stream and agreeing on the protocol.
	PhaseNegotiate
	// PhaseRequest is writing the request, or reading it on the server.
	PhaseRequest
	// PhaseFirstByte is the wait for the first byte of the response.
	PhaseFirstByte
	// PhaseAdmit is the wait for the server's [Pacer] to admit the exchange.
	PhaseAdmit
	// PhaseHandle is the handler's work before the first chunk of the response.
	PhaseHandle
	// PhaseResponse is reading the response, or writing it on the server.
	PhaseResponse
)

// String returns the phase's name, such as "dial".
func (p Phase) String() string {
	switch p {
	case PhaseQueue:
		return "queue"
	case PhaseDial:
		return "dial"
	case PhaseNegotiate:
		return "negotiate"
	case PhaseRequest:
		return "request"
	case PhaseFirstByte:
		return "first byte"
	case PhaseAdmit:
		return "admit"
	case PhaseHandle:
		return "handle"
	case PhaseResponse:
		return "response"
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// A Failure is why an exchange ended without a verdict that crossed the wire. Of a
// call, the peer cannot have seen the request in the phases up to PhaseNegotiate; later
// it may have, and may have acted on it.
type Failure struct {
	// Peer is the other side.
	Peer peer.ID
	// Protocol is the protocol negotiated, or the preferred one before that.
	Protocol protocol.ID
	// Phase is how far the exchange had come.
	Phase Phase
	// Err is the cause: one of this package's sentinels, a context's error, a
	// codec's error or libp2p's. [ReasonOf] tells its kind.
	Err error
}

// Error implements error.
func (f *Failure) Error() string {
	return fmt.Sprintf("reqresp: %s with %s failed in phase %v: %v", f.Protocol, f.Peer, f.Phase, f.Err)
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
