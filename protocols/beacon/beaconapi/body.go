package beaconapi

import (
	"context"
	"errors"
	"io"
	"time"
)

// A watchdog ends a request when its node has sent nothing for a while.
type watchdog struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	stall  time.Duration
	timer  *time.Timer
}

// watch returns a watchdog whose time runs.
func watch(ctx context.Context, stall time.Duration) *watchdog {
	ctx, cancel := context.WithCancelCause(ctx)
	return &watchdog{ctx, cancel, stall, time.AfterFunc(stall, func() { cancel(ErrStalled) })}
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// end stops the watchdog, and returns the error of what it has ended.
func (w *watchdog) end(err error) error {
	defer w.stop()
	if errors.Is(context.Cause(w.ctx), ErrStalled) {
		return ErrStalled
	}
	return err
}

// A body is that of an answer. The time runs while it is read.
type body struct {
	io.ReadCloser
	watch *watchdog
	left  int64 // bytes that it may have
}

// Read reads what the node sends next. It fails with ErrTooLarge after the bytes that the body may have.
func (b *body) Read(p []byte) (int, error) {
	b.watch.timer.Reset(b.watch.stall)
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left+1)])
	b.watch.timer.Stop()
	if b.left -= int64(n); b.left < 0 {
		b.left = 0
		return n - 1, ErrTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.watch.end(err)
	}
	return n, err
}

// Close ends the request.
func (b *body) Close() error {
	b.watch.stop()
	return b.ReadCloser.Close()
}
