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
	// failure of an exchange that is used after its Close. It unwraps to
	// net.ErrClosed.
	ErrClosed error = &namedError{"reqresp: closed", net.ErrClosed}
	// ErrDisconnected is the cause of a handler's context that ended because its
	// connection did. It unwraps to net.ErrClosed.
	ErrDisconnected error = &namedError{"reqresp: disconnected", net.ErrClosed}

	// ErrUnsupported is wrapped by the failure of a call to a peer that supports none of the
	// protocols proposed.
	ErrUnsupported = errors.New("reqresp: peer does not support the protocol")
	// ErrViolation is wrapped by every failure that only a peer which breaks
	// the protocol can cause: malformed, oversized, missing or surplus chunks.
	ErrViolation = errors.New("reqresp: protocol violation")
	// ErrNoResponse is wrapped, beside ErrViolation, by the failure of a unary call
	// that was answered by the end of the stream.
	ErrNoResponse = errors.New("reqresp: stream ended without a response")
	// ErrTooManyChunks is wrapped, beside ErrViolation, by the failure of a call
	// that was answered with more chunks than its limit.
	ErrTooManyChunks = errors.New("reqresp: more response chunks than asked for")
	// ErrAfterVerdict is wrapped, beside ErrViolation and the peer's [*Error], by the
	// failure of a call that was answered with more after an error.
	ErrAfterVerdict = errors.New("reqresp: response goes on after an error")
	// ErrRefused is wrapped by the error of a [Pacer] that cannot admit an
	// exchange at all. The server resets its stream with
	// network.StreamResourceLimitExceeded.
	ErrRefused = errors.New("reqresp: exchange refused")
)

type namedError struct {
	text string
	same error
}

func (e *namedError) Error() string { return e.text }
func (e *namedError) Unwrap() error { return e.same }

// Phase tells how far a call had come.
type Phase uint8

const (
	// PhaseQueue is the wait for the client's own bound on concurrent calls.
	PhaseQueue Phase = iota + 1
	// PhaseDial is connecting to the peer.
	PhaseDial
	// PhaseNegotiate is opening the stream and agreeing on the protocol.
	PhaseNegotiate
	// PhaseRequest is writing the request.
	PhaseRequest
	// PhaseFirstByte is the wait for the first byte of the response.
	PhaseFirstByte
	// PhaseResponse is reading the response.
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
	case PhaseResponse:
		return "response"
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// A Failure is why a call ended without the peer's verdict. In the phases up to
// PhaseNegotiate the peer cannot have seen the request; later it may have, and
// may have acted on it.
type Failure struct {
	// Peer is the peer called.
	Peer peer.ID
	// Protocol is the protocol negotiated, or the preferred one before that.
	Protocol protocol.ID
	// Phase is how far the call had come.
	Phase Phase
	// Err is the cause: one of this package's sentinels, a context's error, a
	// codec's error or libp2p's.
	Err error
}

// Error implements error.
func (f *Failure) Error() string {
	return fmt.Sprintf("reqresp: %s to %s failed in phase %v: %v", f.Protocol, f.Peer, f.Phase, f.Err)
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

// resetCode picks what a stream is reset with when its exchange ended in err.
func resetCode(err error) network.StreamErrorCode {
	e, verdict := errors.AsType[*Error](err)
	switch {
	case errors.Is(err, ErrViolation), verdict && e.Code == CodeInvalidRequest:
		return network.StreamProtocolViolation
	case errors.Is(err, ErrRefused):
		return network.StreamResourceLimitExceeded
	case errors.Is(err, ErrClosed):
		return network.StreamShutdown
	}
	return network.StreamGarbageCollected
}
