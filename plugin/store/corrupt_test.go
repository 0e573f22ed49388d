package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The keys, as the package documents them.
func slotKey(prefix string, slot ssz.Slot) []byte {
	return binary.BigEndian.AppendUint64([]byte(prefix), uint64(slot))
}

func indexKey(root ssz.Root) []byte { return append([]byte("i"), root[:]...) }

// sealed returns the value of a payload.
func sealed(payload []byte) []byte {
	sum := crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli))
	return append(binary.BigEndian.AppendUint32(nil, sum), payload...)
}

// damage changes the value of a key.
func damage(tb testing.TB, db ethdb.KeyValueStore, key []byte, change func(value []byte) []byte) {
	tb.Helper()
	value, err := db.Get(key)
	must(tb, err)
	if value = change(value); value == nil {
		must(tb, db.Delete(key))
		return
	}
	must(tb, db.Put(key, value))
}

// damageFrames changes the frames of a block where they are.
func damageFrames(tb testing.TB, db ethdb.KeyValueStore, b *beacon.Block, change func(value []byte) []byte) {
	tb.Helper()
	if _, ok := db.(*settledDB); !ok {
		damage(tb, db, slotKey("f", b.Slot), change)
		return
	}
	content, err := os.ReadFile(blocksFile(tb, db))
	must(tb, err)
	at := bytes.Index(content, b.Frames)
	frames := make([]byte, len(b.Frames)) // A file has no holes.
	if copy(frames, change(bytes.Clone(b.Frames))); bytes.Equal(frames, b.Frames) {
		tb.Skip("it changes nothing")
	}
	copy(content[at:], frames)
	must(tb, os.WriteFile(blocksFile(tb, db), content, 0o600))
}

func swapValues(tb testing.TB, db ethdb.KeyValueStore, a, b []byte) {
	tb.Helper()
	valueA, err := db.Get(a)
	must(tb, err)
	damage(tb, db, b, func(valueB []byte) []byte {
		must(tb, db.Put(a, valueB))
		return valueA
	})
}

func swapFrames(tb testing.TB, db ethdb.KeyValueStore, a, b *beacon.Block) {
	tb.Helper()
	if _, ok := db.(*settledDB); !ok {
		swapValues(tb, db, slotKey("f", a.Slot), slotKey("f", b.Slot))
		return
	}
	damageFrames(tb, db, a, func([]byte) []byte { return b.Frames })
	damageFrames(tb, db, b, func([]byte) []byte { return a.Frames })
}

// The ways in which a value is damaged.
var damages = map[string]func(value []byte) []byte{
	"deleted":      func([]byte) []byte { return nil },
	"emptied":      func([]byte) []byte { return []byte{} },
	"zeroed":       func(v []byte) []byte { return make([]byte, len(v)) },
	"cut to three": func(v []byte) []byte { return v[:3] },
	"cut in half":  func(v []byte) []byte { return v[:len(v)/2] },
	"cut by one":   func(v []byte) []byte { return v[:len(v)-1] },
	"longer":       func(v []byte) []byte { return append(v, 0) },
	"first bit":    func(v []byte) []byte { v[0] ^= 1; return v },
	"middle bit":   func(v []byte) []byte { v[len(v)/2] ^= 0x10; return v },
	"last bit":     func(v []byte) []byte { v[len(v)-1] ^= 0x80; return v },
}

func corruptSlot(err error) (ssz.Slot, bool) {
	corrupt, ok := errors.AsType[*store.CorruptError](err)
	if !ok {
		return 0, false
	}
	return corrupt.Slot, true
}

// verified returns the slots that Verify yields as good and as corrupt.
func verified(tb testing.TB, s *store.Store) (good, corrupt []ssz.Slot) {
	tb.Helper()
	for ref, err := range s.Verify(tb.Context()) {
		if err == nil {
			good = append(good, ref.Slot)
			continue
		}
		slot, ok := corruptSlot(err)
		if !ok || slot != ref.Slot {
			tb.Fatalf("%+v comes with error %v, want a CorruptError of its slot", ref, err)
		}
		corrupt = append(corrupt, slot)
	}
	return good, corrupt
}

