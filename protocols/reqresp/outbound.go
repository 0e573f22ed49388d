package reqresp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Outbound is an exchange that this side began. It belongs to one goroutine,
// which ends it with Close.
type Outbound struct {
	call     *call
	timeouts Timeouts
	stream   network.Stream
	ctx      context.Context // the exchange's own
	cancel   context.CancelFunc
	guard    *streamGuard
	timer    progressTimer

	tr        transportReader
	br        *bufio.Reader
	maxChunks int
	err       error // what the exchange ended in: io.EOF, a remote *Error or a *Failure
	sent      bool  // or tried to
	cut       bool  // the peer wanted no more of the request
	ended     bool  // the response was read to its end or to the peer's error response
	flushed   bool  // the stream was closed already, by flush
	closed    bool
}

func newOutbound(ctx context.Context, c *call, stream network.Stream) *Outbound {
	limits := c.exchange.Spec.limits
	o := &Outbound{call: c, stream: stream, maxChunks: limits.MaxChunks}
	o.timeouts = c.client.opts.Timeouts.or(limits.Timeouts)
	o.timeouts.FirstByte <<= c.client.shared.behind.times(stream.Conn())
	o.ctx, o.cancel = context.WithTimeoutCause(ctx, o.timeouts.Total, ErrTimeout)
	o.guard = guardStream(o.ctx, stream)
	o.tr.r = stream
	o.br = getReader(&o.tr)
	o.timer.stream = stream
	return o
}

// ID returns the exchange's ID, see [Info].
func (o *Outbound) ID() uint64 { return o.call.exchange.ID }

// Spec returns the protocol that was negotiated, one of those given to
// [Client.Open].
func (o *Outbound) Spec() *Spec { return o.call.exchange.Spec }

// Protocol returns the protocol ID that was negotiated.
func (o *Outbound) Protocol() protocol.ID { return o.call.exchange.Protocol }

// Conn returns the connection the stream runs on.
func (o *Outbound) Conn() network.Conn { return o.call.exchange.Conn }

func (o *Outbound) checkProtocol(spec *Spec) error {
	if !slices.Contains(spec.ids, o.Protocol()) {
		return o.failure(PhaseRequest, fmt.Errorf("reqresp: Exchange is for %q", spec.ids))
	}
	return nil
}

// MaxUnread returns how many bytes of the response are held at most for a caller that does not
// read them. It is 0 where the muxer has flow control. On mplex, which has none, what arrives
// is read at once, and a caller that lets more than that arrive fails with ErrBufferFull; less is held
// where other calls hold much, or the host's resource manager wants it.
func (o *Outbound) MaxUnread() int {
	if isMplex(o.Conn()) {
		return maxUnread
	}
	return 0
}

// Send writes req, a pointer to the request, and half-closes the stream. It is
// called once, first; a second call fails, and sends nothing. The error is a [*Failure]. It wraps
// a [*PanicError] if the codec, the request or a hook of a [Trace] panics.
func (o *Outbound) Send(req any) (err error) {
	defer o.recovered(PhaseRequest, &err)
	if o.err != nil {
		return o.err
	}
	if o.sent {
		return o.failure(PhaseRequest, errors.New("reqresp: request was already sent"))
	}
	o.sent = true
	buf := getBuffer()
	defer putBuffer(buf)
	b, err := o.Spec().codec.AppendRequest((*buf)[:0], o.Protocol(), req)
	if err != nil {
		return o.fail(PhaseRequest, err)
	}
	*buf = b
	if bounded, ok := req.(BoundedRequest); ok && o.Spec().kind == KindStream {
		o.maxChunks = max(0, min(o.maxChunks, bounded.MaxChunks()))
	}
	n, err := o.write(b)
	o.call.exchange.RequestBytes = uint64(n)
	o.cut = err != nil && o.mayBeAnswered(err)
	switch {
	case o.cut:
		o.awaitResponse()
		return nil
	case err != nil:
		return o.transportFailed(PhaseRequest, err)
	}
	// A request without any bytes is written here, along with the negotiation. An
	// error means that the peer wants no more of it, which reading explains better.
	_ = o.stream.SetWriteDeadline(time.Now().Add(o.timeouts.Write))
	_ = o.stream.CloseWrite()
	o.call.exchange.RequestSize = uint64(sizeOf(o.Spec().codec, req))
	o.awaitResponse()
	return nil
}

func (o *Outbound) awaitResponse() {
	o.timer.start(o.timeouts.FirstByte, &o.tr.n, 0)
	if o.Spec().kind != KindOneWay {
		o.call.exchange.enter(PhaseFirstByte)
	}
}

// recovered is called deferred and ends the exchange in a panic: nothing else of the program is broken by it.
func (o *Outbound) recovered(phase Phase, err *error) {
	if p := recover(); p != nil {
		*err = o.fail(phase, newPanicError(p))
	}
}

