package reqresp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Inbound is an exchange that a peer began. It belongs to the goroutine that
// serves it, and ends when its handler returns.
type Inbound struct {
	exchange Exchange
	server   *Server
	stream   network.Stream
	timer    progressTimer
	slot     slot
	memory   reservation
	// trailing waits for the end of the request's side of the stream. It is nil once that has come.
	trailing *trailingWatch

	received  bool
	broken    bool // the stream broke while the request was read
	admission Admission
	reserved  bool
	expected  int // bytes of the chunk that was reserved for
	writeErr  error
}

// ID returns the exchange's ID, see [Info].
func (in *Inbound) ID() uint64 { return in.exchange.ID }

// Peer returns the requester.
func (in *Inbound) Peer() peer.ID { return in.exchange.Peer }

// Spec returns the protocol's description.
func (in *Inbound) Spec() *Spec { return in.exchange.Spec }

// Protocol returns the protocol ID negotiated, one of Spec().Protocols().
func (in *Inbound) Protocol() protocol.ID { return in.exchange.Protocol }

// Conn returns the connection the stream runs on.
func (in *Inbound) Conn() network.Conn { return in.exchange.Conn }

// Result returns the counts of the exchange so far. RequestBytes is final once Receive has returned. Err is nil.
func (in *Inbound) Result() Result { return in.exchange.Result }

// Receive reads the request into msg, a pointer to a zero request, and then waits
// for the server's [Limiter] to admit the exchange. It is called once, before
// anything is sent.
//
// If the request cannot be read, is malformed, is not complete in time or is followed by more bytes, the error wraps
// an [*Error] of [CodeInvalidRequest], which the handler returns. It also wraps [ErrViolation], unless time ran out. If
// the stream broke, the context ended or the Limiter refused the exchange, the error wraps that cause.
//
// Receive returns as soon as the request is complete, even if the requester does not half-close the stream. Bytes that
// arrive while the handler runs cancel its context; the cause is such an *Error.
func (in *Inbound) Receive(ctx context.Context, msg any) error {
	if in.received {
		return errors.New("reqresp: request was already received")
	}
	in.received = true
	if err := in.read(ctx, msg); err != nil {
		return err
	}
	in.exchange.RequestSize = uint64(sizeOf(in.Spec().codec, msg))
	in.exchange.enter(PhaseAdmit)
	if err := in.admit(ctx); err != nil {
		return err
	}
	in.exchange.enter(PhaseHandle)
	return nil
}

func (in *Inbound) admit(ctx context.Context) error {
	if limiter := in.server.opts.Limiter; limiter != nil {
		var err error
		if in.admission, err = limiter.Admit(ctx, in.Peer(), in.Spec()); err != nil {
			return fmt.Errorf("admitting %s: %w", in.Spec().name, err)
		}
	}
	if in.admission == nil {
		in.admission = unlimited{}
	}
	return in.server.admitted(&in.slot)
}

func (in *Inbound) read(ctx context.Context, msg any) error {
	if err := in.memory.resize(readerSize, requestPriority); err != nil {
		return err
	}
	spec := in.Spec()
	tr := &transportReader{r: in.stream, memory: &in.memory}
	br := getReader(tr)
	defer putReader(br)
	in.timer.start(spec.limits.Timeouts.Progress, &tr.n, 0)
	err := spec.codec.ReadRequest(br, in.Protocol(), spec.limits.MaxRequest, msg)
	in.timer.stop()
	if err == nil {
		err = in.readEnd(br, tr, msg)
	}
	got := tr.n.Load()
	in.exchange.RequestBytes = got
	// The request itself stays, as long as its handler may look at it.
	_ = in.memory.resize(min(in.memory.held, int(got)), requestPriority)
	switch {
	case err == nil:
		return nil
	case tr.err == nil:
		return malformed(err)
	case errors.Is(tr.err, ErrRefused):
		return fmt.Errorf("reading request: %w", tr.err)
	case isTimeout(tr.err):
		return Errorf(CodeInvalidRequest, "request was not complete in time").WithCause(ErrTimeout)
	}
	in.broken = true
	return fmt.Errorf("reading request: %w", streamCause(ctx, in.stream, tr.err))
}

// malformed returns the error response to a request that cannot be read: the codec's own, if it has one.
func malformed(err error) error {
	violation := fmt.Errorf("%w: %w", ErrViolation, err)
	if _, ok := localError(err); ok {
		return violation
	}
	return Errorf(CodeInvalidRequest, "malformed request").WithCause(violation)
}

