package reqresp

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
)

// A HandlerFunc serves one exchange. It reads the request with
// [Inbound.Receive], answers with [Inbound.Send], and returns nil for success, an
// [*Error] to answer with that, or any other error, which the peer learns
// of as a bare [CodeServerError]. The server ends the stream.
type HandlerFunc func(ctx context.Context, in *Inbound) error

// A Middleware wraps the whole of an exchange, before any byte of the request
// is read. It may refuse or bound it. What only watches exchanges is a [Trace]. The first in a list is the
// outermost:
//
//	Middleware{a, b}:  a( b( handler ) )
type Middleware func(next HandlerFunc) HandlerFunc

func wrap(h HandlerFunc, list []Middleware) HandlerFunc {
	for _, m := range slices.Backward(list) {
		h = m(h)
	}
	return h
}

// A Handler is a protocol together with the function that serves it. Descriptors
// make them, see [Unary.Serve] and [Stream.Serve]. One that wants to
// fetch its answer chunk by chunk into the engine's buffers is written as a
// [HandlerFunc] of its own.
type Handler struct {
	// Spec describes the protocol. It is required.
	Spec *Spec
	// Serve serves it. It is required.
	Serve HandlerFunc
}

// serve runs one exchange from the opened stream to its end.
func (s *Server) serve(spec *Spec, handler HandlerFunc, stream network.Stream) {
	conn := stream.Conn()
	stream = wrapMplex(stream)
	in := &Inbound{
		exchange: Exchange{Info: Info{
			Inbound:  true,
			ID:       s.lastID.Add(1),
			Peer:     conn.RemotePeer(),
			Spec:     spec,
			Protocol: stream.Protocol(),
			Conn:     conn,
		}, traces: [2]*Trace{s.opts.Trace}},
		server: s,
		stream: stream,
		timer:  progressTimer{stream: stream},
	}
	in.slot.inbound = in
	in.exchange.begin(PhaseRequest)
	if err := s.enter(conn, &in.slot); err != nil {
		s.turnAway(in, err)
		return
	}
	defer s.leave(conn, &in.slot)
	scope := stream.Scope()
	if err := join(scope); err != nil {
		s.refused.Add(1)
		s.turnAway(in, err)
		return
	}
	in.memory = reservation{pool: s.memory, refused: &s.refused, peer: in.Peer(), scope: scope}
	s.protect.begin(in.Peer())
	defer s.protect.end(in.Peer())
	s.done(in, exchange(in.slot.ctx, handler, in))
}

// turnAway ends an exchange that cannot even begin. The limiter is called if that is for lack of room.
func (s *Server) turnAway(in *Inbound, err error) {
	if s.opts.Limiter != nil && errors.Is(err, ErrRefused) {
		s.opts.Limiter.Refused(in.Peer(), in.Spec())
	}
	_ = in.stream.ResetWithError(resetCode(err))
	s.done(in, err)
}

// exchange runs an exchange that was counted in, and returns what it ended in.
func exchange(ctx context.Context, handler HandlerFunc, in *Inbound) error {
	ctx, cancel := context.WithTimeoutCause(ctx, in.Spec().limits.Timeouts.Total, ErrTimeout)
	defer cancel()
	guard := guardStream(ctx, in.stream)
	err := run(ctx, handler, in)
	in.trailing.stop()
	if !guard.disarm() {
		return context.Cause(ctx)
	}
	return finish(ctx, in, err)
}

// run calls the handler and turns its panic into an error.
func run(ctx context.Context, handler HandlerFunc, in *Inbound) (err error) {
	defer in.release()
	defer recovered(&err)
	return handler(ctx, in)
}

// finish ends the stream as the handler's result demands, and returns what the
// exchange ended in.
func finish(ctx context.Context, in *Inbound, err error) error {
	if err != nil && in.writeErr == nil && !in.sendError(ctx, err) {
		_ = in.stream.ResetWithError(resetCode(errorFor(err)))
		return err
	}
	if in.writeErr != nil {
		_ = in.stream.ResetWithError(resetCode(in.writeErr))
		return in.writeErr
	}
	// Both are needed: CloseWrite alone frees nothing. An error means that the
	// peer has lost interest, after everything was written.
	_ = in.stream.CloseWrite()
	in.trailing.linger(ctx)
	_ = in.stream.Close()
	if err == nil && in.Spec().kind == KindUnary && in.exchange.Chunks == 0 {
		return ErrNoResponse
	}
	return err
}

// sendError answers with an error, and reports whether that was possible. Where it is not, or would say too
// little, a reset's code says it. An error that the peer does not take is still what the exchange ended in.
func (in *Inbound) sendError(ctx context.Context, err error) bool {
	codec, ok := in.Spec().codec.(ErrorCodec)
	if !ok || in.Spec().kind == KindOneWay || isRefusal(err) || in.broken {
		return false
	}
	buf := getBuffer()
	defer putBuffer(buf)
	chunk, aerr := codec.AppendError((*buf)[:0], in.Protocol(), errorFor(err))
	if aerr != nil {
		return false
	}
	*buf = chunk
	_, err = in.write(ctx, chunk)
	return err == nil
}

// errorFor returns the error response to an error: err itself if it is meant for the peer, else one that
// hides it.
func errorFor(err error) *Error {
	if e, ok := localError(err); ok {
		return e
	}
	return Errorf(CodeServerError, "").WithCause(err)
}

// localError returns the error response in err that is meant for the peer. What another peer sent is
// not, nor what a handler panicked with. An error with code zero would read as a success.
func localError(err error) (*Error, bool) {
	e, ok := errors.AsType[*Error](err)
	return e, ok && !e.Remote && e.Code != 0 && !isPanic(err)
}

// isRefusal reports whether err says that there is no room for the exchange.
func isRefusal(err error) bool {
	return errors.Is(err, ErrRefused) || errors.Is(err, ErrRateLimited)
}

// done reports what an exchange came to.
func (s *Server) done(in *Inbound, err error) {
	if _, ok := localError(err); err != nil && !ok {
		err = newFailure(in.Peer(), in.Protocol(), in.exchange.Phase, err)
	}
	s.logOutcome(in, err)
	in.exchange.done(err)
}

// logOutcome logs at level warn only what is no peer's doing.
func (s *Server) logOutcome(in *Inbound, err error) {
	if err == nil {
		return
	}
	level := slog.LevelDebug
	if r := ReasonOf(err); r == ReasonPanic || r == ReasonIO {
		level = slog.LevelWarn
	}
	attrs := []any{"peer", in.Peer(), "protocol", in.Protocol(), "chunks", in.exchange.Chunks, "err", err}
	if p, ok := errors.AsType[*PanicError](err); ok {
		attrs = append(attrs, "stack", string(p.Stack))
	}
	s.log.Log(context.Background(), level, "exchange failed", attrs...)
}
