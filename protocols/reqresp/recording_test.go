package reqresp_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// A recordingHost notes how the engine writes to and ends its streams.
type recordingHost struct {
	host.Host

	mu    sync.Mutex
	calls []string
}

func (h *recordingHost) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, fmt.Sprintf(format, args...))
}

func (h *recordingHost) want(t *testing.T, calls []string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.calls, calls) {
		t.Errorf("got %q, want %q", h.calls, calls)
	}
}

func (h *recordingHost) NewStream(ctx context.Context, to peer.ID, ids ...protocol.ID) (network.Stream, error) {
	stream, err := h.Host.NewStream(ctx, to, ids...)
	if err != nil {
		return nil, err
	}
	return &recordingStream{stream, h}, nil
}

func (h *recordingHost) SetStreamHandler(id protocol.ID, handler network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(stream network.Stream) { handler(&recordingStream{stream, h}) })
}

type recordingStream struct {
	network.Stream
	h *recordingHost
}

func (s *recordingStream) Write(b []byte) (int, error) {
	s.h.note("write %d", len(b))
	return s.Stream.Write(b)
}

func (s *recordingStream) CloseWrite() error {
	s.h.note("close write")
	return s.Stream.CloseWrite()
}

func (s *recordingStream) Close() error {
	s.h.note("close")
	return s.Stream.Close()
}

func (s *recordingStream) CloseRead() error {
	s.h.note("close read")
	return s.Stream.CloseRead()
}

func (s *recordingStream) Reset() error {
	s.h.note("reset")
	return s.Stream.Reset()
}

func (s *recordingStream) ResetWithError(code network.StreamErrorCode) error {
	s.h.note("reset %#x", uint32(code))
	return s.Stream.ResetWithError(code)
}