func (o *Outbound) decode(resp any) error {
	return o.Spec().codec.ReadResponse(o.br, o.Protocol(), o.Spec().limits.MaxResponse, resp)
}

// write writes the request. Where libp2p negotiates along with the first write, that cannot be gone on
// with after a timeout, and so it is small.
func (o *Outbound) write(b []byte) (int, error) {
	first := min(len(b), ProgressFloor)
	n, err := o.timer.write(b[:first], o.timeouts.Write)
	if err != nil {
		return n, err
	}
	m, err := o.timer.write(b[first:], o.timeouts.Write)
	return n + m, err
}

// mayBeAnswered reports whether the peer has closed a stream before it read all of the
// request, as a responder does which has made up its mind. On QUIC that is an error of
// writing, beside which the answer can be read.
func (o *Outbound) mayBeAnswered(err error) bool {
	reset, ok := errors.AsType[*network.StreamError](err)
	return ok && reset.Remote && reset.ErrorCode == network.StreamNoError && o.Spec().kind != KindOneWay
}

// Receive reads the next chunk into resp, a pointer to a zero response. It
// returns io.EOF at the end of the response, an [*Error] with Remote set if the
// peer answered with one, and a [*Failure] otherwise. After an error it returns that error
// again. A panic ends it as it does Send.
//
// A response that is longer than the protocol's MaxChunks or the request's, see
// [BoundedRequest], or that ends before the one chunk of a unary protocol, is a
// violation.
func (o *Outbound) Receive(resp any) (err error) {
	defer o.recovered(PhaseResponse, &err)
	if o.err != nil {
		return o.err
	}
	if !o.sent {
		return o.failure(PhaseRequest, errors.New("reqresp: nothing can be received before the request was sent"))
	}
	if o.call.exchange.Chunks == 0 {
		if err := o.awaitFirstByte(); err != nil {
			return err
		}
	}
	if o.call.exchange.Chunks >= o.maxChunks {
		return o.receiveEnd(resp)
	}
	if o.call.exchange.Chunks > 0 {
		if err := o.awaitChunk(); err != nil {
			return err
		}
	}
	o.timer.start(o.timeouts.Progress, &o.tr.n, o.br.Buffered())
	before := o.consumed()
	err = o.decode(resp)
	o.timer.stop()
	if err != nil {
		return o.readFailed(err)
	}
	o.call.exchange.ResponseBytes = o.consumed()
	o.call.exchange.chunk(int(o.consumed()-before), sizeOf(o.Spec().codec, resp))
	return nil
}

// consumed returns how many bytes of the response were made use of.
func (o *Outbound) consumed() uint64 { return o.tr.n.Load() - uint64(o.br.Buffered()) }

// awaitFirstByte gives the first byte its own timeout. The end of the stream is
// left for the codec to find.
func (o *Outbound) awaitFirstByte() error {
	_, err := o.br.Peek(1)
	if err != nil && err != io.EOF {
		if o.cut {
			return o.transportFailed(PhaseRequest, err)
		}
		return o.transportFailed(PhaseFirstByte, err)
	}
	if err == nil {
		o.call.client.shared.behind.caughtUp(o.Conn())
		o.call.exchange.enter(PhaseResponse)
	}
	return nil
}

// awaitChunk gives the wait for the next chunk a timeout of its own. The end of the stream is left for the
// codec to find.
func (o *Outbound) awaitChunk() error {
	if o.br.Buffered() > 0 {
		return nil
	}
	o.timer.start(o.timeouts.Progress, &o.tr.n, 0)
	if _, err := o.br.Peek(1); err != nil && err != io.EOF {
		return o.transportFailed(PhaseResponse, err)
	}
	return nil
}

// endTimeout bounds the wait for the end of a response that has all its chunks.
// The end usually comes with the last chunk.
const endTimeout = time.Second

// receiveEnd expects the end of a response that has all its chunks. Only a
// surplus byte is an error: a peer that is slow to close, or resets once it has
// sent everything, did no harm. A surplus chunk is read into resp, unless that is
// nil, as it may be an error response.
func (o *Outbound) receiveEnd(resp any) error {
	o.timer.start(min(endTimeout, o.timeouts.Progress), &o.tr.n, 0)
	if _, err := o.br.Peek(1); err != nil {
		o.ended = err == io.EOF
		o.err = io.EOF
		return o.err
	}
	if resp != nil {
		err := o.decode(resp)
		if e, ok := errors.AsType[*Error](err); ok && e.Remote {
			return o.receiveError(e)
		}
	}
	return o.fail(PhaseResponse, fmt.Errorf("%w: %w (%d)", ErrViolation, ErrTooManyChunks, o.maxChunks))
}

