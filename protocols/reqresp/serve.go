package reqresp

import (
	"context"
	"errors"
	"log/slog"

	"github.com/libp2p/go-libp2p/core/network"
)

// serve runs one exchange from the opened stream to its end.
func (s *Server) serve(spec *Spec, handler HandlerFunc, stream network.Stream) {
	conn := stream.Conn()
	stream = wrapMplex(stream)
	in := &Inbound{
		info: InboundInfo{
			ID:       InboundRequestID(s.lastID.Add(1)),
			Peer:     conn.RemotePeer(),
			Spec:     spec,
			Protocol: stream.Protocol(),
			Conn:     conn,
		},
		spec:   spec,
		server: s,
		stream: stream,
		timer:  progressTimer{stream: stream},
		pacer:  s.opts.Pacer,
		trace:  s.opts.Trace,
		phase:  PhaseRequest,
	}
	in.seat.exchange = in
	tell(in.trace.Start, in.info)
	if err := s.enter(conn, &in.seat); err != nil {
		s.turnAway(in, err)
		return
	}
	defer s.leave(conn, &in.seat)
	scope := stream.Scope()
	if err := join(scope); err != nil {
		s.refused.Add(1)
		s.turnAway(in, err)
		return
	}
	in.memory = memory{budget: s.memory, refused: &s.refused, peer: in.info.Peer, scope: scope}
	s.protect.begin(in.info.Peer)
	defer s.protect.end(in.info.Peer)
	s.done(in, exchange(in.seat.ctx, handler, in))
}

// turnAway ends an exchange that cannot even begin. The pacer is told if that is for lack of room.
func (s *Server) turnAway(in *Inbound, err error) {
	if s.opts.Pacer != nil && errors.Is(err, ErrRefused) {
		s.opts.Pacer.Refused(in.info.Peer, in.spec)
	}
	_ = in.stream.ResetWithError(resetCode(err))
	s.done(in, err)
}

// exchange runs an exchange that was counted in, and returns what it ended in.
func exchange(ctx context.Context, handler HandlerFunc, in *Inbound) error {
	ctx, cancel := context.WithTimeoutCause(ctx, in.spec.Limits.Timeouts.Total, ErrTimeout)
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
	if err != nil && in.writeErr == nil && !tellVerdict(ctx, in, err) {
		_ = in.stream.ResetWithError(resetCode(verdictOr(err, CodeServerError, "")))
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
	if err == nil && in.spec.Kind == KindUnary && in.usage.Items == 0 {
		return ErrResponseOmission
	}
	return err
}

// tellVerdict tells the peer why there is no (further) answer, and reports whether
// that was possible. Where it is not, or would say too little, a reset's code tells.
func tellVerdict(ctx context.Context, in *Inbound, err error) bool {
	codec, ok := in.spec.Codec.(ErrorCodec)
	if !ok || in.spec.Kind == KindOneWay || isRefusal(err) || in.broken {
		return false
	}
	verdict := verdictOr(err, CodeServerError, "")
	buf := getBuffer()
	defer putBuffer(buf)
	chunk, aerr := codec.AppendError((*buf)[:0], in.Protocol(), verdict)
	if aerr != nil {
		return false
	}
	*buf = chunk
	_, _ = in.write(ctx, chunk)
	return true
}

// isRefusal reports whether err says that there is no room for the exchange.
func isRefusal(err error) bool {
	return errors.Is(err, ErrRefused) || errors.Is(err, ErrRateLimited)
}

// done tells everybody what an exchange came to.
func (s *Server) done(in *Inbound, err error) {
	if err != nil && !isOwnVerdict(err) {
		err = &Failure{Peer: in.info.Peer, Protocol: in.Protocol(), Phase: in.phase, Err: err}
	}
	s.logOutcome(in, err)
	in.result.Err = err
	tellResult(in.trace.Done, in.info, in.result)
}

// isOwnVerdict reports whether err wraps what the peer was told.
func isOwnVerdict(err error) bool {
	_, ok := ownVerdict(err)
	return ok
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
	attrs := []any{"peer", in.info.Peer, "protocol", in.Protocol(), "chunks", in.usage.Items, "err", err}
	if p, ok := errors.AsType[*PanicError](err); ok {
		attrs = append(attrs, "stack", string(p.Stack))
	}
	s.log.Log(context.Background(), level, "exchange failed", attrs...)
}
