package gossipsub

import (
	"context"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// A boundedHost is the host as the router has it: its streams are of the service, inbound ones are paced, and all
// end with the router.
type boundedHost struct {
	host.Host
	router *Router
}

// SetStreamHandler implements host.Host.
func (h boundedHost) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(s network.Stream) {
		if !h.router.enter() {
			_ = s.Reset()
			return
		}
		defer h.router.handlers.Done()
		if err := s.Scope().SetService(ServiceName); err != nil {
			_ = s.ResetWithError(network.StreamResourceLimitExceeded)
			return
		}
		stop := context.AfterFunc(h.router.ctx, func() { _ = s.Reset() })
		defer stop()
		handle(&pacedStream{s, h.router})
	})
}

// NewStream implements host.Host.
func (h boundedHost) NewStream(ctx context.Context, to peer.ID, ids ...protocol.ID) (network.Stream, error) {
	s, err := h.Host.NewStream(ctx, to, ids...)
	if err != nil {
		return nil, err
	}
	if err := s.Scope().SetService(ServiceName); err != nil {
		_ = s.ResetWithError(network.StreamResourceLimitExceeded)
		return nil, err
	}
	return &outboundStream{s, context.AfterFunc(h.router.ctx, func() { _ = s.Reset() })}, nil
}

// An outboundStream is reset with the router, which resets it itself when the peer has ended it.
type outboundStream struct {
	network.Stream
	forget func() bool
}

// Reset implements network.Stream.
func (s *outboundStream) Reset() error {
	s.forget()
	return s.Stream.Reset()
}

// A pacedStream is read at the pace of the router.
type pacedStream struct {
	network.Stream
	router *Router
}

// slice is how many bytes a stream may read before it is the turn of another.
const slice = 4 << 10

// Read implements network.Stream.
func (s *pacedStream) Read(b []byte) (int, error) {
	n, err := s.Stream.Read(b[:min(len(b), slice)])
	if n > 0 {
		if late := s.router.pace.WaitN(s.router.ctx, n); late != nil {
			return 0, late // The router stops.
		}
	}
	return n, err
}
