package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// fuluSidecars returns the blocks of a real chain with all that belongs to them.
func fuluSidecars() []beacon.Sidecars {
	blobs, columns := beacontest.Fulu().BlobSidecars(), beacontest.Fulu().DataColumnSidecars()
	var all []beacon.Sidecars
	for _, b := range beacontest.FuluBlocks() {
		s := beacon.Sidecars{Block: b}
		for _, blob := range blobs {
			if blob.BlockRoot == b.Root {
				s.Blobs = append(s.Blobs, blob)
			}
		}
		for _, column := range columns {
			if column.BlockRoot == b.Root {
				s.Columns = append(s.Columns, column)
			}
		}
		all = append(all, s)
	}
	return all
}

// openFulu opens a store of that chain. Of a settledDB all blocks are history, of others those up to slot 100.
func openFulu(tb testing.TB, db ethdb.KeyValueStore) *store.Store {
	tb.Helper()
	s := open(tb, db)
	genesis, root := beacontest.FuluGenesis()
	must(tb, s.SetNetwork(tb.Context(), store.Network{
		Config: beacontest.FuluConfig(), GenesisTime: uint64(genesis.Unix()), GenesisValidatorsRoot: root,
	}))
	anchor := everything
	if _, ok := db.(*settledDB); !ok {
		anchor.Slot = 100
	}
	must(tb, s.SetAnchor(tb.Context(), anchor))
	return s
}

// collectRefs collects refs up to the first error.
func collectRefs(refs iter.Seq2[beacon.Ref, error]) (all []beacon.Ref, err error) {
	for ref, err := range refs {
		if err != nil {
			return all, err
		}
		all = append(all, ref)
	}
	return all, nil
}

// checkSidecars verifies that the store has these objects, byte for byte, in that order.
func checkSidecars(tb testing.TB, s *store.Store, kind beacon.Kind, refs iter.Seq2[beacon.Ref, error], want []*beacontest.Item) {
	tb.Helper()
	got, err := collectRefs(refs)
	if err != nil || len(got) != len(want) {
		tb.Fatalf("%d %ss, %v, want %d", len(got), kind, err, len(want))
	}
	for i, ref := range got {
		w := want[i]
		if ref.Kind != kind || ref.Slot != w.Slot || ref.Root != w.Root || ref.Index != w.Index ||
			ref.Size != len(w.SSZ) || ref.FramesSize != len(w.Frames) {
			tb.Fatalf("%+v, want %v %d of slot %d", ref, kind, w.Index, w.Slot)
		}
		for _, r := range []beacon.Ref{ref, {Kind: ref.Kind, Slot: ref.Slot, Root: ref.Root, Index: ref.Index, FramesSize: ref.FramesSize}} {
			if frames, err := s.AppendFrames(tb.Context(), r, []byte("before")); err != nil || string(frames) != "before"+string(w.Frames) {
				tb.Fatalf("frames of %v %d of slot %d: %d bytes, %v", kind, w.Index, w.Slot, len(frames), err)
			}
		}
	}
}

var everyColumn = slices.Collect(func(yield func(uint64) bool) {
	for i := range uint64(beacon.NumberOfColumns) {
		if !yield(i) {
			return
		}
	}
})

// checkFuluSidecars verifies that the store has all sidecars of the chain up to a slot.
func checkFuluSidecars(tb testing.TB, s *store.Store, head ssz.Slot) {
	tb.Helper()
	c, sources := beacontest.Fulu().Until(head), s.Sources()
	checkSidecars(tb, s, beacon.KindBlobSidecar, sources.Blobs.BlobSidecarsByRange(tb.Context(), 0, 1000), c.Blobs)
	checkSidecars(tb, s, beacon.KindDataColumnSidecar,
		sources.Columns.DataColumnSidecarsByRange(tb.Context(), 0, 1000, everyColumn), c.Columns)
}

