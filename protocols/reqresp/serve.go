package reqresp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/libp2p/go-libp2p/core/network"
)

// serve runs one exchange from the opened stream to its end.
func (s *Server) serve(spec *Spec, handler HandlerFunc, stream network.Stream) {
	stream = wrapMplex(stream)
	conn, from := stream.Conn(), stream.Conn().RemotePeer()
	ctx, err := s.enter(conn)
	if err != nil {
		_ = stream.ResetWithError(resetCode(err))
		return
	}
	defer s.leave(conn)
	s.protect.begin(from)
	defer s.protect.end(from)

	ctx, cancel := context.WithTimeoutCause(ctx, spec.Limits.Timeouts.Total, ErrTimeout)
	defer cancel()
	guard := guardStream(ctx, stream)
	in := &Inbound{spec: spec, stream: stream, from: from, pacer: s.opts.Pacer}
	err = s.run(ctx, handler, in)
	if guard.disarm() {
		s.finish(in, err)
	} else {
		err = context.Cause(ctx)
	}
	s.logOutcome(in, err)
}

// run calls the handler and turns its panic into an error.
func (s *Server) run(ctx context.Context, handler HandlerFunc, in *Inbound) (err error) {
	defer in.release()
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
		}
	}()
	return handler(ctx, in)
}

// finish ends the stream as the handler's result demands.
func (s *Server) finish(in *Inbound, err error) {
	if in.writeErr == nil && err != nil && !errors.Is(err, ErrRefused) {
		err = s.sendVerdict(in, err)
	}
	if in.writeErr != nil || err != nil {
		_ = in.stream.ResetWithError(resetCode(err))
		return
	}
	// Both are needed: CloseWrite alone frees nothing. An error means that the
	// peer has lost interest, after everything was written.
	_ = in.stream.CloseWrite()
	_ = in.stream.Close()
}

// sendVerdict tells the peer why there is no (further) answer. It returns err if
// that was not possible.
func (s *Server) sendVerdict(in *Inbound, err error) error {
	codec, ok := in.spec.Codec.(ErrorCodec)
	if !ok || isBroken(err) {
		return err
	}
	verdict := verdictOr(err, CodeServerError, "")
	buf := getBuffer()
	defer putBuffer(buf)
	chunk, aerr := codec.AppendError((*buf)[:0], in.Protocol(), verdict)
	if aerr != nil {
		return aerr
	}
	*buf = chunk
	_, werr := in.write(chunk)
	return werr
}

// isBroken reports whether err is the stream's own end, after which nothing can
// be told to the peer.
func isBroken(err error) bool {
	if _, ok := errors.AsType[*Error](err); ok {
		return false
	}
	return errors.Is(err, network.ErrReset)
}

func (s *Server) logOutcome(in *Inbound, err error) {
	if err == nil {
		return
	}
	level := slog.LevelWarn
	if _, ok := errors.AsType[*Error](err); ok || in.writeErr != nil || isBroken(err) ||
		errors.Is(err, ErrRefused) || errors.Is(err, ErrTimeout) || errors.Is(err, ErrClosed) || errors.Is(err, ErrDisconnected) {
		level = slog.LevelDebug
	}
	attrs := []any{"peer", in.from, "protocol", in.Protocol(), "chunks", in.usage.Items, "err", err}
	if p, ok := errors.AsType[*panicError](err); ok {
		attrs = append(attrs, "stack", string(p.stack))
	}
	s.log.Log(context.Background(), level, "exchange failed", attrs...)
}

type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.value) }