// checkVerified verifies that Verify reports these slots, and all others of the blocks as good.
func checkVerified(tb testing.TB, s *store.Store, blocks []*beacon.Block, want ...ssz.Slot) {
	tb.Helper()
	good, corrupt := verified(tb, s)
	if !slices.Equal(corrupt, want) {
		tb.Errorf("Verify reports slots %d, want %d", corrupt, want)
	}
	var rest []ssz.Slot
	for _, b := range blocks {
		if !slices.Contains(want, b.Slot) {
			rest = append(rest, b.Slot)
		}
	}
	if !slices.Equal(good, rest) {
		tb.Errorf("Verify finds slots %d good, want %d", good, rest)
	}
}

func TestDamagedFramesAreReportedAndNotServed(t *testing.T) {
	t.Parallel()
	for name, change := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
				blocks := realBlocks()[:20]
				s := openWith(t, db, blocks...)
				damageFrames(t, db, blocks[6], change)
				dst := []byte("before")
				got, err := s.AppendFrames(t.Context(), refOf(blocks[6]), dst)
				corrupt, ok := errors.AsType[*store.CorruptError](err)
				if !ok || corrupt.Slot != 7 || corrupt.Root != blocks[6].Root {
					t.Errorf("error %v, want a CorruptError of slot 7 and its root", err)
				}
				if !bytes.Equal(got, dst) {
					t.Errorf("%d bytes were appended", len(got)-len(dst))
				}
				must(t, checkFrames(s, blocks[5]))
				must(t, checkFrames(s, blocks[7]))
				checkVerified(t, s, blocks, 7)
			})
		})
	}
}

func TestDamagedRecordsAreReportedAndNotServed(t *testing.T) {
	t.Parallel()
	for name, change := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
				blocks := realBlocks()[:20]
				s := openWith(t, db, blocks...)
				damage(t, db, slotKey("r", 7), change)
				for _, r := range []struct {
					start ssz.Slot
					count uint64
				}{{1, 20}, {6, 3}, {1, 7}, {7, 1}, {7, 14}, {7, 2}} {
					refs, err := byRange(s, r.start, r.count)
					if slot, ok := corruptSlot(err); !ok || slot != 7 {
						t.Errorf("range %d: error %v, want a CorruptError of slot 7", r, err)
					}
					checkRefs(t, refs, blocks[min(r.start, 7)-1:6])
				}
				refs, err := byRoot(s, blocks[2].Root, blocks[6].Root, blocks[3].Root)
				if slot, ok := corruptSlot(err); !ok || slot != 7 {
					t.Errorf("root: error %v, want a CorruptError of slot 7", err)
				}
				checkRefs(t, refs, blocks[2:3])
				checkVerified(t, s, blocks, 7)
				refs, err = byRange(s, 8, 100) // The rest is not affected.
				must(t, err)
				checkRefs(t, refs, blocks[7:])
			})
		})
	}
}

func TestDamagedIndexIsReportedAndNotServed(t *testing.T) {
	t.Parallel()
	for name, change := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
				blocks := realBlocks()[:20]
				s := openWith(t, db, blocks...)
				root := blocks[6].Root
				damage(t, db, indexKey(root), change)
				refs, err := byRoot(s, root)
				if corrupt, ok := errors.AsType[*store.CorruptError](err); name != "deleted" && (!ok || corrupt.Root != root) {
					t.Errorf("error %v, want a CorruptError of the root", err)
				}
				checkRefs(t, refs, nil)
				checkVerified(t, s, blocks, 7)
				refs, err = byRange(s, 1, 20)
				must(t, err)
				checkRefs(t, refs, blocks)
			})
		})
	}
}

