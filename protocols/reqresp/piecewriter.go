package reqresp

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// writePiece is how much of a chunk gets one write timeout.
const writePiece = 1 << 20

// longAgo as a deadline ends what waits.
var longAgo = time.Unix(1, 0)

// A pieceWriter writes to a stream, so that each piece has a timeout of its own. It
// sets no deadline until one has passed: on every muxer a deadline costs some
// allocations each time, a timer none.
type pieceWriter struct {
	stream  network.Stream
	timeout time.Duration
	late    *time.Timer
}

// write writes all of b, or fails. A write that took its whole timeout may fail the next
// one, whether it still succeeded or not.
func (w *pieceWriter) write(b []byte) (int, error) {
	done := 0
	for len(b) > done {
		w.start()
		n, err := w.stream.Write(b[done:min(len(b), done+writePiece)])
		w.late.Stop()
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (w *pieceWriter) start() {
	if w.late == nil {
		w.late = time.AfterFunc(w.timeout, func() { _ = w.stream.SetWriteDeadline(longAgo) })
		return
	}
	w.late.Reset(w.timeout)
}
