package conformance

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
)

// rawTimeout is how long an answer to a raw request is waited for.
const rawTimeout = 20 * time.Second

// An answer is what came back on a raw stream.
type answer struct {
	wire []byte
	end  error // nil if the stream was closed in good order
}

// errorChunk returns the code and the message of an answer that is nothing but a well-formed error chunk.
func (a answer) errorChunk() (code byte, message string, ok bool) {
	if len(a.wire) < 2 || a.wire[0] == 0 {
		return 0, "", false
	}
	r := bytes.NewReader(a.wire[1:])
	message, err := readErrorMessage(r)
	return a.wire[0], message, err == nil && r.Len() == 0
}

// readErrorMessage reads what follows a result that is not success.
func readErrorMessage(r *bytes.Reader) (string, error) {
	n, err := snappy.ReadHeader(r, snappy.Bounds{Max: 256})
	if err != nil {
		return "", err
	}
	text, err := snappy.AppendPayload(nil, r, n)
	return string(text), err
}

// limited returns an error that skips the rule if the answer is how the peer limits rates: that is no
// answer to what was asked.
func (a answer) limited() error {
	err := a.end
	if code, message, ok := a.errorChunk(); ok {
		err = &reqresp.Error{Code: reqresp.Code(code), Message: message, Remote: true}
	}
	if beacon.IsRateLimited(err) {
		return limitsRates(err)
	}
	return nil
}

// withheld returns an error that skips the rule if nothing has come for as long as it was waited for. The specs
// let a peer withhold what it answers, and do not say for how long.
func (a answer) withheld() error {
	// What the errors of the muxers share is the method.
	timeout, ok := errors.AsType[net.Error](a.end)
	if len(a.wire) == 0 && ok && timeout.Timeout() {
		return errWithheld
	}
	return nil
}

// Why a rule is skipped, whichever it is.
const (
	errHungUp     = skipped("the peer has hung up")
	errNotOffered = skipped("not offered")
	errWithheld   = skipped("the peer withholds its answer")
)

func limitsRates(err error) error { return skipped(fmt.Sprintf("the peer limits rates: %v", err)) }

// String tells what was seen.
func (a answer) String() string {
	if code, message, ok := a.errorChunk(); ok {
		return fmt.Sprintf("code %d %q", code, message)
	}
	text := fmt.Sprintf("%d bytes", len(a.wire))
	if len(a.wire) > 0 {
		text += fmt.Sprintf(" that begin with result %d", a.wire[0])
	}
	if a.end != nil {
		text += fmt.Sprintf(", then %v", a.end)
	}
	return text
}

// raw sends bytes as they are when the method may be asked for some items, half-closes and reads what comes back.
// Its error says that there is no answer to judge.
func (t *trial) raw(ctx context.Context, items uint64, wire []byte) (answer, error) {
	if err := t.pace.wait(ctx, t.Method, items); err != nil {
		return answer{}, err
	}
	a, err := t.send(ctx, wire, rawTimeout)
	return a, cmp.Or(err, a.limited(), a.withheld())
}

// send is raw that does not wait, and takes a rate limit for an answer as well.
func (t *trial) send(ctx context.Context, wire []byte, timeout time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stream, err := t.open(ctx, timeout)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = stream.Reset() }()
	// A peer that answers before it has read all tells on QUIC that it wants no more, which is an error here.
	_, err = stream.Write(wire)
	err = cmp.Or(err, stream.CloseWrite())
	a, unread := readAnswer(stream)
	if len(a.wire) == 0 && a.end != nil {
		a.end = cmp.Or(err, a.end)
	}
	return a, unread
}

// open opens a stream of the rule's protocol.
func (t *trial) open(ctx context.Context, timeout time.Duration) (network.Stream, error) {
	stream, err := t.host.NewStream(ctx, t.to, t.row.ID())
	switch {
	case err == nil:
	case t.host.Network().Connectedness(t.to) != network.Connected:
		return nil, errHungUp
	default:
		return nil, fmt.Errorf("no stream: %w", err)
	}
	_ = stream.SetDeadline(time.Now().Add(timeout))
	return stream, nil
}

// mostRead is how much of an answer is read.
const mostRead = 64 << 20

func readAnswer(stream network.Stream) (answer, error) {
	got, err := io.ReadAll(io.LimitReader(stream, mostRead))
	if len(got) == mostRead {
		return answer{}, skipped(fmt.Sprintf("the answer has more than %d bytes", mostRead))
	}
	return answer{got, err}, nil
}

// payload encodes SSZ bytes as the only message of a stream.
func payload(b []byte) []byte { return snappy.AppendFrames(snappy.AppendHeader(nil, len(b)), b) }

// refused is the error of a call that a peer has answered with a code.
type refused struct {
	Code    reqresp.Code
	Message string
}

func (r refused) Error() string { return fmt.Sprintf("code %d %q", r.Code, r.Message) }

// told turns the error of a client's call into one that says what the peer did, if it did something:
// a violation is the rule broken; what is the limiter's doing is not.
func told(err error) error {
	switch {
	case err == nil:
		return nil
	case beacon.IsRateLimited(err):
		return limitsRates(err)
	}
	if e, ok := errors.AsType[*reqresp.Error](err); ok {
		return refused{e.Code, e.Message}
	}
	switch f, ok := errors.AsType[*reqresp.Failure](err); {
	case !ok:
	case errors.Is(err, reqresp.ErrTimeout):
		return errWithheld
	case errors.Is(err, reqresp.ErrDisconnected):
		return errHungUp
	default:
		return broken("%w", f.Err)
	}
	return err
}

// expect sends a request when one item may be asked for, and breaks the rule if the answer is not good.
func (t *trial) expect(ctx context.Context, request marshaler, good func(answer) bool) (string, error) {
	a, err := t.raw(ctx, 1, payload(encode(request)))
	return judge(a.String(), err, good(a))
}

// isEmpty accepts an answer of no chunk, in good order.
func isEmpty(a answer) bool { return len(a.wire) == 0 && a.end == nil }

// isServed accepts an answer that begins with success.
func isServed(a answer) bool { return len(a.wire) > 0 && a.wire[0] == 0 }

// unserved accepts everything but success.
func unserved(a answer) bool { return !isServed(a) }

// isCode accepts an error of a code alone.
func isCode(want reqresp.Code) func(answer) bool {
	return func(a answer) bool {
		code, _, ok := a.errorChunk()
		return ok && code == byte(want)
	}
}

// either accepts what one of two does.
func either(a, b func(answer) bool) func(answer) bool {
	return func(got answer) bool { return a(got) || b(got) }
}

// The answers to what is malformed, and to what is not available.
var (
	code1 = isCode(reqresp.CodeInvalidRequest)
	code3 = isCode(reqresp.CodeResourceUnavailable)
)

// isNoneOrUnavailable accepts the answers to a request for what there is not.
var isNoneOrUnavailable = either(isEmpty, code3)