func TestSidecarsOfARealChainAreServedAsTheyAre(t *testing.T) {
	for name, db := range map[string]ethdb.KeyValueStore{
		"history": &settledDB{memorydb.New()}, "history and database": memorydb.New(), "pebble": openPebble(t, t.TempDir()),
	} {
		t.Run(name, func(t *testing.T) {
			s := openFulu(t, db)
			must(t, s.AppendSidecars(t.Context(), fuluSidecars()...))
			checkFuluSidecars(t, s, beacontest.FuluHead)
			must(t, s.Close())
			s = open(t, db)
			checkFuluSidecars(t, s, beacontest.FuluHead)
			checkFuluServer(t, s)
		})
	}
}

// checkFuluServer verifies that a server of the store answers with all sidecars of the chain, by range and by root.
func checkFuluServer(t *testing.T, s *store.Store) {
	t.Helper()
	n := beacontest.FuluNetwork()
	client, at := simtest.NewHost(t), simtest.NewHost(t)
	simtest.Introduce(client, at)
	server := beacon.NewServer(at, n, s, &beacon.ServerOptions{
		Now:      func() time.Time { return n.TimeAt(beacontest.FuluHead) },
		MetaData: func() ssz.MetaDataV3 { return ssz.MetaDataV3{CustodyGroupCount: 128} },
	})
	must(t, server.Start())
	defer server.Stop(t.Context())
	status, err := server.Status(t.Context())
	if err != nil || status.EarliestAvailableSlot != 0 {
		t.Errorf("earliest available slot %d, %v, want 0", status.EarliestAvailableSlot, err)
	}
	c, to, chain := beacon.NewClient(client, beacon.NewFamily(n), nil), at.ID(), beacontest.Fulu()
	var blobs []ssz.BlobIdentifier
	for _, i := range chain.Blobs {
		blobs = append(blobs, ssz.BlobIdentifier{BlockRoot: i.Root, Index: i.Index})
	}
	var columns []ssz.DataColumnsByRootIdentifier
	for _, i := range chain.Columns {
		if i.Index == 0 {
			columns = append(columns, ssz.DataColumnsByRootIdentifier{BlockRoot: i.Root, Columns: everyColumn})
		}
	}
	blob := func(b *beacon.BlobSidecar) beacon.Chunk { return b.Chunk }
	column := func(d *beacon.DataColumnSidecar) beacon.Chunk { return d.Chunk }
	checkChunks(t, c.BlobSidecarsByRange(t.Context(), to, 0, 216), blob, chain.Blobs)
	checkChunks(t, c.BlobSidecarsByRoot(t.Context(), to, blobs), blob, chain.Blobs)
	checkChunks(t, c.DataColumnSidecarsByRange(t.Context(), to, 0, 216, everyColumn), column, chain.Columns)
	checkChunks(t, c.DataColumnSidecarsByRoot(t.Context(), to, columns), column, chain.Columns)
}

func checkChunks[T any](t *testing.T, got iter.Seq2[T, error], chunk func(T) beacon.Chunk, want []*beacontest.Item) {
	t.Helper()
	i := 0
	for o, err := range got {
		if err != nil || i == len(want) || !bytes.Equal(chunk(o).Frames, want[i].Frames) {
			t.Fatalf("object %d of %d: %v", i, len(want), err)
		}
		i++
	}
	if i < len(want) {
		t.Errorf("%d objects, want %d", i, len(want))
	}
}

func TestSidecarsMayComeAfterTheirBlocks(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s := openFulu(t, db)
		must(t, s.Append(t.Context(), beacontest.FuluBlocks()...))
		all := fuluSidecars()
		for _, part := range []int{1, 0, 1} { // the odd columns, then the even ones, and again
			var some []beacon.Sidecars
			for _, of := range all {
				given := beacon.Sidecars{Block: &beacon.Block{Slot: of.Block.Slot, Root: of.Block.Root}, Blobs: of.Blobs}
				for _, c := range slices.Backward(of.Columns) {
					if int(c.Index)%2 == part {
						given.Columns = append(given.Columns, c)
					}
				}
				some = append(some, given)
			}
			must(t, s.AppendSidecars(t.Context(), some...))
		}
		checkFuluSidecars(t, s, beacontest.FuluHead)
		must(t, s.Close())
		checkFuluSidecars(t, open(t, db), beacontest.FuluHead)
	})
}