// endGrace is how long the end of the stream is waited for after a complete request. A requester that
// half-closes sends the end along with the request.
const endGrace = 5 * time.Millisecond

// endLinger is how long the end is waited for once the answer is written. On QUIC a stream that is closed before has
// the requester's half-close fail, which some take for a failure of the exchange.
const endLinger = 250 * time.Millisecond

func errTrailing() error {
	return Errorf(CodeInvalidRequest, "bytes after the request").WithCause(ErrViolation)
}

// readEnd looks for the end of the stream behind a complete request. Bytes that have arrived in place of it are an
// error, but for a [TrailerCodec]'s trailer. A requester that does not half-close is answered all the same, and watched
// while it is.
func (in *Inbound) readEnd(br *bufio.Reader, tr *transportReader, msg any) error {
	if tr.ended && br.Buffered() == 0 {
		return nil
	}
	_ = in.stream.SetReadDeadline(time.Now().Add(endGrace))
	_, err := br.Peek(1)
	if err == nil && in.skipTrailer(br, msg) {
		_, err = br.Peek(1)
	}
	switch {
	case err == nil:
		return errTrailing()
	case err == io.EOF:
		return nil
	case !isTimeout(err):
		return err
	}
	tr.err = nil
	in.trailing = watchTrailing(in.stream, in.slot.cancel)
	return nil
}

// skipTrailer skips what the codec lets follow a request, and reports whether that was there.
func (in *Inbound) skipTrailer(br *bufio.Reader, msg any) bool {
	codec, ok := in.Spec().codec.(TrailerCodec)
	if !ok {
		return false
	}
	trailer := codec.Trailer(in.Protocol(), msg)
	if got, err := br.Peek(len(trailer)); err != nil || len(trailer) == 0 || string(got) != string(trailer) {
		return false
	}
	_, _ = br.Discard(len(trailer))
	return true
}

// A trailingWatch reads on after a request whose end has not come, until it is stopped.
type trailingWatch struct {
	stream network.Stream
	done   chan struct{} // closed when nothing is read any more
	ended  bool          // before that
}

// watchTrailing cancels with an error response if a byte arrives on the stream before its end.
func watchTrailing(stream network.Stream, cancel context.CancelCauseFunc) *trailingWatch {
	w := &trailingWatch{stream: stream, done: make(chan struct{})}
	_ = stream.SetReadDeadline(time.Time{})
	go func() {
		defer close(w.done)
		n, err := stream.Read(make([]byte, 1))
		if n > 0 {
			cancel(errTrailing())
		}
		w.ended = !isTimeout(err)
	}()
	return w
}

// stop waits until nothing is read any more. On a nil watch it does nothing.
func (w *trailingWatch) stop() {
	if w == nil {
		return
	}
	_ = w.stream.SetReadDeadline(time.Now())
	<-w.done
}

// linger waits for the end of the stream, for a moment and no longer than ctx, unless it has come. On a nil watch it
// does nothing. It is called after stop.
func (w *trailingWatch) linger(ctx context.Context) {
	if w == nil || w.ended {
		return
	}
	_ = w.stream.SetReadDeadline(time.Now().Add(endLinger))
	defer context.AfterFunc(ctx, func() { _ = w.stream.SetReadDeadline(longAgo) })()
	_, _ = w.stream.Read(make([]byte, 1))
}

// Reserve blocks until the server's [Limiter] lets the exchange send its next chunk, whose expected cost is c. A
// handler that knows the cost before it reads the chunk from its store calls Reserve first, and then reads.
// If it does not, Send calls Reserve. A second call without a Send between them first releases what the first reserved.
// Reserve fails with the context's error, or with one that wraps ErrRefused if the Limiter ends the exchange.
func (in *Inbound) Reserve(ctx context.Context, c Cost) error {
	if in.admission == nil {
		return errors.New("reqresp: nothing can be reserved before the request was received")
	}
	in.unreserve()
	if in.server.opts.Limiter != nil {
		in.exchange.enter(PhaseReserve)
	}
	if err := in.admission.Reserve(ctx, c); err != nil {
		return err
	}
	if in.exchange.ResponseBytes > 0 {
		in.exchange.enter(PhaseResponse)
	} else {
		in.exchange.enter(PhaseHandle)
	}
	in.reserved = true
	in.expected = int(min(c.Bytes, math.MaxInt32))
	return nil
}

func (in *Inbound) unreserve() {
	if in.reserved {
		in.reserved = false
		in.admission.Settle(Cost{})
	}
}

