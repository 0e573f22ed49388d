package rangesync

import (
	"context"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
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
	if slot, ok := w.previous(b); ok {
		w.run.floor.slots.Add(uint64(b.Slot - slot))
	}
	w.pending = append(w.pending, b)
	w.size += len(b.SSZ)
	w.blocks++
	if w.size < maxPending {
		return nil
	}
	return w.flush(ctx)
}

// previous returns the slot of the block before b, and whether b links to it. It is the last slot dealt with if the
// store is empty.
func (w *writer) previous(b *beacon.Block) (ssz.Slot, bool) {
	if n := len(w.pending); n > 0 {
		return w.pending[n-1].Slot, b.ParentRoot == w.pending[n-1].Root
	}
	slot, root, ok := w.run.store.Head()
	if !ok {
		return w.run.last, true
	}
	return slot, b.ParentRoot == root && b.Slot > slot
}

// flush stores what is pending. After a failure it does nothing more.
func (w *writer) flush(ctx context.Context) error {
	if len(w.pending) == 0 || w.failed {
		return nil
	}
	if err := w.run.store.Append(ctx, w.pending...); err != nil {
		w.failed = true
		return err
	}
	r := w.run
	r.last = w.pending[len(w.pending)-1].Slot
	r.empty = emptyAnswers{}
	r.retries.gave()
	r.result.Blocks += uint64(len(w.pending))
	r.result.Bytes += uint64(w.size)
	w.pending, w.size = w.pending[:0], 0
	return nil
}
