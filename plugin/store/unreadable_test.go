package store_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

var errUnreadable = errors.New("input/output error")

// An unreadableDB fails to read the keys from first to last: an iterator that comes there ends with an error.
// With most, so does any after so many steps.
type unreadableDB struct {
	ethdb.KeyValueStore
	first, last []byte
	most        int
	get         bool // Get reads all
}

var _ ethdb.KeyValueStore = (*unreadableDB)(nil)

func (db *unreadableDB) NewIterator(prefix, start []byte) ethdb.Iterator {
	return &unreadableIterator{Iterator: db.KeyValueStore.NewIterator(prefix, start), db: db}
}

func (db *unreadableDB) Get(key []byte) ([]byte, error) {
	if db.hit(key) && !db.get {
		return nil, errUnreadable
	}
	return db.KeyValueStore.Get(key)
}

func (db *unreadableDB) hit(key []byte) bool {
	return db.first != nil && bytes.Compare(db.first, key) <= 0 && bytes.Compare(key, db.last) <= 0
}

type unreadableIterator struct {
	ethdb.Iterator
	db    *unreadableDB
	steps int
	err   error
}

func (it *unreadableIterator) Next() bool {
	if it.err != nil || !it.Iterator.Next() {
		return false
	}
	it.steps++
	if it.db.most > 0 && it.steps > it.db.most || it.db.hit(it.Key()) {
		it.err = errUnreadable
	}
	return it.err == nil
}

func (it *unreadableIterator) Error() error {
	if it.err != nil {
		return it.err
	}
	return it.Iterator.Error()
}

func TestUnreadableRecordsAreReportedAndTheRestIsServed(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	for name, tt := range map[string]struct{ first, last ssz.Slot }{
		"one": {7, 7}, "two": {20, 21}, "many": {30, 97}, "the first": {1, 3}, "the last": {140, 142}, "all": {1, 142},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := &unreadableDB{KeyValueStore: memorydb.New()}
			openWith(t, db, blocks...)
			db.first, db.last = slotKey("r", tt.first), slotKey("r", tt.last)
			s := open(t, db)
			served := survey(t, s, blocks)
			if want := len(blocks) - int(tt.last-tt.first+1); served != want {
				t.Errorf("%d blocks are served, want %d", served, want)
			}
			good, first := 0, error(nil)
			for _, err := range s.Verify(t.Context()) {
				switch {
				case err == nil:
					good++
				case first == nil:
					first = err
				}
			}
			slot, ok := corruptSlot(first)
			if want := tt.first; want == 1 && slot == 0 {
				slot = want // The store begins at slot 0, and so may the record that cannot be read.
			}
			if !ok || slot != tt.first || !errors.Is(first, errUnreadable) || !errors.Is(first, store.ErrCorrupt) {
				t.Errorf("Verify reports %v, want slot %d", first, tt.first)
			}
			if good != served {
				t.Errorf("Verify finds %d blocks good, %d are served", good, served)
			}
			if tt.last == 97 && !strings.Contains(first.Error(), "unreadable up to slot 97") {
				t.Errorf("error %v does not tell the last slot", first)
			}
		})
	}
}

// A read error that passes costs nothing, also while blocks are moved to segment files: those whose records could not be
// read stay where they are.
func TestUnreadableRecordsAreLeftAsTheyAre(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	for name, tt := range map[string]struct{ first, last ssz.Slot }{
		"one": {7, 7}, "many": {30, 97}, "the first": {1, 3}, "the last": {140, 142}, "all": {1, 142},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := &unreadableDB{KeyValueStore: memorydb.New()}
			s := openWith(t, db, blocks...)
			db.first, db.last = slotKey("r", tt.first), slotKey("r", tt.last)
			must(t, s.SetAnchor(t.Context(), everything))
			db.first, db.last = nil, nil
			checkServed(t, s, blocks)
			checkVerified(t, s, blocks)
			if got, want := len(inDatabase(db)), int(tt.last-tt.first+1); got != want {
				t.Errorf("%d blocks are in the database, want %d", got, want)
			}
		})
	}
}

// What can be read from another place is no damage.
func TestAnIteratorThatFailsIsBegunAnew(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	db := &unreadableDB{KeyValueStore: memorydb.New()}
	openWith(t, db, blocks...)
	s := open(t, db)
	db.most = 10
	refs, err := byRange(s, 1, 142)
	must(t, err)
	checkRefs(t, refs, blocks)
}

// An iterator looks into all tables, and so comes upon damage that is beside the key that it is for.
func TestDamageBesideAKeyIsNoneOfIt(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	db := &unreadableDB{KeyValueStore: memorydb.New(), get: true}
	s := openWith(t, db, blocks...)
	db.first, db.last = slotKey("f", 30), slotKey("f", 97)
	checkServed(t, s, blocks)
	checkVerified(t, s, blocks)
}
