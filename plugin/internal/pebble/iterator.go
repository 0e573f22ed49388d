package pebble

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/ethereum/go-ethereum/ethdb"
)

// An iterator is an ethdb.Iterator. It must not be used concurrently.
type iterator struct {
	d       *Database
	it      *pebble.Iterator // nil if there is none, or none any more
	started bool
	err     error
	bounds  [64]byte // room for what bounds most ranges; Pebble copies it
}

// NewIterator implements ethdb.Iteratee. The database is not closed before the iterator is released.
func (d *Database) NewIterator(prefix, start []byte) ethdb.Iterator {
	it := &iterator{d: d}
	if it.err = d.use(); it.err != nil {
		return it
	}
	defer it.recover()
	lower := append(append(it.bounds[:0], prefix...), start...)
	upper := appendUpperBound(lower[len(lower):], prefix)
	if len(lower) == 0 {
		lower = nil // From the first key on: Pebble, built with the race detector, panics at an empty bound.
	}
	it.it, it.err = d.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if it.err != nil {
		it.it = nil
		d.done()
	}
	return it
}

// appendUpperBound appends the first key after all that have a prefix. It returns nil if there is none.
func appendUpperBound(dst, prefix []byte) []byte {
	for len(prefix) > 0 && prefix[len(prefix)-1] == 0xff {
		prefix = prefix[:len(prefix)-1]
	}
	if len(prefix) == 0 {
		return nil
	}
	dst = append(dst, prefix...)
	dst[len(dst)-1]++
	return dst
}

// recover turns a panic of Pebble's into an error.
func (it *iterator) recover() {
	if r := recover(); r != nil {
		it.err = panicked(r)
	}
}

// Next implements ethdb.Iterator. An iterator at its end is as if it were released.
func (it *iterator) Next() bool {
	if it.it == nil || it.err != nil {
		return false
	}
	if !it.move() {
		it.Release()
		return false
	}
	return true
}

func (it *iterator) move() (ok bool) {
	defer it.recover()
	if it.started {
		return it.it.Next()
	}
	it.started = true
	return it.it.First()
}

// Error implements ethdb.Iterator.
func (it *iterator) Error() error {
	if it.err == nil && it.it != nil {
		it.err = explain(it.it.Error())
	}
	return it.err
}

// Key implements ethdb.Iterator.
func (it *iterator) Key() []byte {
	if it.it == nil || it.err != nil {
		return nil
	}
	return it.it.Key()
}

// Value implements ethdb.Iterator. It is nil if it cannot be read; then Error tells why.
func (it *iterator) Value() []byte {
	if it.it == nil || it.err != nil {
		return nil
	}
	defer it.recover()
	value, err := it.it.ValueAndErr()
	if err != nil {
		it.err = explain(err)
		return nil
	}
	return value
}

// Release implements ethdb.Iterator.
func (it *iterator) Release() {
	if it.it == nil {
		return
	}
	defer it.d.done()
	defer it.recover()
	closing := it.it
	it.it = nil
	if err := closing.Close(); err != nil && it.err == nil {
		it.err = explain(err)
	}
}
