package rangesync

import (
	"context"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// maxPending bounds the SSZ bytes of blocks that wait to be stored. Storing syncs
// the disk, so it is done for many at once.
const maxPending = 16 << 20

// writer stores the blocks of one answer, several at a time.
type writer struct {
	run     *run
	pending []*beacon.Block
	size    int
	blocks  int
	failed  bool
}

func (w *writer) add(ctx context.Context, b *beacon.Block) error {
	w.pending = append(w.pending, b)
	w.size += len(b.SSZ)
	w.blocks++
	if w.size < maxPending {
		return nil
	}
	return w.flush(ctx)
}

// flush stores what is pending. After a failure it does nothing more.
func (w *writer) flush(ctx context.Context) error {
	if len(w.pending) == 0 || w.failed {
		return nil
	}
	if err := w.append(ctx); err != nil {
		w.failed = true
		return err
	}
	r := w.run
	r.last = w.pending[len(w.pending)-1].Slot
	r.empty = 0
	r.retries.gave()
	r.result.Blocks += uint64(len(w.pending))
	r.result.Bytes += uint64(w.size)
	w.pending, w.size = w.pending[:0], 0
	return nil
}

func (w *writer) append(ctx context.Context) error {
	s := w.run.store
	if _, _, ok := s.Head(); !ok {
		if err := s.SetEarliest(ctx, w.run.earliest); err != nil {
			return err
		}
	}
	return s.Append(ctx, w.pending...)
}
