package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// discardStep is how many slots are discarded in one batch.
const discardStep = 1024

// Truncate discards the blocks from a slot upward: when they have turned out not to lead to the
// trusted root, or to be damaged. The block below becomes the head. If all blocks from the
// earliest slot on are discarded, the store is as if none had ever been appended.
//
// Blocks are discarded from the head downward in batches; the last one is synced before Truncate returns. Their segment
// files are cut then. If ctx ends meanwhile, Truncate returns its error, and what has been discarded stays so.
// Discarding nothing is no error. If the block that would become the head is damaged, nothing is discarded, and the
// error is the [*CorruptError] for it.
func (s *Store) Truncate(ctx context.Context, from ssz.Slot) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	v := s.view.Load()
	if v.Head == nil || v.Head.Slot < from {
		return nil
	}
	head, err := s.lastBlock(*v.Earliest, from)
	if err != nil {
		return err
	}
	return errors.Join(s.truncate(ctx, max(from, *v.Earliest), head), s.sync(), s.cutFiles())
}

// truncate discards the blocks from a slot upward, below which head is the last block.
func (s *Store) truncate(ctx context.Context, from ssz.Slot, head *position) error {
	top, above := s.view.Load().Head.Slot, s.view.Load().Head.Root
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := *s.view.Load()
		low := from
		next.Head = head
		if top-from >= discardStep {
			low = top - discardStep + 1
			// What is damaged here is about to be discarded as well.
			if between, _ := s.lastBlock(from, low); between != nil {
				next.Head = between
			}
		} else if head == nil {
			next.First, next.Earliest, next.History = nil, nil, nil
		}
		if next.History != nil && *next.History >= low {
			next.History = new(low - 1)
		}
		for kind, slot := range next.Pruned {
			next.setPruned(kind, min(slot, low))
		}
		next.cuts++
		below, err := s.discard(&next, low, top, above)
		if err != nil || low == from {
			return err
		}
		above = below
		top = low - 1
	}
}

// Prune discards the blocks below a slot, and makes it the earliest one. The head block stays in
// any case: a slot above it counts as its own. Pruning nothing is no error.
//
// Blocks are discarded from the earliest slot upward in batches; the last one is synced before Prune returns. Then the
// segment files are removed in which no block is left; of others nothing is freed. If ctx ends meanwhile, Prune returns
// its error, and what has been discarded stays so.
func (s *Store) Prune(ctx context.Context, before ssz.Slot) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	v := s.view.Load()
	if v.Head == nil || before <= *v.Earliest {
		return nil
	}
	err := errors.Join(s.prune(ctx, min(before, v.Head.Slot)), s.sync())
	return errors.Join(err, s.dropFiles(*s.view.Load().Earliest, append(sidecarKinds[:], beacon.KindBlock)...))
}

func (s *Store) prune(ctx context.Context, before ssz.Slot) error {
	for {
		next := *s.view.Load()
		first := *next.Earliest
		if first >= before {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		end := first + min(before-first, discardStep)
		next.Earliest, next.First = &end, nil
		r, err := s.first(&next.chain)
		if err == nil {
			next.First = &r.Slot
		}
		if _, err := s.discard(&next, first, end-1, r.parent); err != nil {
			return err
		}
	}
}

// discard publishes next, which does not hold the slots from first to last, and then deletes what
// is stored for them. In this order no reader takes for damage what is being deleted. It takes the root of the last
// block of these slots, and returns that of the one before the first; each is zero if it is not known.
func (s *Store) discard(next *view, first, last ssz.Slot, root ssz.Root) (before ssz.Root, err error) {
	next.discards++
	s.publish(next)
	batch := s.db.NewBatch()
	defer batch.Close()
	before, err = s.deleteRoots(batch, first, last, root)
	if err == nil {
		err = s.deleteSlots(batch, first, last)
	}
	if err != nil {
		return before, fmt.Errorf("store: %w", err)
	}
	return before, s.write(batch, &next.chain)
}

// deleteRoots deletes from the index the roots of the blocks of the slots from first to last. It takes and returns
// roots as discard does. That of a block whose record is damaged is looked for in what is left of that, beside the
// frames, and in the record of the next block.
func (s *Store) deleteRoots(w ethdb.KeyValueWriter, first, last ssz.Slot, root ssz.Root) (before ssz.Root, err error) {
	previous := record{}
	for r, scanErr := range s.scan(first, last, scanBatch) {
		_, corrupt := errors.AsType[*CorruptError](scanErr)
		switch {
		case corrupt:
			err = s.deleteRoot(w, s.remainsOf(slotKey(recordPrefix, r.Slot), sumSize+8), first, last)
			err = errors.Join(err, s.deleteRoot(w, s.remainsOf(slotKey(framesPrefix, r.Slot), sumSize), first, last))
		case scanErr != nil:
			err = scanErr
		default:
			err = s.deleteRoot(w, r.Root, first, last)
			if previous.Root != r.parent {
				err = errors.Join(err, s.deleteRoot(w, r.parent, first, last))
			}
			if before == (ssz.Root{}) {
				before = r.parent
			}
		}
		if err != nil {
			return before, err
		}
		previous = r
	}
	if previous.Root != root {
		err = s.deleteRoot(w, root, first, last)
	}
	return before, err
}

// deleteRoot deletes a root from the index if it leads to one of the slots from first to last, as that of a block that
// stays does not.
func (s *Store) deleteRoot(w ethdb.KeyValueWriter, root ssz.Root, first, last ssz.Slot) error {
	if slot, ok, err := s.lookUp(root); err == nil && (!ok || slot < first || slot > last) {
		return nil
	}
	return w.Delete(indexKey(root))
}

// deleteSlots deletes all entries of the slots from first to last but their roots.
func (s *Store) deleteSlots(w ethdb.KeyValueRangeDeleter, first, last ssz.Slot) error {
	for _, kind := range sidecarKinds {
		if err := deleteSidecars(w, kind, first, last); err != nil {
			return err
		}
	}
	for _, prefix := range []byte{recordPrefix, framesPrefix, oldCommitmentsPrefix} {
		end := append(slotKey(prefix, last), 0) // All keys of slots are of the same length.
		if err := w.DeleteRange(slotKey(prefix, first), end); err != nil {
			return err
		}
	}
	return nil
}

// remainsOf returns what a value has where a root should be, zero if it is too short. The value may be damaged.
func (s *Store) remainsOf(key []byte, at int) (root ssz.Root) {
	it, ok := s.seek(key)
	defer it.Release()
	if ok {
		if value := it.Value(); len(value) >= at+rootSize {
			root = ssz.Root(value[at:])
		}
	}
	return root
}

// lastBlock returns the last block of the slots from first up to, but not including, end. It is
// nil if there is none; if what is recorded of it is damaged, the error says so.
func (s *Store) lastBlock(first, end ssz.Slot) (last *position, err error) {
	// Databases are read upward: look at ever larger spans before the end.
	for span := ssz.Slot(scanBatch); first < end && last == nil && err == nil; span *= 2 {
		start := end - min(span, end-first)
		for r, scanErr := range s.scan(start, end-1, scanBatch) {
			if err = scanErr; err == nil {
				last = &position{r.Slot, r.Root}
			}
		}
		end = start
	}
	return last, err
}
