package reqresp

import (
	"bufio"
	"context"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// endGrace is how long the end of the stream is waited for after a complete request. A requester that
// half-closes sends the end along with the request.
const endGrace = 5 * time.Millisecond

// endLinger is how long the end is waited for once the answer is written. On QUIC a stream that is closed before has
// the requester's half-close fail, which some take for a failure of the exchange.
const endLinger = 250 * time.Millisecond

// errTrailing returns the verdict on a request that bytes follow.
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
	in.trailing = watchTrailing(in.stream, in.seat.cancel)
	return nil
}

// skipTrailer skips what the codec lets follow a request, and reports whether that was there.
func (in *Inbound) skipTrailer(br *bufio.Reader, msg any) bool {
	codec, ok := in.spec.Codec.(TrailerCodec)
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

// watchTrailing calls found with a verdict if a byte arrives on the stream before its end.
func watchTrailing(stream network.Stream, found context.CancelCauseFunc) *trailingWatch {
	w := &trailingWatch{stream: stream, done: make(chan struct{})}
	_ = stream.SetReadDeadline(time.Time{})
	go func() {
		defer close(w.done)
		n, err := stream.Read(make([]byte, 1))
		if n > 0 {
			found(errTrailing())
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
