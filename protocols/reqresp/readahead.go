package reqresp

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// What a client holds of answers on mplex that have arrived and were not read yet: of one
// answer, and of all together.
const (
	maxUnread      = 16 << 20
	maxUnreadInAll = 256 << 20
)

// readAheadStep is how much a stream that is read ahead reads at most at a time, and how much is
// accounted for. The first step is smaller, enough for most answers, and not accounted for.
const readAheadStep = 64 << 10

// roomWait is how long the reader may take to make room where nothing more is held. The
// other streams of the connection wait meanwhile.
const roomWait = 250 * time.Millisecond

// ErrBufferFull is wrapped by the failure of a call over mplex whose caller read more slowly than
// the response arrived, for so long that the client holds no more of it. The chunks
// that were held were received before. It is not the peer's fault: ask for the rest, and for less at a time.
var ErrBufferFull = errors.New("reqresp: response arrives faster than it is read, and mplex has no flow control")

// A readAheadStream is the caller's side of a stream on mplex. go-mplex has one loop for all streams of
// a connection, which waits for the reader of each message. So a goroutine reads
// the answer as it arrives, whatever the caller does meanwhile. The goroutine starts with the half-close
// and ends before Close, Reset and ResetWithError return. One goroutine at a time reads.
type readAheadStream struct {
	network.Stream

	done   chan struct{} // closed when the goroutine has ended
	change chan struct{} // wakes the reader
	freed  chan struct{} // wakes the goroutine that waits for room

	mu       sync.Mutex
	started  bool
	over     bool // what arrives is not wanted any more
	memory   reservation
	pieces   [][]byte // what arrived; only the last has room
	skip     int      // bytes of the first piece that were read
	held     int      // the capacity of all pieces
	err      error    // follows what arrived
	deadline time.Time
}

// readAhead returns the stream as it is unless it runs on mplex.
func readAhead(s network.Stream, pool *memoryPool) network.Stream {
	if !isMplex(s.Conn()) {
		return s
	}
	return &readAheadStream{
		Stream: s,
		done:   make(chan struct{}),
		change: make(chan struct{}, 1),
		freed:  make(chan struct{}, 1),
		memory: reservation{pool: pool, peer: s.Conn().RemotePeer(), scope: s.Scope()},
	}
}

// CloseWrite closes the write side, after which the answer is read as it arrives.
func (s *readAheadStream) CloseWrite() error {
	err := s.Stream.CloseWrite()
	s.start()
	return err
}

func (s *readAheadStream) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		s.started = true
		go s.fill()
	}
}

// fill reads until there is no more to read, or no room for it. What comes then is skipped, as
// it would stall the connection.
func (s *readAheadStream) fill() {
	defer close(s.done)
	for room := s.awaitRoom(); room != nil; room = s.awaitRoom() {
		n, err := s.Stream.Read(room)
		s.arrived(n, err)
		if err != nil {
			return
		}
	}
	// go-mplex frees its buffers only if the reset finds a reader waiting.
	late := time.AfterFunc(drainMax, func() { _ = s.Stream.Reset() })
	defer late.Stop()
	_, _ = io.Copy(io.Discard, s.Stream)
}

// awaitRoom returns where to put what arrives next, or nil if it is not wanted or nothing more is held.
func (s *readAheadStream) awaitRoom() []byte {
	room, over := s.room()
	if room != nil || over {
		return room
	}
	late := time.NewTimer(roomWait)
	defer late.Stop()
	for room == nil && !over {
		select {
		case <-s.freed:
			room, over = s.room()
		case <-late.C:
			s.arrived(0, ErrBufferFull)
			return nil
		}
	}
	return room
}

// room returns where to put what arrives next. It is nil if nothing more is held, and if it is not wanted.
func (s *readAheadStream) room() (room []byte, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, true
	}
	if n := len(s.pieces); n > 0 {
		if last := s.pieces[n-1]; len(last) < cap(last) {
			return last[len(last):cap(last)], false
		}
	}
	step := readAheadStep
	if s.held == 0 {
		step = readerSize
	}
	if s.held+step > maxUnread || s.account(s.held+step) != nil {
		return nil, false
	}
	s.held += step
	piece := make([]byte, 0, step)
	s.pieces = append(s.pieces, piece)
	return piece[:step], false
}

// account has so many bytes accounted for as held, but for a first step.
func (s *readAheadStream) account(n int) error {
	return s.memory.resize(max(0, n-readerSize), chunkPriority)
}

// arrived adds n bytes that were put where room said.
func (s *readAheadStream) arrived(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > 0 && !s.over {
		last := &s.pieces[len(s.pieces)-1]
		*last = (*last)[:len(*last)+n]
	}
	s.fail(err)
}

// fail wakes the reader, and ends what it reads in err unless that is nil.
func (s *readAheadStream) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	wake(s.change)
}

func wake(waiting chan<- struct{}) {
	select {
	case waiting <- struct{}{}:
	default:
	}
}

func (s *readAheadStream) Read(b []byte) (int, error) {
	for {
		n, deadline, err := s.take(b)
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		if err := s.await(deadline); err != nil {
			return 0, err
		}
	}
}

// await waits for a change, up to a deadline unless that is zero.
func (s *readAheadStream) await(deadline time.Time) error {
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-s.change:
		return nil
	case <-late:
		return os.ErrDeadlineExceeded
	}
}

// take moves what arrived to b. If there is nothing it returns the reader's deadline.
func (s *readAheadStream) take(b []byte) (int, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(b) && len(s.pieces) > 0 {
		first := s.pieces[0]
		moved := copy(b[n:], first[s.skip:])
		n += moved
		s.skip += moved
		if s.skip < cap(first) {
			break // It is the last one, and has room, or b is full.
		}
		s.pieces[0] = nil
		s.pieces, s.skip = s.pieces[1:], 0
		s.held -= cap(first)
		_ = s.account(s.held)
		wake(s.freed)
	}
	if n > 0 {
		return n, time.Time{}, nil
	}
	return 0, s.deadline, s.err
}

// Write tells that the stream was reset in that case, see mplexStream.
func (s *readAheadStream) Write(b []byte) (int, error) { return writeMplex(s.Stream, b) }

// SetReadDeadline sets the deadline of the reader alone: the stream goes on to be read.
func (s *readAheadStream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	s.fail(nil)
	return nil
}

func (s *readAheadStream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	return s.Stream.SetWriteDeadline(t)
}

func (s *readAheadStream) Close() error {
	s.drain()
	return s.Stream.Close()
}

func (s *readAheadStream) Reset() error {
	s.drain()
	return s.Stream.Reset()
}

func (s *readAheadStream) ResetWithError(code network.StreamErrorCode) error {
	s.drain()
	return s.Stream.ResetWithError(code)
}

// drain wakes who reads or writes, and waits until the stream was read to its end, for drainMax.
func (s *readAheadStream) drain() {
	s.mu.Lock()
	s.over = true
	s.pieces, s.held = nil, 0
	s.memory.free()
	s.fail(network.ErrReset)
	wake(s.freed)
	_ = s.Stream.SetWriteDeadline(longAgo)
	s.mu.Unlock()
	s.start()
	late := time.AfterFunc(drainMax, func() { _ = s.Stream.Reset() })
	defer late.Stop()
	<-s.done
}
