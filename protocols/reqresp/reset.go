package reqresp

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
)

// statusReset plus a [Code] is what a stream is reset with to carry a verdict that the
// protocol's wire format has no place for. libp2p's error code spec leaves
// everything above 10,000 to protocols.
const statusReset network.StreamErrorCode = 0x10000

// resetCode picks what a stream is reset with when its exchange ended in err. A verdict of
// ours says what the peer is to know, whatever caused it.
func resetCode(err error) network.StreamErrorCode {
	e, ok := errors.AsType[*Error](err)
	verdict := ok && !e.Remote
	switch {
	case errors.Is(err, ErrRateLimited):
		return network.StreamRateLimited
	case errors.Is(err, ErrRefused):
		return network.StreamResourceLimitExceeded
	case verdict && e.Code == CodeInvalidRequest:
		return network.StreamProtocolViolation
	case verdict:
		return statusReset + network.StreamErrorCode(e.Code)
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
		return resetVerdict(CodeInvalidRequest, err)
	case code > statusReset && code <= statusReset+0xff:
		return resetVerdict(Code(code-statusReset), err)
	}
	return err
}

func resetVerdict(code Code, err error) *Error {
	return &Error{Code: code, Remote: true, cause: err}
}
