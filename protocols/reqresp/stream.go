package reqresp

import (
	"context"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

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
	// An ended context wakes its waiters in no order: the exchange may get here before the guard.
	if g.ctx.Err() != nil {
		g.reset()
		return false
	}
	return true
}

// ProgressFloor is how many bytes of a message have to cross within each of its timeouts for it to
// get another: of [Timeouts], Progress and Write.
const ProgressFloor = 16 << 10

// longAgo as a deadline ends what waits.
var longAgo = time.Unix(1, 0)

// A progressTimer ends what one exchange reads from its stream, or writes to it, when that takes too
// long. It sets no deadline before: on every muxer a deadline costs some allocations each time, a
// timer none.
type progressTimer struct {
	stream network.Stream
	// written counts what is written, of all messages.
	written atomic.Uint64

	mu      sync.Mutex
	timer   *time.Timer // nil until it is first started
	armed   bool        // the timer is running
	expired int         // stale expirations, of timeouts that were ended
	late    bool        // a deadline was set
	timeout time.Duration
	reading *atomic.Uint64 // counts what is read; nil while something is written
	mark    uint64         // what reading was when the timeout began, without what is ahead
}

// start begins a timeout, and ends the one before. One for reading goes on as long as reading, which counts what
// is read, grows by ProgressFloor in each. Of what it has counted already, some bytes may be
// ahead: of the message that the timeout is for. One for writing has no count.
func (t *progressTimer) start(timeout time.Duration, reading *atomic.Uint64, ahead int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.disarm()
	t.timeout, t.reading, t.late = timeout, reading, false
	if reading != nil {
		t.mark = reading.Load() - uint64(ahead)
	}
	t.arm()
}

func (t *progressTimer) arm() {
	t.armed = true
	if t.timer == nil {
		t.timer = time.AfterFunc(t.timeout, t.expire)
		return
	}
	t.timer.Reset(t.timeout)
}

func (t *progressTimer) disarm() {
	if t.armed && !t.timer.Stop() {
		t.expired++
	}
	t.armed = false
}

// stop ends the timeout, and reports whether it had ended in a deadline.
func (t *progressTimer) stop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.disarm()
	return t.late
}

func (t *progressTimer) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.expired > 0 {
		t.expired--
		return
	}
	t.armed = false
	// Deadlines fail only on streams that are closed, which reading and writing then tell.
	if t.reading == nil {
		t.late = true
		_ = t.stream.SetWriteDeadline(longAgo)
		return
	}
	if n := t.reading.Load(); n-t.mark >= ProgressFloor {
		t.mark = n
		t.arm()
		return
	}
	t.late = true
	_ = t.stream.SetReadDeadline(longAgo)
}

// write writes all of b in one piece, or fails. It gets another timeout each time that the stream has
// taken ProgressFloor bytes or more within one.
func (t *progressTimer) write(b []byte, timeout time.Duration) (int, error) {
	done := 0
	for done < len(b) {
		t.start(timeout, nil, 0)
		n, err := t.stream.Write(b[done:])
		late := t.stop()
		t.written.Add(uint64(n))
		done += n
		if late {
			_ = t.stream.SetWriteDeadline(time.Time{})
		}
		if err != nil && (!late || n < ProgressFloor || !isTimeout(err)) {
			return done, err
		}
	}
	return done, nil
}

// A transportReader remembers the stream's own error, so that it can be told
// from a codec's complaint about bytes that did arrive, and counts those. Memory is reserved for them,
// unless it is nil.
type transportReader struct {
	r      io.Reader
	memory *reservation
	err    error
	ended  bool // the stream's end was read
	n      atomic.Uint64
}

func (t *transportReader) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n.Add(uint64(n))
	if t.memory != nil && n > 0 {
		if full := t.reserve(); full != nil {
			t.err = full
			return 0, full
		}
	}
	switch {
	case err == io.EOF:
		t.ended = true
	case err != nil:
		t.err = err
	}
	return n, err
}

// reserve reserves memory for what was received, in steps of powers of two, besides the buffer
// which it is read with.
func (t *transportReader) reserve() error {
	got := t.n.Load()
	if got <= readerSize || readerSize+int(got) <= t.memory.held {
		return nil
	}
	return t.memory.resize(readerSize+1<<bits.Len64(got-1), requestPriority)
}
