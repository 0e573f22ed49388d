package store

import (
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// links verifies, record by record, that each block is the parent of the next: that none is
// missing between the first slot of a range and the head.
type links struct {
	store *Store
	view  *view
	start ssz.Slot // The first slot of the range.
	last  position // The block before. Its root is zero if there is none.
}

// check verifies that no block is missing before r.
func (l *links) check(r *record) error {
	if l.last.Root != r.parent {
		if err := l.gap(r); err != nil {
			return err
		}
	}
	l.last = position{r.Slot, r.Root}
	return nil
}

// gap returns what is wrong before r, whose parent is not the block before. Nothing is wrong
// before the first block of the range if that is the first of all, or if its parent is known to be before the range.
func (l *links) gap(r *record) error {
	slot, ok, err := l.store.lookUp(r.parent)
	switch {
	case err == nil && ok && l.start <= slot && slot < r.Slot:
		return &CorruptError{slot, r.parent, errMissing}
	case l.last.Root != (ssz.Root{}), err == nil && !ok && l.view.First != nil && r.Slot > *l.view.First:
		return &CorruptError{r.Slot, r.Root, fmt.Errorf("%w: %v, not %v", errParent, r.parent, l.last.Root)}
	}
	return nil
}

// checkHead verifies that the last block checked is the head.
func (l *links) checkHead() error {
	if head := l.view.Head; l.last != *head {
		return &CorruptError{head.Slot, head.Root, errMissing}
	}
	return nil
}

// readError returns why a reader of v came upon err: if blocks have been discarded since, it is
// this.
func (s *Store) readError(v *view, err error) error {
	if s.view.Load().discards != v.discards {
		return fmt.Errorf("%w while a range was read", ErrDiscarded)
	}
	return err
}