func TestMissingHeadIsReported(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()[:20]
	db := memorydb.New()
	openWith(t, db, blocks...)
	damage(t, db, slotKey("r", 20), damages["deleted"])
	s := open(t, db)
	for _, r := range [][2]uint64{{15, 6}, {15, 100}, {20, 1}} {
		refs, err := byRange(s, ssz.Slot(r[0]), r[1])
		if slot, ok := corruptSlot(err); !ok || slot != 20 {
			t.Errorf("range %d: error %v, want a CorruptError of slot 20", r, err)
		}
		checkRefs(t, refs, blocks[r[0]-1:19])
	}
	checkVerified(t, s, blocks, 20)
}

func TestSwappedEntriesAreReportedAndNotServed(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()[:20]
	a, b := blocks[4], blocks[11]
	tests := map[string]func(t *testing.T, db ethdb.KeyValueStore){
		"frames":  func(t *testing.T, db ethdb.KeyValueStore) { swapFrames(t, db, a, b) },
		"records": func(t *testing.T, db ethdb.KeyValueStore) { swapValues(t, db, slotKey("r", 5), slotKey("r", 12)) },
		"index":   func(t *testing.T, db ethdb.KeyValueStore) { swapValues(t, db, indexKey(a.Root), indexKey(b.Root)) },
		"slots": func(t *testing.T, db ethdb.KeyValueStore) {
			swapFrames(t, db, a, b)
			swapValues(t, db, slotKey("r", 5), slotKey("r", 12))
		},
	}
	for name, swap := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
				s := openWith(t, db, blocks...)
				swap(t, db)
				checkVerified(t, s, blocks, 5, 12)
				for _, block := range []*beacon.Block{a, b} {
					refs, err := byRoot(s, block.Root)
					for _, ref := range refs {
						_, err = s.AppendFrames(t.Context(), ref, nil)
					}
					if _, ok := corruptSlot(err); !ok {
						t.Errorf("slot %d by root: error %v, want a CorruptError", block.Slot, err)
					}
				}
				refs, err := byRange(s, 1, 20)
				for i := 0; err == nil && i < len(refs); i++ {
					_, err = s.AppendFrames(t.Context(), refs[i], nil)
				}
				if slot, ok := corruptSlot(err); name != "index" && (!ok || slot != 5) {
					t.Errorf("by range: error %v, want a CorruptError of slot 5", err)
				}
			})
		})
	}
}

func TestSoundFramesOfAnotherBlockAreNotServed(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()[:20]
	db := memorydb.New()
	s := openWith(t, db, blocks...)
	for name, payload := range map[string][]byte{
		"another root":   slices.Concat(blocks[11].Root[:], blocks[4].Frames),
		"another length": slices.Concat(blocks[4].Root[:], blocks[11].Frames),
		"no frames":      blocks[4].Root[:],
		"nothing":        nil,
	} {
		must(t, db.Put(slotKey("f", 5), sealed(payload)))
		if slot, ok := corruptSlot(checkFrames(s, blocks[4])); !ok || slot != 5 {
			t.Errorf("%s, with the right checksum, is served", name)
		}
	}
	must(t, db.Put(slotKey("f", 5), sealed(slices.Concat(blocks[4].Root[:], blocks[4].Frames))))
	must(t, checkFrames(s, blocks[4]))
}

func TestDiscardingADamagedBlockSparesOthers(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()[:20]
	db := memorydb.New()
	s := openWith(t, db, blocks...)
	swapValues(t, db, slotKey("f", 5), slotKey("f", 12))
	damage(t, db, slotKey("r", 12), damages["first bit"])
	must(t, s.Truncate(t.Context(), 12))
	refs, err := byRoot(s, blocks[4].Root)
	must(t, err)
	checkRefs(t, refs, blocks[4:5])
}

