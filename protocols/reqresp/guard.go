package reqresp

import (
	"context"

	"github.com/libp2p/go-libp2p/core/network"
)

// A streamGuard resets a stream when a context ends. Once disarmed it never
// does, so that no stream is reset after it was closed.
type streamGuard struct {
	ctx    context.Context
	stream network.Stream
	stop   func() bool
	fired  chan struct{}
}

func guardStream(ctx context.Context, stream network.Stream) *streamGuard {
	g := &streamGuard{ctx: ctx, stream: stream, fired: make(chan struct{})}
	g.stop = context.AfterFunc(ctx, func() {
		defer close(g.fired)
		g.reset()
	})
	return g
}

func (g *streamGuard) reset() {
	_ = g.stream.ResetWithError(resetCode(context.Cause(g.ctx)))
}

// disarm returns false if the stream was reset. It is called once.
func (g *streamGuard) disarm() bool {
	if !g.stop() {
		<-g.fired
		return false
	}
	// An ended context wakes those who wait for it in no order: the exchange may
	// get here before the guard was told.
	if g.ctx.Err() != nil {
		g.reset()
		return false
	}
	return true
}
