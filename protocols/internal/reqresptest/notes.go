package reqresptest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A Journal keeps what is noted, of any goroutine.
type Journal struct {
	mu      sync.Mutex
	entries []string
}

// Note adds an entry.
func (j *Journal) Note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, fmt.Sprintf(format, args...))
}

// Want checks what was noted since it was last called.
func (j *Journal) Want(t testing.TB, entries ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.entries, entries) {
		t.Errorf("noted\n%q\nwant\n%q", j.entries, entries)
	}
	j.entries = nil
}

// Last returns the last entry.
func (j *Journal) Last() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[len(j.entries)-1]
}

// Trace notes all hooks that are called.
func (j *Journal) Trace() *reqresp.Trace {
	return &reqresp.Trace{
		Start: func(x *reqresp.Exchange) { j.Note("%d start", x.ID) },
		Phase: func(x *reqresp.Exchange, _ reqresp.Phase, _ time.Duration) { j.Note("%d %v", x.ID, x.Phase) },
		Chunk: func(x *reqresp.Exchange, bytes, _ int) { j.Note("%d chunk %d", x.ID, bytes) },
		Done: func(x *reqresp.Exchange) {
			j.Note("%d done: %v, %d/%d/%d", x.ID, reqresp.ReasonOf(x.Err), x.Chunks, x.RequestBytes, x.ResponseBytes)
		},
	}
}

// A RecordingHost notes how the engine writes to and ends its streams.
type RecordingHost struct {
	host.Host

	mu    sync.Mutex
	calls []string
}

func (h *RecordingHost) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, fmt.Sprintf(format, args...))
}

// Want checks all calls so far.
func (h *RecordingHost) Want(t *testing.T, calls []string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.calls, calls) {
		t.Errorf("got %q, want %q", h.calls, calls)
	}
}

// NewStream records what is done with the stream.
func (h *RecordingHost) NewStream(ctx context.Context, to peer.ID, ids ...protocol.ID) (network.Stream, error) {
	stream, err := h.Host.NewStream(ctx, to, ids...)
	if err != nil {
		return nil, err
	}
	return &recordingStream{stream, h}, nil
}

// SetStreamHandler records what is done with the streams.
func (h *RecordingHost) SetStreamHandler(id protocol.ID, handler network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(stream network.Stream) { handler(&recordingStream{stream, h}) })
}

type recordingStream struct {
	network.Stream
	h *RecordingHost
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
