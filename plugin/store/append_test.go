package store_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// hookedDB calls its hooks, where set, before a batch is written and before a sync.
type hookedDB struct {
	ethdb.KeyValueStore
	onWrite, onSync func() error
}

func (db *hookedDB) NewBatch() ethdb.Batch {
	return &hookedBatch{db.KeyValueStore.NewBatch(), db}
}

func (db *hookedDB) SyncKeyValue() error {
	if db.onSync != nil {
		if err := db.onSync(); err != nil {
			return err
		}
	}
	return db.KeyValueStore.SyncKeyValue()
}

type hookedBatch struct {
	ethdb.Batch
	db *hookedDB
}

func (b *hookedBatch) Write() error {
	if b.db.onWrite != nil {
		if err := b.db.onWrite(); err != nil {
			return err
		}
	}
	return b.Batch.Write()
}

func TestAppendedBlocksAreServed(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		blocks := realBlocks()
		s := openWith(t, db)
		for batch := range slices.Chunk(blocks, 33) {
			must(t, s.Append(t.Context(), batch...))
		}
		checkServed(t, s, blocks)
		checkServed(t, open(t, db), blocks)
	})
}

func TestAppendAcrossEmptySlots(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		blocks := syntheticBlocks(3, 70_000, 0, 1, 5, 6, 300, 301, 100_000, 1<<40, 1<<64-2, 1<<64-1)
		s := openWith(t, db, blocks[:5]...)
		must(t, s.Append(t.Context(), blocks[5:]...))
		refs, err := byRange(s, 0, 1<<64-1)
		must(t, err)
		checkRefs(t, refs, blocks[:len(blocks)-1])
		refs, err = byRange(s, 1, 1<<64-1)
		must(t, err)
		checkRefs(t, refs, blocks[1:])
		for _, b := range blocks {
			must(t, checkFrames(s, b))
		}
	})
}

func TestTheLastSlotsOfAll(t *testing.T) {
	t.Parallel()
	slots := make([]ssz.Slot, 64)
	for i := range slots {
		slots[i] = math.MaxUint64 - 63 + ssz.Slot(i)
	}
	blocks := syntheticBlocks(12, 300, slots...)
	s := openWith(t, memorydb.New(), blocks...)
	checkServed(t, s, blocks)
	must(t, s.Truncate(t.Context(), math.MaxUint64-1))
	checkServed(t, s, blocks[:62])
	must(t, s.Append(t.Context(), blocks[62:]...))
	must(t, s.Prune(t.Context(), math.MaxUint64))
	checkServed(t, s, blocks[63:])
}

func TestAppendWritesAndSyncsOncePerBatch(t *testing.T) {
	t.Parallel()
	var ops []string
	db := &hookedDB{KeyValueStore: memorydb.New()}
	s := openWith(t, db)
	head := func() ssz.Slot {
		status, _ := s.Status(t.Context())
		return status.HeadSlot
	}
	note := func(op string) func() error {
		return func() error {
			if head() != 0 {
				op += ", published before"
			}
			ops = append(ops, op)
			return nil
		}
	}
	db.onWrite, db.onSync = note("write"), note("sync")
	must(t, s.Append(t.Context(), realBlocks()[:50]...))
	if want := []string{"write", "sync"}; !slices.Equal(ops, want) {
		t.Errorf("operations %q, want %q", ops, want)
	}
	if head() != 50 {
		t.Errorf("head %d after Append, want 50", head())
	}
}

func TestAppendingStoredBlocksAgainChangesNothing(t *testing.T) {
	t.Parallel()
	db := &hookedDB{KeyValueStore: memorydb.New()}
	blocks := realBlocks()
	s := openWith(t, db, blocks[:40]...)
	db.onWrite = func() error { return errors.New("nothing is to be written") }
	for _, again := range [][]*beacon.Block{nil, blocks[:40], blocks[39:40], blocks[:1], {blocks[7], blocks[3]}} {
		must(t, s.Append(t.Context(), again...))
	}
	db.onWrite = nil
	must(t, s.Append(t.Context(), blocks[20:60]...))
	checkServed(t, s, blocks[:60])
}

func TestAppendRejects(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	change := func(b *beacon.Block, change func(*beacon.Block)) []*beacon.Block {
		c := *b
		change(&c)
		return []*beacon.Block{&c}
	}
	other := syntheticBlocks(4, 1000, 3, 10, 11, 12)
	tests := map[string]struct {
		blocks []*beacon.Block
		want   error
	}{
		"a gap":                     {blocks[11:12], nil}, // LinkError
		"a descending batch":        {[]*beacon.Block{blocks[10], blocks[12], blocks[11]}, nil},
		"another block at the head": {other[1:2], store.ErrOrder},
		"another block below":       {other[0:1], store.ErrOrder},
		"a block of another branch": {other[2:3], nil},
		"a changed root": {change(blocks[4], func(b *beacon.Block) {
			b.Root[0]++
		}), store.ErrOrder},
		"a good block, then a bad one": {[]*beacon.Block{blocks[10], blocks[11], blocks[13]}, nil},
		"no SSZ": {change(blocks[10], func(b *beacon.Block) {
			b.SSZ = nil
		}), store.ErrBlock},
		"a slot that is not the block's": {change(blocks[10], func(b *beacon.Block) {
			b.Slot++
		}), store.ErrBlock},
		"a parent that is not the block's": {[]*beacon.Block{change(blocks[11], func(b *beacon.Block) {
			b.ParentRoot = blocks[9].Root
		})[0]}, store.ErrBlock},
		"frames of another length": {change(blocks[10], func(b *beacon.Block) {
			b.Frames = blocks[11].Frames
		}), store.ErrBlock},
		"more than a payload may hold": {change(blocks[10], func(b *beacon.Block) {
			b.SSZ = append(slices.Clone(b.SSZ), make([]byte, snappy.MaxPayloadSize)...)
			b.Frames = nil
		}), store.ErrBlock},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openWith(t, memorydb.New(), blocks[:10]...)
			err := s.Append(t.Context(), tt.blocks...)
			if _, isLink := errors.AsType[*store.LinkError](err); tt.want == nil && !isLink {
				t.Errorf("error %v, want a LinkError", err)
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			checkServed(t, s, blocks[:10]) // All or nothing.
			must(t, s.Append(t.Context(), blocks[10:12]...))
			checkServed(t, s, blocks[:12])
		})
	}
}