func TestSidecarsComeInAnyOrder(t *testing.T) {
	t.Parallel()
	for name, reorder := range map[string]func([]beacon.Sidecars) []beacon.Sidecars{
		"descending": func(all []beacon.Sidecars) []beacon.Sidecars {
			slices.Reverse(all)
			return all
		},
		"from file to file and back": func(all []beacon.Sidecars) []beacon.Sidecars {
			slices.SortStableFunc(all, func(a, b beacon.Sidecars) int { return int(a.Block.Slot%2) - int(b.Block.Slot%2) })
			return all
		},
		"of each block in two parts": func(all []beacon.Sidecars) (parts []beacon.Sidecars) {
			for _, of := range all {
				columns, blobs := len(of.Columns)/2, len(of.Blobs)/2
				parts = append(parts,
					beacon.Sidecars{Block: of.Block, Columns: of.Columns[:columns], Blobs: of.Blobs[:blobs]},
					beacon.Sidecars{Block: of.Block, Columns: of.Columns[columns:], Blobs: of.Blobs[blobs:]})
			}
			return parts
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
				s := openFulu(t, db)
				must(t, s.Append(t.Context(), beacontest.FuluBlocks()...))
				must(t, s.AppendSidecars(t.Context(), reorder(fuluSidecars())...))
				checkFuluSidecars(t, s, beacontest.FuluHead)
				must(t, s.Close())
				checkFuluSidecars(t, open(t, db), beacontest.FuluHead)
			})
		})
	}
}

func TestSidecarsAreNotLostWhereTheirRecordCannotBeRead(t *testing.T) {
	t.Parallel()
	const slot = 138
	db, all := &unreadableDB{KeyValueStore: memorydb.New()}, fuluSidecars()
	s := openFulu(t, db)
	var rest beacon.Sidecars
	for i := range all {
		if of := &all[i]; of.Block.Slot == slot {
			rest = beacon.Sidecars{Block: of.Block, Columns: of.Columns[:1]}
			of.Columns = of.Columns[1:]
		}
	}
	must(t, s.AppendSidecars(t.Context(), all...))
	db.first = append([]byte{'k', byte(beacon.KindDataColumnSidecar)}, slotKey("", slot)...)
	db.last = db.first
	if err := s.AppendSidecars(t.Context(), rest); !errors.Is(err, errUnreadable) {
		t.Errorf("error %v, want %v", err, errUnreadable)
	}
	db.first, db.last = nil, nil
	must(t, s.AppendSidecars(t.Context(), rest))
	checkFuluSidecars(t, s, beacontest.FuluHead)
}

func TestSidecarsBecomeHistoryWithTheirBlocks(t *testing.T) {
	t.Parallel()
	db := memorydb.New()
	s := openFulu(t, db)
	must(t, s.AppendSidecars(t.Context(), fuluSidecars()...))
	before := db.Len()
	must(t, s.SetAnchor(t.Context(), everything))
	if n := before - db.Len(); n < 1000 {
		t.Errorf("%d entries less in the database, want those of 1000 columns and more", n)
	}
	checkFuluSidecars(t, s, beacontest.FuluHead)
	must(t, s.Close())
	checkFuluSidecars(t, open(t, db), beacontest.FuluHead)
}

func TestSidecarsMayComeWhileOthersBecomeHistory(t *testing.T) {
	t.Parallel()
	db, free := memorydb.New(), uint64(1<<40)
	s, err := store.Open(db, dirOf(t, db), store.FreeSpace(func() (uint64, error) { return free, nil }))
	must(t, err)
	genesis, root := beacontest.FuluGenesis()
	must(t, s.SetNetwork(t.Context(), store.Network{
		Config: beacontest.FuluConfig(), GenesisTime: uint64(genesis.Unix()), GenesisValidatorsRoot: root,
	}))
	all, some := fuluSidecars(), fuluSidecars()
	for i := range some {
		some[i].Columns = slices.DeleteFunc(some[i].Columns, func(c *beacon.DataColumnSidecar) bool { return c.Index%3 == 0 })
	}
	must(t, s.AppendSidecars(t.Context(), some...))
	free = 0 // Nothing can be moved yet.
	must(t, s.SetAnchor(t.Context(), everything))
	free = 1 << 40
	must(t, s.AppendSidecars(t.Context(), all...))
	checkFuluSidecars(t, s, beacontest.FuluHead)
	must(t, s.Close())
	checkFuluSidecars(t, open(t, db), beacontest.FuluHead)
}