// Send writes msg, a pointer to a response, as the next chunk. An error other than the codec's own means that the
// stream is broken; the handler should return. Send fails if the requester has reset the stream. If there is no memory
// for the chunk, Send writes nothing and the error wraps ErrRefused.
func (in *Inbound) Send(ctx context.Context, msg any) error {
	codec := in.Spec().codec
	return in.SendAppend(ctx, sizeOf(codec, msg), func(dst []byte) ([]byte, error) {
		return codec.AppendResponse(dst, in.Protocol(), msg)
	})
}

// SendAppend writes the next chunk, encoded by fill exactly as the family's codec
// would, in one write. The buffer that fill extends and returns is the engine's
// and empty; it must not be kept. If fill fails nothing is written, and its error is
// returned as it is. Size is the chunk's size before it is encoded, for the [Trace], or 0.
func (in *Inbound) SendAppend(ctx context.Context, size int, fill func(dst []byte) ([]byte, error)) error {
	if err := in.checkSend(); err != nil {
		return err
	}
	if !in.reserved {
		if err := in.Reserve(ctx, Cost{Items: 1}); err != nil {
			return err
		}
	}
	var used Cost
	buf := getBuffer()
	defer in.settle(buf, in.memory.held, &used)
	if err := in.fill(buf, fill); err != nil {
		return err
	}
	in.exchange.enter(PhaseResponse)
	n, err := in.write(ctx, *buf)
	used = Cost{Items: 1, Bytes: uint64(n)}
	if err != nil {
		return err
	}
	in.exchange.chunk(n, size)
	return nil
}

func (in *Inbound) checkSend() error {
	switch {
	case in.admission == nil:
		return errors.New("reqresp: nothing can be sent before the request was received")
	case in.writeErr != nil:
		// Whatever followed a chunk that was cut off would be read as its rest.
		return in.writeErr
	case in.Spec().kind == KindUnary && in.exchange.Chunks > 0:
		return fmt.Errorf("reqresp: %s is answered by one response only", in.Spec().name)
	case in.Spec().kind == KindOneWay:
		return fmt.Errorf("reqresp: %s is not answered", in.Spec().name)
	}
	return nil
}

// Fetch calls fill to read data that the handler needs to find its answer and does not send. The server's [Limiter]
// charges the data, about size bytes, as bytes without an item, and it counts towards the server's memory until Fetch
// returns. Like Reserve, Fetch first releases what was reserved and not sent. The buffer that fill extends and returns
// is empty, belongs to the engine, and must not be kept. Fetch fails as Reserve does, returns fill's error as it is, or
// returns an error that wraps ErrRefused if there is no memory.
func (in *Inbound) Fetch(ctx context.Context, size uint64, fill func(dst []byte) ([]byte, error)) error {
	if err := in.Reserve(ctx, Cost{Bytes: size}); err != nil {
		return err
	}
	var used Cost
	buf := getBuffer()
	defer in.settle(buf, in.memory.held, &used)
	if err := in.fill(buf, fill); err != nil {
		return err
	}
	used.Bytes = uint64(len(*buf))
	return nil
}

// fill calls fill for a buffer. Memory is reserved for what the data is expected to take, and then for what it takes.
func (in *Inbound) fill(buf *[]byte, fill func(dst []byte) ([]byte, error)) error {
	held := in.memory.held
	if err := in.memory.resize(held+in.expected, chunkPriority); err != nil {
		return err
	}
	b, err := fill((*buf)[:0])
	if err != nil {
		return err
	}
	*buf = b
	return in.memory.resize(held+max(in.expected, len(b)), chunkPriority)
}

// settle settles what was reserved for one buffer. It is deferred, so that it runs even if filling the buffer panics.
func (in *Inbound) settle(buf *[]byte, held int, used *Cost) {
	in.reserved = false
	in.admission.Settle(*used)
	_ = in.memory.resize(held, chunkPriority)
	putBuffer(buf)
}

func (in *Inbound) write(ctx context.Context, b []byte) (int, error) {
	n, err := in.timer.write(b, in.Spec().limits.Timeouts.Write)
	in.exchange.ResponseBytes += uint64(n)
	if err != nil {
		in.writeErr = fmt.Errorf("writing response: %w", streamCause(ctx, in.stream, err))
	}
	return n, in.writeErr
}

// release frees the exchange's admission and memory. Nothing else does.
func (in *Inbound) release() {
	in.memory.free()
	if in.admission == nil {
		return
	}
	in.unreserve()
	in.admission.Release()
}