func TestLinkErrorNamesSlotsAndRoots(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	s := openWith(t, memorydb.New(), blocks[:10]...)
	err := s.Append(t.Context(), blocks[10], blocks[13])
	got, ok := errors.AsType[*store.LinkError](err)
	want := store.LinkError{Slot: 14, ParentRoot: blocks[12].Root, PreviousSlot: 11, PreviousRoot: blocks[10].Root}
	if !ok || *got != want {
		t.Errorf("error %v, want %v", err, &want)
	}
}

func TestAppendFramesAnewWhatNotEveryPeerReads(t *testing.T) {
	t.Parallel()
	padding := []byte{0xfe, 3, 0, 0, 1, 2, 3}
	b := *realBlocks()[0]
	tests := map[string][]byte{
		"no frames":     nil,
		"padding":       append(slices.Clone(b.Frames), padding...),
		"no identifier": b.Frames[10:],
		"cut":           b.Frames[:len(b.Frames)-1],
		"not frames":    []byte("snappy"),
	}
	for name, frames := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			odd := b
			odd.Frames = frames
			s := openWith(t, memorydb.New(), &odd)
			checkServed(t, s, realBlocks()[:1])
		})
	}
}

func TestFramesAreStoredAsReceived(t *testing.T) {
	t.Parallel()
	b := *realBlocks()[0]
	// Another encoder's frames: two chunks, which are not what AppendFrames makes.
	half := len(b.SSZ) / 2
	b.Frames = append(snappy.AppendFrames(nil, b.SSZ[:half]), snappy.AppendFrames(nil, b.SSZ[half:])[10:]...)
	s := openWith(t, memorydb.New(), &b)
	checkServed(t, s, []*beacon.Block{&b})
}

func TestAfterAFailedWriteOnlyReadersGoOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk is broken")
	fail := func() error { return broken }
	tests := map[string]func(db *hookedDB){
		"write": func(db *hookedDB) { db.onWrite = fail },
		"sync":  func(db *hookedDB) { db.onSync = fail },
	}
	for name, breakIt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := &hookedDB{KeyValueStore: memorydb.New()}
			blocks := realBlocks()
			s := openWith(t, db, blocks[:10]...)
			breakIt(db)
			if err := s.Append(t.Context(), blocks[10:20]...); !errors.Is(err, broken) || errors.Is(err, store.ErrFailed) {
				t.Errorf("error %v, want %v alone", err, broken)
			}
			checkServed(t, s, blocks[:10])
			if refs, err := byRoot(s, blocks[10].Root); err != nil || len(refs) != 0 {
				t.Errorf("an unsynced block is served: %v, %v", refs, err)
			}
			db.onWrite, db.onSync = nil, nil
			for name, err := range map[string]error{
				"Append":     s.Append(t.Context(), blocks[10:20]...),
				"Truncate":   s.Truncate(t.Context(), 5),
				"Prune":      s.Prune(t.Context(), 5),
				"SetSource":  s.SetSource(t.Context(), beacon.Status{}),
				"SetNetwork": s.SetNetwork(t.Context(), realNetwork),
			} {
				if !errors.Is(err, store.ErrFailed) || !errors.Is(err, broken) {
					t.Errorf("%s: error %v, want %v with its cause", name, err, store.ErrFailed)
				}
			}
			checkServed(t, s, blocks[:10])
			s = open(t, db)
			must(t, s.Append(t.Context(), blocks[10:20]...))
			checkServed(t, s, blocks[:20])
		})
	}
}

func TestReadersAreNotHeldUpByAWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &hookedDB{KeyValueStore: memorydb.New()}
		blocks := realBlocks()
		s := openWith(t, db, blocks[:10]...)
		release := make(chan struct{})
		db.onSync = func() error { <-release; return nil }

		first := make(chan error)
		go func() { first <- s.Append(context.Background(), blocks[10:20]...) }()
		synctest.Wait() // The first writer is syncing.
		checkServed(t, s, blocks[:10])
		if refs, err := byRoot(s, blocks[15].Root); err != nil || len(refs) != 0 {
			t.Errorf("an unsynced block is served: %v, %v", refs, err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error)
		go func() { second <- s.Append(ctx, blocks[20:30]...) }()
		synctest.Wait() // The second writer waits for its turn.
		cancel()
		if err := <-second; !errors.Is(err, context.Canceled) {
			t.Errorf("second writer: error %v, want %v", err, context.Canceled)
		}
		close(release)
		must(t, <-first)
		checkServed(t, s, blocks[:20])
	})
}