func TestSidecarsAreDiscardedWithTheirBlocks(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s, all := openFulu(t, db), fuluSidecars()
		must(t, s.AppendSidecars(t.Context(), all...))
		refs, err := collectRefs(s.Sources().Columns.DataColumnSidecarsByRange(t.Context(), 138, 1, []uint64{5}))
		if err != nil || len(refs) != 1 {
			t.Fatalf("%d refs, %v", len(refs), err)
		}
		must(t, s.Truncate(t.Context(), 120))
		if _, err := s.AppendFrames(t.Context(), refs[0], nil); !errors.Is(err, store.ErrDiscarded) {
			t.Errorf("frames of what is discarded: %v", err)
		}
		checkFuluSidecars(t, s, 119)
		must(t, s.AppendSidecars(t.Context(), all...))
		checkFuluSidecars(t, s, beacontest.FuluHead)
		must(t, s.Prune(t.Context(), 130))
		sources, c := s.Sources(), beacontest.Fulu()
		checkSidecars(t, s, beacon.KindDataColumnSidecar, sources.Columns.DataColumnSidecarsByRange(t.Context(), 130, 1000, everyColumn),
			slices.DeleteFunc(slices.Clone(c.Columns), func(i *beacontest.Item) bool { return i.Slot < 130 }))
		if _, err := collectRefs(sources.Blobs.BlobSidecarsByRange(t.Context(), 0, 1000)); !errors.Is(err, beacon.ErrUnavailable) {
			t.Errorf("blobs that are pruned: %v", err)
		}
		if got, err := collectRefs(sources.Blobs.BlobSidecarsByRoot(t.Context(), []ssz.BlobIdentifier{{BlockRoot: c.Blobs[0].Root}})); err != nil || len(got) > 0 {
			t.Errorf("a blob that is pruned, by root: %v, %v", got, err)
		}
	})
}

func TestDamageToASidecarCostsThatSidecar(t *testing.T) {
	t.Parallel()
	db := &settledDB{memorydb.New()}
	s := openFulu(t, db)
	must(t, s.AppendSidecars(t.Context(), fuluSidecars()...))
	for ref, err := range s.Verify(t.Context()) {
		if err != nil || ref.Kind != beacon.KindBlock {
			t.Fatalf("%+v, %v", ref, err)
		}
	}
	// Of the second period's columns one byte is flipped, which is in the frames of one.
	flip(t, filepath.Join(dirOf(t, db), "data_column_sidecars-00000002.e2s"), 100_000)
	var damaged []beacon.Ref
	blocks := 0
	for ref, err := range s.Verify(t.Context()) {
		corrupt, ok := errors.AsType[*store.CorruptError](err)
		switch {
		case ok && corrupt.Slot == ref.Slot && corrupt.Root == ref.Root:
			damaged = append(damaged, ref)
		case err != nil:
			t.Fatal(err)
		default:
			blocks++
		}
	}
	if len(damaged) != 1 || damaged[0].Kind != beacon.KindDataColumnSidecar || blocks != len(beacontest.FuluBlocks()) {
		t.Fatalf("%d blocks, damaged: %+v", blocks, damaged)
	}
	unreadable := 0
	refs, err := collectRefs(s.Sources().Columns.DataColumnSidecarsByRange(t.Context(), 0, 1000, everyColumn))
	must(t, err)
	for _, ref := range refs {
		if _, err := s.AppendFrames(t.Context(), ref, nil); err != nil {
			unreadable++
			if ref.Slot != damaged[0].Slot || ref.Index != damaged[0].Index || !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("%+v: %v", ref, err)
			}
		}
	}
	if unreadable != 1 {
		t.Errorf("%d columns cannot be read, want 1", unreadable)
	}
}

