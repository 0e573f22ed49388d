package reqresp

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// drainMax bounds how long a stream is drained before it is given up. Most
// responses end within it.
const drainMax = 5 * time.Second

// An mplexStream can be given up without harm to its connection. go-mplex has four
// receive buffers for all streams of a connection, and a stream that is closed or reset
// with data unread keeps those which hold it for good: two calls broken off early stall
// everything. So what has arrived is read first. What arrives later is skipped.
//
// A reset reaches no mplex peer if the stream was half-closed before, and so the
// peer of a cancelled call sends on in any case.
type mplexStream struct {
	network.Stream

	// reader is held while a read takes place.
	reader chan struct{}

	mu   sync.Mutex
	over bool // from now on deadlines are those of draining
}

// wrapMplex returns the stream as it is unless it runs on mplex. It is for streams that are
// served, or not answered; see readAhead for the others.
func wrapMplex(s network.Stream) network.Stream {
	if !isMplex(s.Conn()) {
		return s
	}
	return &mplexStream{Stream: s, reader: make(chan struct{}, 1)}
}

func isMplex(c network.Conn) bool {
	return strings.HasPrefix(string(c.ConnState().StreamMultiplexer), "/mplex/")
}

// isClosing reports whether a connection that broke a stream ends itself. When one does,
// go-mplex first breaks its streams, without a word on why, and closes it right afterwards.
func isClosing(c network.Conn) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 10 {
		if c.IsClosed() {
			return true
		}
		<-tick.C
	}
	return false
}

// closeUnanswered closes a stream on which nothing is to come but the rest of its
// negotiation, which closing reads. There is nothing to drain, and no end to wait for.
func closeUnanswered(s network.Stream) error {
	if m, ok := s.(*mplexStream); ok {
		s = m.Stream
	}
	return s.Close()
}

func (s *mplexStream) Read(b []byte) (int, error) {
	s.reader <- struct{}{}
	defer func() { <-s.reader }()
	return s.Stream.Read(b)
}

// Write tells that the stream was reset in that case: where a write waits meanwhile, go-mplex says
// that the stream is closed, which the writer has not done.
func (s *mplexStream) Write(b []byte) (int, error) {
	return writeMplex(s.Stream, b)
}

func writeMplex(s network.Stream, b []byte) (int, error) {
	n, err := s.Write(b)
	if err != nil && !isTimeout(err) && !errors.Is(err, network.ErrReset) {
		err = fmt.Errorf("%w: %w", network.ErrReset, err)
	}
	return n, err
}

func (s *mplexStream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	return s.Stream.SetWriteDeadline(t)
}

func (s *mplexStream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	return s.Stream.SetReadDeadline(t)
}

func (s *mplexStream) Close() error {
	s.drain()
	return s.Stream.Close()
}

func (s *mplexStream) Reset() error {
	s.drain()
	return s.Stream.Reset()
}

func (s *mplexStream) ResetWithError(code network.StreamErrorCode) error {
	s.drain()
	return s.Stream.ResetWithError(code)
}

// drain takes the place of a reader, whom it wakes, and reads to the end of the
// stream.
func (s *mplexStream) drain() {
	s.mu.Lock()
	s.over = true
	_ = s.Stream.SetDeadline(time.Now())
	s.mu.Unlock()
	s.reader <- struct{}{}
	defer func() { <-s.reader }()

	_ = s.Stream.SetReadDeadline(time.Now().Add(drainMax))
	br := getReader(s.Stream)
	defer putReader(br)
	_, _ = br.WriteTo(io.Discard)
}
