package reqresp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Outbound is an exchange that this side began. It belongs to one goroutine,
// which ends it with Close.
type Outbound struct {
	spec    *Spec
	stream  network.Stream
	ctx     context.Context // the exchange's own
	cancel  context.CancelFunc
	guard   *streamGuard
	release func()

	tr        transportReader
	br        *bufio.Reader
	chunks    int
	maxChunks int
	err       error // what the exchange ended in: io.EOF, a remote *Error or a *Failure
	ended     bool  // the response was read to its end or to the peer's verdict
	closed    bool
}

func newOutbound(ctx context.Context, stream network.Stream, spec *Spec, release func()) *Outbound {
	o := &Outbound{spec: spec, stream: stream, release: release, maxChunks: spec.Limits.MaxChunks}
	o.ctx, o.cancel = context.WithTimeoutCause(ctx, spec.Limits.Timeouts.Total, ErrTimeout)
	o.guard = guardStream(o.ctx, stream)
	o.tr.r = stream
	o.br = getReader(&o.tr)
	return o
}

// Spec returns the protocol that was negotiated, one of those given to
// [Client.Open].
func (o *Outbound) Spec() *Spec { return o.spec }

// Protocol returns the protocol ID that was negotiated.
func (o *Outbound) Protocol() protocol.ID { return o.stream.Protocol() }

// Send writes req, a pointer to the request, and half-closes the stream. It is
// called once, first. The error is a [*Failure].
func (o *Outbound) Send(req any) error {
	if o.err != nil {
		return o.err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	b, err := o.spec.Codec.AppendRequest((*buf)[:0], o.Protocol(), req)
	if err != nil {
		return o.fail(PhaseRequest, err)
	}
	*buf = b
	if bounded, ok := req.(BoundedRequest); ok && o.spec.Kind == KindStream {
		o.maxChunks = max(0, min(o.maxChunks, bounded.MaxChunks()))
	}
	if _, err := writeAll(o.stream, b, o.spec.Limits.Timeouts.Write); err != nil {
		return o.fail(PhaseRequest, o.transportCause(err))
	}
	// A request without any bytes is written here, along with the negotiation. An
	// error means that the peer wants no more of it, which reading explains better.
	_ = o.stream.SetWriteDeadline(time.Now().Add(o.spec.Limits.Timeouts.Write))
	_ = o.stream.CloseWrite()
	o.setReadDeadline(o.spec.Limits.Timeouts.FirstByte)
	return nil
}

// Receive reads the next chunk into resp, a pointer to a zero response. It
// returns io.EOF at the end of the response, an [*Error] with Remote set if the
// peer answered with one, and a [*Failure] otherwise. After an error it returns that error
// again.
//
// A response that is longer than the protocol's MaxChunks or the request's, see
// [BoundedRequest], or that ends before the one chunk of a unary protocol, is a
// violation.
func (o *Outbound) Receive(resp any) error {
	if o.err != nil {
		return o.err
	}
	if o.chunks == 0 {
		if err := o.awaitFirstByte(); err != nil {
			return err
		}
	}
	if o.chunks >= o.maxChunks {
		return o.receiveEnd(resp)
	}
	o.setReadDeadline(o.spec.Limits.Timeouts.Progress)
	err := o.spec.Codec.ReadResponse(o.br, o.Protocol(), o.spec.Limits.MaxResponse, resp)
	if err != nil {
		return o.readFailed(err)
	}
	o.chunks++
	return nil
}

// awaitFirstByte gives the first byte its own timeout. The end of the stream is
// left for the codec to find.
func (o *Outbound) awaitFirstByte() error {
	if _, err := o.br.Peek(1); err != nil && err != io.EOF {
		return o.fail(PhaseFirstByte, o.transportCause(err))
	}
	return nil
}

// endTimeout bounds the wait for the end of a response that has all its chunks.
// The end usually comes with the last chunk.
const endTimeout = time.Second

// receiveEnd expects the end of a response that has all its chunks. Only a
// surplus byte is an error: a peer that is slow to close, or resets once it has
// sent everything, did no harm. A surplus chunk is read into resp, unless that is
// nil, as it may be the peer's verdict.
func (o *Outbound) receiveEnd(resp any) error {
	o.setReadDeadline(min(endTimeout, o.spec.Limits.Timeouts.Progress))
	if _, err := o.br.Peek(1); err != nil {
		o.ended = err == io.EOF
		o.err = io.EOF
		return o.err
	}
	if resp != nil {
		err := o.spec.Codec.ReadResponse(o.br, o.Protocol(), o.spec.Limits.MaxResponse, resp)
		if e, ok := errors.AsType[*Error](err); ok && e.Remote {
			return o.receiveVerdict(e)
		}
	}
	return o.fail(PhaseResponse, fmt.Errorf("%w: %w (%d)", ErrViolation, ErrTooManyChunks, o.maxChunks))
}

// readFailed sorts out what a codec's error means.
func (o *Outbound) readFailed(err error) error {
	switch {
	case o.tr.err != nil:
		return o.fail(PhaseResponse, o.transportCause(o.tr.err))
	case err == io.EOF && o.spec.Kind == KindUnary && o.chunks == 0:
		return o.fail(PhaseResponse, fmt.Errorf("%w: %w", ErrViolation, ErrNoResponse))
	case err == io.EOF:
		o.ended = true
		o.err = io.EOF
		return o.err
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Remote {
		return o.receiveVerdict(e)
	}
	return o.fail(PhaseResponse, fmt.Errorf("%w: %w", ErrViolation, err))
}

// receiveVerdict ends the response with the peer's verdict, after which nothing
// may come. A peer that is slow to close did no harm.
func (o *Outbound) receiveVerdict(e *Error) error {
	o.setReadDeadline(min(endTimeout, o.spec.Limits.Timeouts.Progress))
	if _, err := o.br.Peek(1); err == nil {
		return o.fail(PhaseResponse, fmt.Errorf("%w: %w: %w", ErrViolation, ErrAfterVerdict, e))
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

// Close ends the exchange and frees its slot. If the response was read to its end, or to
// an error from the peer, the stream is closed, otherwise it is reset, which
// tells the peer to stop. It may be called more than once; Send and Receive fail
// with ErrClosed after it.
func (o *Outbound) Close() {
	if o.closed {
		return
	}
	o.closed = true
	if o.guard.disarm() {
		o.endStream()
	}
	o.cancel()
	putReader(o.br)
	o.release()
	if o.err == nil {
		_ = o.fail(PhaseResponse, ErrClosed)
	}
}

func (o *Outbound) endStream() {
	if o.ended {
		_ = o.stream.Close()
		return
	}
	_ = o.stream.ResetWithError(resetCode(o.err))
}

func (o *Outbound) setReadDeadline(d time.Duration) {
	// It fails only on streams that are closed, which the next read then tells.
	_ = o.stream.SetReadDeadline(time.Now().Add(d))
}

func (o *Outbound) fail(phase Phase, err error) error {
	o.err = &Failure{
		Peer:     o.stream.Conn().RemotePeer(),
		Protocol: o.Protocol(),
		Phase:    phase,
		Err:      err,
	}
	return o.err
}

// transportCause names the reason behind a stream's error.
func (o *Outbound) transportCause(err error) error {
	switch {
	case o.ctx.Err() != nil:
		return cause(o.ctx, err)
	case isUnsupported(err):
		// A protocol known to be supported is negotiated along with the request.
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case isTimeout(err):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}