func TestSidecarsThatCannotBeWrittenCostNothingElse(t *testing.T) {
	t.Parallel()
	db, all := &settledDB{memorydb.New()}, fuluSidecars()
	s := openFulu(t, db)
	at := slices.IndexFunc(all, func(s beacon.Sidecars) bool { return s.Block.Slot >= 80 })
	must(t, s.AppendSidecars(t.Context(), all[:at]...))
	// The file that the columns belong in cannot be made, and those of blocks and blobs can.
	inTheWay := filepath.Join(dirOf(t, db), "data_column_sidecars-00000001.e2s")
	must(t, os.Mkdir(inTheWay, 0o700))
	if err := s.AppendSidecars(t.Context(), all[at:]...); err == nil || errors.Is(err, store.ErrFailed) {
		t.Errorf("error %v", err)
	}
	if slot, _, _ := s.Head(); slot != all[at-1].Block.Slot {
		t.Errorf("the head is %d, want %d", slot, all[at-1].Block.Slot)
	}
	checkFuluSidecars(t, s, all[at-1].Block.Slot)
	must(t, os.Remove(inTheWay))
	must(t, s.AppendSidecars(t.Context(), all[at:]...))
	checkFuluSidecars(t, open(t, db), beacontest.FuluHead)
}

func TestSidecarsThatAreNotTheirBlocksAreRefused(t *testing.T) {
	t.Parallel()
	all := fuluSidecars()
	with := slices.IndexFunc(all, func(s beacon.Sidecars) bool { return len(s.Columns) > 0 })
	other := all[slices.IndexFunc(all, func(s beacon.Sidecars) bool { return len(s.Blobs) > 0 })]
	for name, change := range map[string]func(c *beacon.DataColumnSidecar){
		"of another block": func(c *beacon.DataColumnSidecar) {
			*c = *all[slices.IndexFunc(all, func(s beacon.Sidecars) bool { return s.Block.Slot == 99 })].Columns[1]
		},
		"of another index": func(c *beacon.DataColumnSidecar) { c.Index++ },
		"malformed":        func(c *beacon.DataColumnSidecar) { c.SSZ = c.SSZ[1:] },
		"not included":     func(c *beacon.DataColumnSidecar) { c.SSZ = slices.Clone(c.SSZ); c.SSZ[len(c.SSZ)-2*49]++ },
		"other frames":     func(c *beacon.DataColumnSidecar) { c.Frames = other.Blobs[0].Frames },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openFulu(t, memorydb.New())
			bad := *all[with].Columns[1]
			change(&bad)
			given := beacon.Sidecars{Block: all[with].Block, Columns: []*beacon.DataColumnSidecar{all[with].Columns[0], &bad}}
			if err := s.AppendSidecars(t.Context(), given); !errors.Is(err, store.ErrSidecar) {
				t.Errorf("%v, want ErrSidecar", err)
			}
			if _, _, ok := s.Head(); ok {
				t.Error("the block is stored all the same")
			}
		})
	}
	s := open(t, memorydb.New())
	if err := s.AppendSidecars(t.Context(), all[0]); !errors.Is(err, store.ErrNoNetwork) {
		t.Errorf("%v, want ErrNoNetwork", err)
	}
}

func TestSidecarsOfAnotherForkAreRefused(t *testing.T) {
	t.Parallel()
	s, n, all := openMadeUp(t, memorydb.New()), beacontest.Network(), sidecarsOf(t, beacontest.New())
	of := func(fork ssz.Fork) beacon.Sidecars {
		return all[slices.IndexFunc(all, func(s beacon.Sidecars) bool { return s.Block.Fork == fork && len(s.Columns) > 0 })]
	}
	// A column of Gloas names its block, without a proof.
	fulu, encoded := of(ssz.Fulu), slices.Clone(of(ssz.Gloas).Columns[0].SSZ)
	const slotAt = 8 + 2*4
	binary.LittleEndian.PutUint64(encoded[slotAt:], uint64(fulu.Block.Slot))
	copy(encoded[slotAt+8:], fulu.Block.Root[:])
	column, err := beacon.DecodeDataColumnSidecar(n, beacon.Chunk{Fork: ssz.Gloas, SSZ: encoded})
	must(t, err)
	err = s.AppendSidecars(t.Context(), beacon.Sidecars{Block: fulu.Block, Columns: []*beacon.DataColumnSidecar{column}})
	if !errors.Is(err, store.ErrSidecar) {
		t.Errorf("a column of Gloas for a block of Fulu: %v, want ErrSidecar", err)
	}
}