// readFailed sorts out what a codec's error means.
func (o *Outbound) readFailed(err error) error {
	switch {
	case o.tr.err != nil:
		return o.transportFailed(PhaseResponse, o.tr.err)
	case err == io.EOF && o.Spec().kind == KindUnary && o.call.exchange.Chunks == 0:
		return o.fail(PhaseResponse, fmt.Errorf("%w: %w", ErrViolation, ErrNoResponse))
	case err == io.EOF:
		o.ended = true
		o.err = io.EOF
		return o.err
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Remote {
		return o.receiveError(e)
	}
	return o.fail(PhaseResponse, fmt.Errorf("%w: %w", ErrViolation, err))
}

// receiveError ends the response with the peer's error, after which nothing
// may come. A peer that is slow to close did no harm.
func (o *Outbound) receiveError(e *Error) error {
	o.timer.start(min(endTimeout, o.timeouts.Progress), &o.tr.n, 0)
	if _, err := o.br.Peek(1); err == nil {
		return o.fail(PhaseResponse, fmt.Errorf("%w: %w: %w", ErrViolation, ErrAfterError, e))
	}
	o.err, o.ended = e, true
	return o.err
}

// Reject ends the response for what it says: err tells which rule of the
// protocol the peer broke. It returns the [*Failure], which wraps ErrViolation
// and err, for the caller to return. The stream is reset by Close with
// network.StreamProtocolViolation.
func (o *Outbound) Reject(err error) error {
	return o.fail(PhaseResponse, fmt.Errorf("%w: %w", ErrViolation, err))
}

// Close ends the exchange. If the response was read to its end, or to
// an error from the peer, the stream is closed, otherwise it is reset, which
// tells the peer to stop. It may be called more than once; Send and Receive fail
// with ErrClosed after it.
func (o *Outbound) Close() {
	if o.closed {
		return
	}
	o.closed = true
	o.timer.stop()
	if phase, ok := timedOutIn(o.err); ok {
		o.call.client.shared.behind.add(o.Conn(), phase)
	}
	if !o.flushed && o.guard.disarm() {
		o.endStream()
	}
	outcome := o.outcome()
	if o.err == nil {
		_ = o.fail(PhaseResponse, ErrClosed)
	}
	o.cancel()
	o.call.exchange.ResponseBytes = o.consumed()
	putReader(o.br)
	o.call.end(outcome)
}

// outcome is the exchange's error for its result. One that its user had enough of before
// it came to its end is cancelled.
func (o *Outbound) outcome() error {
	switch o.err {
	case io.EOF:
		return nil
	case nil:
		return o.failure(PhaseResponse, cause(o.ctx, context.Canceled))
	}
	return o.err
}

func (o *Outbound) endStream() {
	if o.ended {
		_ = o.stream.Close()
		return
	}
	_ = o.stream.ResetWithError(resetCode(o.err))
}

func (o *Outbound) fail(phase Phase, err error) error {
	o.err = o.failure(phase, err)
	return o.err
}

func (o *Outbound) failure(phase Phase, err error) *Failure {
	return newFailure(o.call.exchange.Peer, o.Protocol(), phase, err)
}

// transportFailed ends the exchange in a stream's error, which may stand for an
// error response.
func (o *Outbound) transportFailed(phase Phase, err error) error {
	err = streamCause(o.ctx, o.stream, err)
	if e, ok := errors.AsType[*Error](err); ok {
		o.err = e
		return o.err
	}
	return o.fail(phase, err)
}

// flush ends an exchange that is not answered, once its request was sent. A negotiation
// in flight is part of that: libp2p completes it before it closes a stream, and what came of
// it is what reading returns from then on, even of nothing.
func (o *Outbound) flush() error {
	if o.err != nil {
		return o.err
	}
	o.flushed = true
	// Closing begins with setting a deadline of libp2p's own.
	late := time.AfterFunc(o.timeouts.Negotiate, func() { _ = o.stream.SetReadDeadline(time.Now()) })
	_ = closeUnanswered(o.stream)
	late.Stop()
	_, err := o.stream.Read(nil)
	if !o.guard.disarm() {
		return o.fail(PhaseNegotiate, cause(o.ctx, o.ctx.Err()))
	}
	if err := negotiationError(o.stream, err); err != nil {
		return o.fail(PhaseNegotiate, err)
	}
	o.err = io.EOF
	return nil
}

// negotiationError returns what is wrong with a negotiation, given what reading of a closed
// stream returns. Where the negotiation was done before, that is about the closing.
func negotiationError(stream network.Stream, err error) error {
	switch {
	case err == nil || err == io.EOF:
		return nil
	case isUnsupported(err):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case isTimeout(err):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	case isDisconnected(err, stream.Conn()):
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	case !isPeersReset(stream, err):
		return nil
	}
	err = resetError(err)
	if _, ok := errors.AsType[*Error](err); ok {
		return nil // a peer that has an error response supports the protocol
	}
	return err
}

// isPeersReset reports whether a stream's error is a reset by the peer, not by ourselves.
func isPeersReset(stream network.Stream, err error) bool {
	if reset, ok := errors.AsType[*network.StreamError](err); ok {
		return reset.Remote
	}
	return isMplex(stream.Conn()) && errors.Is(err, network.ErrReset)
}
