package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// asVersion1 makes a database whose blocks are all in it what version 1 of the schema has.
func asVersion1(tb testing.TB, db ethdb.KeyValueStore, blocks []*beacon.Block) {
	tb.Helper()
	for _, b := range blocks {
		value, err := db.Get(slotKey("r", b.Slot))
		must(tb, err)
		payload := value[4:]
		must(tb, db.Put(slotKey("r", b.Slot), sealed(payload[:80])))
		if blobs := payload[94:]; len(blobs) > 0 {
			must(tb, db.Put(slotKey("b", b.Slot), sealed(slices.Concat(b.Root[:], blobs))))
		}
	}
	version := sealed(binary.BigEndian.AppendUint32(nil, 1))
	must(tb, db.Put([]byte("v"), version))
	must(tb, db.Put([]byte("av"), version))
}

// versionOf returns the version of the schema that a database says.
func versionOf(tb testing.TB, db ethdb.KeyValueStore) uint32 {
	tb.Helper()
	value, err := db.Get([]byte("v"))
	must(tb, err)
	return binary.BigEndian.Uint32(value[4:])
}

// version1 returns a database of version 1 that has the chain of beacontest.FuluBlocks, whose finalized epoch is
// the twentieth.
func version1(tb testing.TB) (*hookedDB, []*beacon.Block) {
	tb.Helper()
	blocks := beacontest.FuluBlocks()
	db := &hookedDB{KeyValueStore: memorydb.New()}
	s := open(tb, db)
	must(tb, s.SetNetwork(tb.Context(), fuluNetwork()))
	must(tb, s.Append(tb.Context(), blocks...))
	// Version 1 left all blocks where they were.
	bare, err := store.Open(db, "")
	must(tb, err)
	must(tb, bare.SetSource(tb.Context(), beacon.Status{FinalizedEpoch: 20}))
	asVersion1(tb, db, blocks)
	return db, blocks
}

func checkConverted(tb testing.TB, db ethdb.KeyValueStore, blocks []*beacon.Block) {
	tb.Helper()
	s := open(tb, db)
	checkServed(tb, s, blocks)
	checkVerified(tb, s, blocks)
	for _, b := range blocks {
		want, err := beacontest.FuluNetwork().PeekBlobCommitments(b.Fork, bytes.NewReader(b.SSZ), int64(len(b.SSZ)))
		must(tb, err)
		if got, err := s.Sources().BlobCommitments(tb.Context(), refOf(b)); err != nil || got != want {
			tb.Errorf("slot %d: commitments %+v, %v, want %+v", b.Slot, got, err, want)
		}
	}
}

// A store of the earlier version is served at once, and is one of this version once anything is written.
func TestAStoreOfTheEarlierVersion(t *testing.T) {
	t.Parallel()
	db, blocks := version1(t)
	checkConverted(t, db, blocks)
	if got := versionOf(t, db); got != 1 {
		t.Errorf("version %d after reading, want 1", got)
	}
	var slots []ssz.Slot
	s := open(t, db)
	must(t, s.Convert(t.Context(), func(slot, last ssz.Slot) { slots = append(slots, slot, last) }))
	if !slices.Equal(slots, []ssz.Slot{160, 160}) {
		t.Errorf("progress %d, want slot 160 of 160", slots)
	}
	if got := versionOf(t, db); got != 2 {
		t.Errorf("version %d once converted, want 2", got)
	}
	if got := inDatabase(db); got[0] <= 160 {
		t.Errorf("blocks %d are in the database, want those above slot 160", got)
	}
	if ok, err := db.Has(slotKey("b", 5)); ok || err != nil {
		t.Errorf("what was recorded of blobs is left: %v", err)
	}
	checkConverted(t, db, blocks)
	must(t, s.Convert(t.Context(), func(ssz.Slot, ssz.Slot) { t.Error("there is nothing to convert") }))
	must(t, s.Truncate(t.Context(), 0))
	if got := entries(db); got != 0 {
		t.Errorf("%d entries are left of an empty store", got)
	}
}