func TestEarliestSlotOfSidecarsFollowsWhatIsHeld(t *testing.T) {
	t.Parallel()
	s, all := openFulu(t, memorydb.New()), fuluSidecars()
	earliest := func() [2]ssz.Slot {
		t.Helper()
		var slots [2]ssz.Slot
		for i, kind := range []beacon.Kind{beacon.KindBlobSidecar, beacon.KindDataColumnSidecar} {
			var err error
			slots[i], err = s.Sources().Earliest(t.Context(), kind)
			must(t, err)
		}
		return slots
	}
	check := func(when string, want ...ssz.Slot) {
		t.Helper()
		if got := earliest(); got != [2]ssz.Slot(want) {
			t.Errorf("%s: earliest slots %d, want %d", when, got, want)
		}
	}
	upTo := func(slot ssz.Slot) int {
		return slices.IndexFunc(all, func(s beacon.Sidecars) bool { return s.Block.Slot > slot })
	}
	must(t, s.Append(t.Context(), beacontest.FuluBlocks()[:upTo(113)]...))
	check("without any", 75, 113)
	must(t, s.AppendSidecars(t.Context(), all[upTo(112):upTo(125)]...))
	check("of the later blocks", 75, 113)
	only := func(first, last ssz.Slot, columns ...uint64) {
		t.Helper()
		for _, of := range all[upTo(first-1):upTo(last)] {
			of.Columns = slices.DeleteFunc(slices.Clone(of.Columns), func(c *beacon.DataColumnSidecar) bool {
				return !slices.Contains(columns, c.Index)
			})
			must(t, s.AppendSidecars(t.Context(), of))
		}
	}
	only(99, 99, 1, 2, 3)
	check("above a block without", 75, 113)
	only(112, 112, 1, 2)
	check("of the last block without", 75, 88)
	s.SetCustody([]uint64{1, 2, 3})
	check("with a custody", 75, 113)
	only(112, 112, 3)
	check("of all custody", 75, 88)
	must(t, s.AppendSidecars(t.Context(), all[:upTo(112)]...))
	check("of all", 0, 0)
	must(t, s.AppendSidecars(t.Context(), all[upTo(125):upTo(140)]...))
	must(t, s.Append(t.Context(), beacontest.FuluBlocks()[upTo(140):upTo(160)]...))
	check("of a head without", 0, 151)
	must(t, s.Truncate(t.Context(), 145))
	check("after that is discarded", 0, 0)
}

// openMadeUp opens a store of the chain in memory that goes through all forks.
func openMadeUp(tb testing.TB, db ethdb.KeyValueStore) *store.Store {
	tb.Helper()
	config := "PRESET_BASE: minimal\nGENESIS_FORK_VERSION: 0x00000001\n"
	for fork := ssz.Altair; fork <= ssz.Heze; fork++ {
		config += fmt.Sprintf("%s_FORK_VERSION: 0x%02x000001\n", strings.ToUpper(fork.String()), uint8(fork))
		config += fmt.Sprintf("%s_FORK_EPOCH: %d\n", strings.ToUpper(fork.String()), fork)
	}
	s := open(tb, db)
	must(tb, s.SetNetwork(tb.Context(), store.Network{
		Config: config, GenesisTime: 1_700_000_000, GenesisValidatorsRoot: beacontest.GenesisValidatorsRoot,
	}))
	return s
}

