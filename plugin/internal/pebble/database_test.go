package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	gethpebble "github.com/ethereum/go-ethereum/ethdb/pebble"

	"github.com/seed-2dd5877b/reqresp/plugin/internal/pebble"
)

func open(t *testing.T, dir string) *pebble.Database {
	t.Helper()
	db, err := pebble.Open(dir, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What go-ethereum's package has written is read, and the other way around.
func TestDatabasesAreThoseOfGoEthereum(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	theirs, err := gethpebble.New(dir, 16, 16, "", false)
	must(t, err)
	must(t, theirs.Put([]byte("theirs"), []byte{1}))
	must(t, theirs.Close())
	ours := open(t, dir)
	must(t, ours.Put([]byte("ours"), []byte{2}))
	must(t, ours.Close())
	theirs, err = gethpebble.New(dir, 16, 16, "", false)
	must(t, err)
	defer theirs.Close()
	for key, want := range map[string]byte{"theirs": 1, "ours": 2} {
		if got, err := theirs.Get([]byte(key)); err != nil || !bytes.Equal(got, []byte{want}) {
			t.Errorf("%s: %d, %v", key, got, err)
		}
	}
}

func TestAClosedDatabaseSaysSo(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	batch := db.NewBatch()
	must(t, batch.Put([]byte("a"), nil))
	must(t, db.Close())
	must(t, db.Close())
	it := db.NewIterator(nil, nil)
	defer it.Release()
	_, getErr := db.Get([]byte("a"))
	_, hasErr := db.Has([]byte("a"))
	for what, err := range map[string]error{
		"Put": db.Put([]byte("a"), nil), "Delete": db.Delete([]byte("a")), "DeleteRange": db.DeleteRange(nil, nil),
		"Get": getErr, "Has": hasErr, "Write": batch.Write(), "Sync": db.SyncKeyValue(), "Compact": db.Compact(nil, nil), "iterator": it.Error(),
	} {
		if err == nil {
			t.Errorf("%s of a closed database is no error", what)
		}
	}
	if it.Next() || it.Key() != nil || it.Value() != nil {
		t.Error("an iterator of a closed database moves")
	}
}

// TestADamagedBlockFailsItsReadersOnly damages a table, reads on both sides of the damage, and compacts.
func TestADamagedBlockFailsItsReadersOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	key := func(i int) []byte { return fmt.Appendf(nil, "%05d", i) }
	value := func(i int) []byte { return bytes.Repeat(key(i), 100) }
	const n = 1000
	for i := range n {
		must(t, db.Put(key(i), value(i)))
	}
	must(t, db.Close())
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	must(t, err)
	if len(tables) != 1 {
		t.Fatalf("tables %v", tables)
	}
	content, err := os.ReadFile(tables[0])
	must(t, err)
	content[len(content)/3] ^= 1
	must(t, os.WriteFile(tables[0], content, 0o600))

	db = open(t, dir)
	damaged := 0
	for i := range n {
		got, err := db.Get(key(i))
		switch {
		case errors.Is(err, pebble.ErrCorrupt):
			damaged++
		case err != nil || !bytes.Equal(got, value(i)):
			t.Errorf("key %d: %d bytes, %v", i, len(got), err)
		}
	}
	if damaged == 0 || damaged > 40 {
		t.Errorf("%d of %d keys are damaged", damaged, n)
	}
	it := db.NewIterator(nil, nil)
	for it.Next() {
	}
	if err := it.Error(); !errors.Is(err, pebble.ErrCorrupt) {
		t.Errorf("an iterator over the damage: error %v", err)
	}
	it.Release()
	if err := db.Compact(nil, nil); err != nil && !errors.Is(err, pebble.ErrCorrupt) {
		t.Errorf("compacting the damage: error %v", err)
	}
	must(t, db.Put(key(n), value(n)))
	must(t, db.SyncKeyValue())
	must(t, db.Close())
	db = open(t, dir)
	defer db.Close()
	if got, err := db.Get(key(n)); err != nil || !bytes.Equal(got, value(n)) {
		t.Errorf("what was written beside the damage: %d bytes, %v", len(got), err)
	}
}

func TestTwoProcessesDoNotShareADatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	if _, err := pebble.Open(dir, 16, 16); err == nil || errors.Is(err, pebble.ErrCorrupt) {
		t.Errorf("error %v", err)
	}
	must(t, db.Put([]byte("a"), []byte("b")))
	must(t, db.Close())
}

// A range without bounds has all keys, one with a prefix those that have it, also of an iterator that Pebble uses again.
func TestIteratorsHaveTheKeysOfTheirRange(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	defer db.Close()
	for _, key := range []string{"\x00", "a", "ab", "a\xff", "a\xff\xff", "b", "\xff", "\xff\xff"} {
		must(t, db.Put([]byte(key), nil))
	}
	for _, tt := range []struct {
		prefix, start string
		want          int
	}{{"", "", 8}, {"a", "", 4}, {"a", "b", 3}, {"a\xff", "", 2}, {"\xff", "", 2}, {"", "b", 3}, {"c", "", 0}, {"", "", 8}} {
		for range 32 {
			it, n := db.NewIterator([]byte(tt.prefix), []byte(tt.start)), 0
			for it.Next() {
				n++
			}
			if it.Error() != nil || n != tt.want {
				t.Fatalf("prefix %q from %q: %d keys, error %v, want %d", tt.prefix, tt.start, n, it.Error(), tt.want)
			}
			it.Release()
		}
	}
}