func TestIndexThatLeadsNowhereIsReported(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()[:20]
	db := memorydb.New()
	s := openWith(t, db, blocks...)
	for _, prefix := range []string{"r", "f"} {
		damage(t, db, slotKey(prefix, 9), damages["deleted"])
		damage(t, db, slotKey(prefix, 10), damages["deleted"])
	}
	if _, err := byRoot(s, blocks[8].Root); err == nil {
		t.Error("a root that leads nowhere is no error")
	}
	// The block of slot 11 tells of slot 10, only the index of slot 9.
	checkVerified(t, s, blocks, 10, 9)
}

func TestGapWithoutAnyTraceIsNotServed(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()[:20]
	db := memorydb.New()
	s := openWith(t, db, blocks...)
	for _, key := range [][]byte{slotKey("r", 9), slotKey("f", 9), indexKey(blocks[8].Root)} {
		damage(t, db, key, damages["deleted"])
	}
	refs, err := byRange(s, 5, 10)
	if slot, ok := corruptSlot(err); !ok || slot != 10 {
		t.Errorf("error %v, want a CorruptError of slot 10, whose parent is missing", err)
	}
	checkRefs(t, refs, blocks[4:8])
	if _, corrupt := verified(t, s); !slices.Equal(corrupt, []ssz.Slot{10}) {
		t.Errorf("Verify reports slots %d, want 10, whose parent is missing", corrupt)
	}
}

func TestTruncateAndAppendRepair(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()[:40]
	for name, change := range damages {
		for _, prefix := range []string{"r", "f"} {
			t.Run(prefix+" "+name, func(t *testing.T) {
				t.Parallel()
				db := memorydb.New()
				s := openWith(t, db, blocks...)
				damage(t, db, slotKey(prefix, 7), change)
				if prefix == "r" && name != "deleted" {
					if err := s.Truncate(t.Context(), 8); err == nil {
						t.Error("a damaged block became the head")
					}
				}
				must(t, s.Truncate(t.Context(), 7))
				checkServed(t, s, blocks[:6])
				checkVerified(t, s, blocks[:6])
				if left := entries(db); left != 18 && (prefix != "r" || name != "deleted") {
					t.Errorf("%d entries are left, want 18", left)
				}
				must(t, s.Append(t.Context(), blocks[6:]...))
				checkServed(t, s, blocks)
				checkVerified(t, s, blocks)
			})
		}
	}
}

// FuzzDamage verifies that whatever happens to a value, nothing but the stored blocks is served.
func FuzzDamage(f *testing.F) {
	blocks := realBlocks()[:6]
	keys := [][]byte{
		slotKey("r", 3), slotKey("f", 3), indexKey(blocks[2].Root), []byte("c"), []byte("n"), []byte("v"),
	}
	for i := range keys {
		f.Add(uint8(i), uint16(0), []byte{})
		f.Add(uint8(i), uint16(2), []byte{1})
		f.Add(uint8(i), uint16(40), []byte{0xff, 0, 0xff})
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint16, replace []byte) {
		db := memorydb.New()
		openWith(t, db, blocks...)
		damage(t, db, keys[int(which)%len(keys)], func(v []byte) []byte {
			head := v[:int(at)%(len(v)+1)]
			return slices.Concat(head, replace, v[min(len(v), len(head)+len(replace)):])
		})
		s, err := store.Open(db, dirOf(t, db))
		if err != nil {
			return
		}
		refs, _ := byRange(s, 1, 6)
		more, _ := byRoot(s, blocks[2].Root)
		for _, ref := range append(refs, more...) {
			got, err := s.AppendFrames(t.Context(), ref, nil)
			if b := blocks[ref.Slot-1]; ref != refOf(b) || err == nil && !bytes.Equal(got, b.Frames) {
				t.Fatalf("%+v is served, want %+v", ref, refOf(b))
			}
		}
		for range s.Verify(t.Context()) {
		}
		_ = s.Truncate(t.Context(), 3)
	})
}