// sidecarsOf returns the blocks of a chain in memory with all that belongs to them.
func sidecarsOf(tb testing.TB, c *beacontest.Chain) (all []beacon.Sidecars) {
	tb.Helper()
	n := beacontest.Network()
	for _, i := range c.Blocks {
		header, err := ssz.PeekBlock(i.SSZ)
		must(tb, err)
		b := &beacon.Block{Slot: i.Slot, Root: i.Root, ParentRoot: header.ParentRoot, Fork: c.Fork(i.Slot), SSZ: i.SSZ, Frames: i.Frames}
		s := beacon.Sidecars{Block: b}
		for _, blob := range c.BlobSidecars() {
			if blob.BlockRoot == b.Root {
				s.Blobs = append(s.Blobs, blob)
			}
		}
		for _, column := range c.DataColumnSidecars() {
			if column.BlockRoot == b.Root {
				s.Columns = append(s.Columns, column)
			}
		}
		for _, e := range c.Envelopes {
			if e.Root == b.Root {
				s.Envelope, err = beacon.DecodeExecutionPayloadEnvelope(n, beacon.Chunk{Fork: b.Fork, SSZ: e.SSZ, Frames: e.Frames})
				must(tb, err)
			}
		}
		all = append(all, s)
	}
	return all
}

func TestEnvelopesAreServedAsTheChainHasBuiltOnThem(t *testing.T) {
	t.Parallel()
	const orphan = 7*beacontest.SlotsPerEpoch + 3 // of Gloas
	c := beacontest.NewWithOrphan(orphan)
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s := openMadeUp(t, db)
		if _, ok := db.(*settledDB); ok {
			must(t, s.SetAnchor(t.Context(), everything))
		}
		must(t, s.AppendSidecars(t.Context(), sidecarsOf(t, c)...))
		must(t, s.Close())
		s = open(t, db)
		payloads, kind := s.Sources().Payloads, beacon.KindExecutionPayloadEnvelope
		canonical := slices.DeleteFunc(slices.Clone(c.Envelopes), func(i *beacontest.Item) bool {
			return i.Slot == orphan || i.Slot == beacontest.Head
		})
		checkSidecars(t, s, kind, payloads.ExecutionPayloadEnvelopesByRange(t.Context(), 0, 1000), canonical)
		var roots []ssz.Root
		for _, i := range c.Envelopes {
			roots = append(roots, i.Root, ssz.Root{0xff})
		}
		checkSidecars(t, s, kind, payloads.ExecutionPayloadEnvelopesByRoot(t.Context(), roots), c.Envelopes)
		for _, kind := range []beacon.Kind{beacon.KindBlobSidecar, beacon.KindDataColumnSidecar, kind} {
			if slot, err := s.Sources().Earliest(t.Context(), kind); err != nil || slot != 0 {
				t.Errorf("%ss from slot %d, %v, want 0", kind, slot, err)
			}
		}
	})
}

func TestEarliestSlotInGloasWaitsForTheNextBlock(t *testing.T) {
	t.Parallel()
	const orphan = 7*beacontest.SlotsPerEpoch + 3 // of Gloas
	s, all := openMadeUp(t, memorydb.New()), sidecarsOf(t, beacontest.NewWithOrphan(orphan))
	for i := range all {
		if all[i].Block.Slot >= 7*beacontest.SlotsPerEpoch {
			all[i].Columns, all[i].Envelope = nil, nil
		}
	}
	at := slices.IndexFunc(all, func(s beacon.Sidecars) bool { return s.Block.Slot == orphan })
	must(t, s.AppendSidecars(t.Context(), all[:at-1]...))
	for i, want := range []ssz.Slot{orphan - 1, orphan, orphan, orphan + 2} {
		// The payload of the orphan is not the chain's: nothing is missing of its block.
		must(t, s.AppendSidecars(t.Context(), all[at-1+i]))
		for _, kind := range []beacon.Kind{beacon.KindDataColumnSidecar, beacon.KindExecutionPayloadEnvelope} {
			if slot, err := s.Sources().Earliest(t.Context(), kind); err != nil || slot != want {
				t.Errorf("with slot %d: %ss from slot %d, %v, want %d", all[at-1+i].Block.Slot, kind, slot, err, want)
			}
		}
	}
}