// A conversion that stops at any write loses nothing, and goes on from there.
func TestConversionIsResumed(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	blocks := syntheticBlocks(21, 100<<10, slotsUntil(400)...)
	db := &hookedDB{KeyValueStore: memorydb.New()}
	s := openWith(t, db)
	for batch := range slices.Chunk(blocks, 50) {
		must(t, s.Append(t.Context(), batch...))
	}
	bare, err := store.Open(db, "")
	must(t, err)
	must(t, bare.SetAnchor(t.Context(), everything))
	asVersion1(t, db, blocks)
	for i := 0; ; i++ {
		s = open(t, db)
		fail := func() error { return stop }
		ctx, cancel := context.WithCancel(t.Context())
		switch i % 3 {
		case 0:
			db.onWrite = fail
			err = s.Convert(ctx, nil)
		case 1:
			db.onSync = fail
			err = s.Convert(ctx, nil)
		case 2:
			err = s.Convert(ctx, func(ssz.Slot, ssz.Slot) { cancel() })
		}
		cancel()
		db.onWrite, db.onSync = nil, nil
		checkServed(t, open(t, db), blocks)
		if err == nil {
			break
		}
		if !errors.Is(err, stop) && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if i > 20 {
			t.Fatal("it does not get on")
		}
	}
	if got := inDatabase(db); len(got) != 0 {
		t.Errorf("blocks %d are in the database", got)
	}
}

// An Append takes some history along, and appends to segment files itself once all before is there.
func TestAppendMovesHistoryInBoundedSteps(t *testing.T) {
	t.Parallel()
	blocks := syntheticBlocks(22, 400<<10, slotsUntil(200)...)
	db := &hookedDB{KeyValueStore: memorydb.New()}
	bare, err := store.Open(db, "")
	must(t, err)
	must(t, bare.SetNetwork(t.Context(), realNetwork))
	for batch := range slices.Chunk(blocks[:190], 50) {
		must(t, bare.Append(t.Context(), batch...))
	}
	must(t, bare.SetAnchor(t.Context(), everything))
	s := open(t, db)
	must(t, s.Append(t.Context(), blocks[190]))
	left := inDatabase(db)
	if len(left) < 30 || len(left) > 100 || left[len(left)-1] != 191 {
		t.Errorf("blocks %d are in the database, want the last 30 to 100, up to 191", left)
	}
	checkServed(t, s, blocks[:191])
	must(t, s.Append(t.Context(), blocks[191]))
	must(t, s.Append(t.Context(), blocks[192:]...))
	if left = inDatabase(db); len(left) != 0 {
		t.Errorf("blocks %d are in the database", left)
	}
	checkServed(t, open(t, db), blocks)
}

// A compactingDB notes the ranges that are compacted.
type compactingDB struct {
	ethdb.KeyValueStore
	compacted [][2][]byte
}

func (db *compactingDB) Compact(start, limit []byte) error {
	db.compacted = append(db.compacted, [2][]byte{start, limit})
	return db.KeyValueStore.Compact(start, limit)
}

// The room that blocks and what belongs to them had in the database is freed.
func TestConversionCompactsWhatItMoved(t *testing.T) {
	t.Parallel()
	db := &compactingDB{KeyValueStore: memorydb.New()}
	bare, err := store.Open(db, "")
	must(t, err)
	must(t, bare.SetNetwork(t.Context(), fuluNetwork()))
	must(t, bare.SetAnchor(t.Context(), everything))
	must(t, bare.AppendSidecars(t.Context(), fuluSidecars()...))
	var keys [][]byte
	for _, prefix := range []string{"f", "g"} {
		it := db.NewIterator([]byte(prefix), nil)
		for it.Next() {
			keys = append(keys, bytes.Clone(it.Key()))
		}
		it.Release()
	}
	must(t, open(t, db).Convert(t.Context(), nil))
	left := slices.DeleteFunc(keys, func(key []byte) bool {
		return slices.ContainsFunc(db.compacted, func(r [2][]byte) bool {
			return bytes.Compare(r[0], key) <= 0 && bytes.Compare(key, r[1]) <= 0
		})
	})
	if len(keys) == 0 || len(left) > 0 {
		t.Errorf("%d of %d keys are not compacted", len(left), len(keys))
	}
}

// A conversion begins no batch for which there is no room.
func TestConversionKeepsTheReserve(t *testing.T) {
	t.Parallel()
	db, blocks := version1(t)
	free := uint64(store.Reserve + 1<<20)
	s, err := store.Open(db, dirOf(t, db), store.FreeSpace(func() (uint64, error) { return free, nil }))
	must(t, err)
	err = s.Convert(t.Context(), nil)
	if short, ok := errors.AsType[*store.SpaceError](err); !ok || short.Free != free {
		t.Errorf("error %v, want a SpaceError", err)
	}
	if files := segmentFiles(t, db); len(files) > 0 {
		t.Errorf("files %v were written", files)
	}
	free = store.Reserve + 16<<20
	must(t, s.Convert(t.Context(), nil))
	checkConverted(t, db, blocks)
}
