package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// seek returns an iterator that rests on a key, or reports false if the key is absent. The key is a whole one: others
// that begin with it would be found as well. The caller releases the iterator.
func (s *Store) seek(key []byte) (it ethdb.Iterator, ok bool) {
	it = s.db.NewIterator(key, nil)
	if ok = it.Next(); ok || it.Error() == nil {
		return it, ok
	}
	// An iterator fails because of damage beside the key as well, in a newer table. Get looks into fewer.
	if value, err := s.db.Get(key); err == nil {
		it.Release()
		return found{key, value}, true
	}
	return it, false
}

// found is an iterator that rests on a key for good.
type found struct{ key, value []byte }

func (found) Next() bool      { return false }
func (found) Error() error    { return nil }
func (f found) Key() []byte   { return f.key }
func (f found) Value() []byte { return f.value }
func (found) Release()        {}

// record returns what is recorded of the block of a slot. It reports false if there is none.
func (s *Store) record(slot ssz.Slot) (r record, ok bool, err error) {
	it, ok := s.seek(slotKey(recordPrefix, slot))
	defer it.Release()
	if ok {
		err = r.decode(slot, it.Value())
	}
	if dbErr := it.Error(); dbErr != nil {
		err = dbErr
	}
	if err != nil {
		return record{}, false, &CorruptError{Slot: slot, Err: err}
	}
	return r, ok, nil
}

// lookUp returns the slot that the index has for a root. It reports false if there is none.
func (s *Store) lookUp(root ssz.Root) (slot ssz.Slot, ok bool, err error) {
	n, ok, err := s.readUint(indexKey(root))
	if err != nil {
		return 0, false, &CorruptError{Root: root, Err: err}
	}
	return ssz.Slot(n), ok, nil
}

// readUint returns the number that is stored under a key. It reports false if there is none.
func (s *Store) readUint(key []byte) (n uint64, ok bool, err error) {
	it, ok := s.seek(key)
	defer it.Release()
	if ok {
		n, err = decodeUint(it.Value())
	}
	if dbErr := it.Error(); dbErr != nil {
		err = dbErr
	}
	return n, ok && err == nil, err
}

// scanBatch is how many records are read through one iterator: enough to make its cost small,
// few enough to be released soon.
const scanBatch = 64

// scan yields what is recorded of the blocks of the slots from first to last, in ascending order.
// A damaged record is yielded as its slot along with a *CorruptError, and the scan goes on. So are slots whose records
// cannot be read: as the first of them, with an error that tells the last. It reads batch records at a time, at
// most scanBatch, and holds no iterator while it yields.
func (s *Store) scan(first, last ssz.Slot, batch int) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		var buf [scanBatch]record
		for {
			records, all, err := s.records(buf[:0:batch], first, last)
			for i := range records {
				if !yield(records[i], nil) {
					return
				}
				first = records[i].Slot + 1
			}
			corrupt, damaged := errors.AsType[*CorruptError](err)
			switch {
			case damaged:
				first = corrupt.Slot + 1
			case err != nil && len(records) > 0:
				// What follows may be readable from there.
			case err != nil:
				end := s.unreadableUntil(first, last)
				corrupt = &CorruptError{Slot: first, Err: fmt.Errorf("unreadable up to slot %d: %w", end, err)}
				first = end + 1
			}
			if corrupt != nil && !yield(record{Ref: beacon.Ref{Slot: corrupt.Slot}}, corrupt) {
				return
			}
			if all || first == 0 || first > last {
				return
			}
		}
	}
}

// unreadableUntil returns the last slot after first, and up to last, from which on no record can be read.
func (s *Store) unreadableUntil(first, last ssz.Slot) ssz.Slot {
	// Look ever farther ahead, and then closer.
	bad, good := first, last
	for step := ssz.Slot(1); ; step *= 2 {
		if step == 0 || step > last-first {
			if good = last; !s.readableFrom(last, last) {
				return last
			}
			break
		}
		if good = first + step; s.readableFrom(good, last) {
			break
		}
		bad = good
	}
	for good-bad > 1 {
		if between := bad + (good-bad)/2; s.readableFrom(between, last) {
			good = between
		} else {
			bad = between
		}
	}
	return bad
}

// readableFrom tells whether a record can be read from a slot on, or that there is none.
func (s *Store) readableFrom(slot, last ssz.Slot) bool {
	var room [1]record
	_, _, err := s.records(room[:0], slot, last)
	_, damaged := errors.AsType[*CorruptError](err)
	return err == nil || damaged
}

// records appends the records of the slots from first to last to dst, as far as its capacity
// goes, and reports whether these were all. Upon an error it returns the records before it: a *CorruptError is of the
// record's own, any other is the database's.
func (s *Store) records(dst []record, first, last ssz.Slot) (_ []record, all bool, err error) {
	var start [8]byte
	binary.BigEndian.PutUint64(start[:], uint64(first))
	it := s.db.NewIterator([]byte{recordPrefix}, start[:])
	defer it.Release()
	for len(dst) < cap(dst) {
		if !it.Next() {
			err := it.Error()
			return dst, err == nil, err
		}
		key := it.Key()
		if len(key) != slotKeySize {
			continue // No key of ours.
		}
		slot := ssz.Slot(binary.BigEndian.Uint64(key[1:]))
		if slot > last {
			return dst, true, nil
		}
		var r record
		if err := r.decode(slot, it.Value()); err != nil {
			return dst, false, &CorruptError{Slot: slot, Err: err}
		}
		dst = append(dst, r)
	}
	return dst, false, nil
}

// roots appends the roots of the index that are not below start to dst, as far as its capacity
// goes, and reports whether these were all.
func (s *Store) roots(dst []ssz.Root, start []byte) (_ []ssz.Root, all bool, err error) {
	it := s.db.NewIterator([]byte{indexPrefix}, start)
	defer it.Release()
	for len(dst) < cap(dst) {
		if !it.Next() {
			err := it.Error()
			return dst, err == nil, err
		}
		if key := it.Key(); len(key) == indexKeySize {
			dst = append(dst, ssz.Root(key[1:]))
		}
	}
	return dst, false, nil
}

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
