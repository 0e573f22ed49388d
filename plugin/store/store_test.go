package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/internal/pebble"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// realBlocks returns the blocks of the development chain, which nobody may change.
var realBlocks = sync.OnceValue(func() []*beacon.Block {
	blocks, err := devchain.Blocks()
	if err != nil {
		panic(err)
	}
	return blocks
})

var realNetwork = store.Network{
	Config:                devchain.Config(),
	GenesisTime:           devchain.GenesisTime,
	GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
}

// syntheticBlocks returns linked blocks at the given slots. Each has size bytes of SSZ, of which
// only the header is well formed, and which compress to about 0.6.
func syntheticBlocks(seed uint64, size int, slots ...ssz.Slot) []*beacon.Block {
	random := rand.NewChaCha8(sha256.Sum256(binary.BigEndian.AppendUint64(nil, seed)))
	blocks := make([]*beacon.Block, 0, len(slots))
	var parent ssz.Root
	for _, slot := range slots {
		encoded := make([]byte, size)
		binary.LittleEndian.PutUint32(encoded, 100)
		binary.LittleEndian.PutUint64(encoded[100:], uint64(slot))
		copy(encoded[116:], parent[:])
		for rest := encoded[184:]; len(rest) > 0; rest = rest[min(1000, len(rest)):] {
			_, _ = random.Read(rest[:min(560, len(rest))])
		}
		root := ssz.Root(sha256.Sum256(encoded))
		blocks = append(blocks, &beacon.Block{
			Slot: slot, Root: root, ParentRoot: parent, SSZ: encoded, Frames: snappy.AppendFrames(nil, encoded),
		})
		parent = root
	}
	return blocks
}

func slotsUntil(n int) []ssz.Slot {
	slots := make([]ssz.Slot, n)
	for i := range slots {
		slots[i] = ssz.Slot(i + 1)
	}
	return slots
}

func openPebble(tb testing.TB, dir string) ethdb.KeyValueStore {
	tb.Helper()
	db, err := openDatabase(dir)
	must(tb, err)
	return db
}

func openDatabase(dir string) (ethdb.KeyValueStore, error) {
	return pebble.Open(dir, 16, 64)
}

// A settledDB is a database whose store takes all blocks for final, see openWith, so that they are in segment files.
type settledDB struct{ ethdb.KeyValueStore }

// dirs are the directories of the segment files that belong to databases.
var dirs sync.Map

// dirOf returns the directory of the segment files that belong to a database.
func dirOf(tb testing.TB, db ethdb.KeyValueStore) string {
	tb.Helper()
	dir, loaded := dirs.Load(db)
	if !loaded {
		dir = filepath.Join(tb.TempDir(), "segments")
		dirs.Store(db, dir)
		tb.Cleanup(func() { dirs.Delete(db) })
	}
	return dir.(string)
}

// blocksFile returns the path of the first segment file with blocks.
func blocksFile(tb testing.TB, db ethdb.KeyValueStore) string {
	tb.Helper()
	return filepath.Join(dirOf(tb, db), "blocks-00000000.e2s")
}

// eachDatabase runs a test on every kind of database, and with blocks in each place.
func eachDatabase(t *testing.T, test func(t *testing.T, db ethdb.KeyValueStore)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, memorydb.New())
	})
	t.Run("segments", func(t *testing.T) {
		t.Parallel()
		test(t, &settledDB{memorydb.New()})
	})
	t.Run("pebble", func(t *testing.T) {
		t.Parallel()
		db := openPebble(t, t.TempDir())
		t.Cleanup(func() { _ = db.Close() })
		test(t, db)
	})
}

func open(tb testing.TB, db ethdb.KeyValueStore) *store.Store {
	tb.Helper()
	s, err := store.Open(db, dirOf(tb, db))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func openWith(tb testing.TB, db ethdb.KeyValueStore, blocks ...*beacon.Block) *store.Store {
	tb.Helper()
	s := open(tb, db)
	must(tb, s.SetNetwork(tb.Context(), realNetwork))
	if _, ok := db.(*settledDB); ok {
		must(tb, s.SetAnchor(tb.Context(), everything))
	}
	must(tb, s.Append(tb.Context(), blocks...))
	return s
}

// everything is an anchor below which all blocks are.
var everything = store.Anchor{Root: ssz.Root{1}, Slot: math.MaxUint64, Origin: store.Given}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// byRange collects what a range yields.
func byRange(s *store.Store, start ssz.Slot, count uint64) (refs []beacon.Ref, err error) {
	for ref, err := range s.BlocksByRange(context.Background(), start, count) {
		if err != nil {
			return refs, err
		}
		ref.Handle = nil
		refs = append(refs, ref)
	}
	return refs, nil
}

// byRoot collects what roots yield.
func byRoot(s *store.Store, roots ...ssz.Root) (refs []beacon.Ref, err error) {
	for ref, err := range s.BlocksByRoot(context.Background(), roots) {
		if err != nil {
			return refs, err
		}
		ref.Handle = nil
		refs = append(refs, ref)
	}
	return refs, nil
}

// checkRefs verifies that refs are those of blocks.
func checkRefs(tb testing.TB, refs []beacon.Ref, blocks []*beacon.Block) {
	tb.Helper()
	if len(refs) != len(blocks) {
		tb.Fatalf("%d blocks, want %d", len(refs), len(blocks))
	}
	for i, b := range blocks {
		if refs[i] != refOf(b) {
			tb.Fatalf("block %d is %+v, want %+v", i, refs[i], refOf(b))
		}
	}
}

func refOf(b *beacon.Block) beacon.Ref {
	return beacon.Ref{Slot: b.Slot, Root: b.Root, Size: len(b.SSZ), FramesSize: len(b.Frames)}
}

// checkServed verifies that the store answers for exactly these blocks, by range, by root and with
// their frames; of long chains, in samples.
func checkServed(tb testing.TB, s *store.Store, blocks []*beacon.Block) {
	tb.Helper()
	first, last := blocks[0].Slot, blocks[len(blocks)-1].Slot
	refs, err := byRange(s, first, uint64(last-first)+1)
	must(tb, err)
	checkRefs(tb, refs, blocks)
	for i, b := range blocks {
		if len(blocks) > 200 && i%64 != 0 && i != len(blocks)-1 {
			continue
		}
		refs, err := byRoot(s, b.Root)
		must(tb, err)
		checkRefs(tb, refs, blocks[i:i+1])
		if err := checkFrames(s, b); err != nil {
			tb.Fatal(err)
		}
	}
	status, err := s.Status(tb.Context())
	must(tb, err)
	if head := blocks[len(blocks)-1]; status.HeadSlot != head.Slot || status.HeadRoot != head.Root {
		tb.Fatalf("head %d, %v, want %d, %v", status.HeadSlot, status.HeadRoot, head.Slot, head.Root)
	}
	if slot, root, ok := s.Head(); !ok || slot != status.HeadSlot || root != status.HeadRoot {
		tb.Fatalf("Head returns %d, %v, %t, the status says %d, %v", slot, root, ok, status.HeadSlot, status.HeadRoot)
	}
}

func checkFrames(s *store.Store, b *beacon.Block) error {
	prefix := []byte("header")
	got, err := s.AppendFrames(context.Background(), refOf(b), prefix)
	if err != nil {
		return err
	}
	if want := append(prefix, b.Frames...); !bytes.Equal(got, want) {
		return fmt.Errorf("slot %d: the frames differ", b.Slot)
	}
	return nil
}

func formatCount(n uint64) string { return fmt.Sprintf("count=%d", n) }
