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

// verdict returns the code of an answer that is nothing but a well-formed error chunk.
func (a answer) verdict() (code byte, message string, ok bool) {
	if len(a.wire) < 2 || a.wire[0] == 0 {
		return 0, "", false
	}
	r := bytes.NewReader(a.wire[1:])
	n, err := snappy.ReadHeader(r, snappy.Bounds{Max: 256})
	if err != nil {
		return a.wire[0], "", false
	}
	text, err := snappy.AppendPayload(nil, r, n)
	return a.wire[0], string(text), err == nil && r.Len() == 0
}

// limited returns an error that skips the rule if the answer is how the peer limits rates: that is no
// answer to what was asked.
func (a answer) limited() error {
	err := a.end
	if code, message, ok := a.verdict(); ok {
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
		return skipped("the peer withholds its answer")
	}
	return nil
}

func limitsRates(err error) error { return skipped(fmt.Sprintf("the peer limits rates: %v", err)) }

// String tells what was seen.
func (a answer) String() string {
	if code, message, ok := a.verdict(); ok {
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

// raw sends bytes as they are, half-closes and reads what comes back. Its error says that there is no
// answer to judge.
func (s *session) raw(ctx context.Context, r *Rule, wire []byte) (answer, error) {
	a, err := s.send(ctx, r, wire, rawTimeout)
	if err != nil {
		return a, err
	}
	return a, cmp.Or(a.limited(), a.withheld())
}

// send is raw that takes a rate limit for an answer as well.
func (s *session) send(ctx context.Context, r *Rule, wire []byte, timeout time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stream, err := s.open(ctx, r, timeout)
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

func (s *session) open(ctx context.Context, r *Rule, timeout time.Duration) (network.Stream, error) {
	stream, err := s.host.NewStream(ctx, s.to, s.row(r.Method, r.Version).ID())
	switch {
	case err == nil:
	case s.host.Network().Connectedness(s.to) != network.Connected:
		return nil, skipped("the peer has hung up")
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

// payload lays out SSZ bytes as the only message of a stream.
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
		return skipped("the peer withholds its answer")
	case errors.Is(err, reqresp.ErrDisconnected):
		return skipped("the peer has hung up")
	default:
		return broken("%w", f.Err)
	}
	return err
}

// paced is raw, in its turn.
func (s *session) paced(ctx context.Context, r *Rule, wire []byte) (answer, error) {
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return answer{}, err
	}
	return s.raw(ctx, r, wire)
}

// expect sends a request in its turn, and breaks the rule if the answer is not good.
func (s *session) expect(ctx context.Context, r *Rule, wire []byte, good func(answer) bool) (string, error) {
	a, err := s.paced(ctx, r, wire)
	if err == nil && !good(a) {
		err = broken("%v", a)
	}
	if err != nil {
		return "", err
	}
	return a.String(), nil
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
		code, _, ok := a.verdict()
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

// onlyMessage returns the SSZ of an answer that is one chunk without context bytes, of a size, and
// ends in good order.
func onlyMessage(a answer, size int) ([]byte, error) {
	if a.end != nil || len(a.wire) == 0 || a.wire[0] != 0 {
		return nil, broken("%v", a)
	}
	r := bytes.NewReader(a.wire[1:])
	n, err := snappy.ReadHeader(r, snappy.Bounds{Min: size, Max: size})
	if err != nil {
		return nil, broken("%w", err)
	}
	message, err := snappy.AppendPayload(nil, r, n)
	if err != nil {
		return nil, broken("%w", err)
	}
	if r.Len() > 0 {
		return nil, broken("%d bytes after the chunk", r.Len())
	}
	return message, nil
}
