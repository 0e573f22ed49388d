package era_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A variant is a form in which the test chain is in files.
type variant struct {
	name     string
	file     []byte
	eras     []uint64
	end      ssz.Slot
	absent   []ssz.Slot // besides those that are empty on the chain
	warnedOf []error
	fileName string
}

func variants() []variant {
	lodestar := []error{era.ErrOffsetSign}
	lodestarEmpty := []error{era.ErrOffsetSign, era.ErrEmptyOffset}
	return []variant{
		{name: "genesis", file: join(genesisFile), eras: []uint64{0}, end: 0, fileName: "vecdev-00000-05d79a31.era"},
		{name: "one group", file: join(firstFile), eras: []uint64{1}, end: 64, fileName: "vecdev-00001-bd9082b1.era"},
		{name: "later group", file: join(secondFile), eras: []uint64{2}, end: 128, fileName: "vecdev-00002-31b7bc3c.era"},
		{
			name: "no genesis block", file: join(noGenesisFile), eras: []uint64{1}, end: 64, absent: []ssz.Slot{0},
			fileName: "vecdev-00001-bd9082b1.era",
		},
		{
			name: "two groups", file: join(firstFile, secondFile), eras: []uint64{1, 2}, end: 128,
			fileName: "vecdev-00001-31b7bc3c.era",
		},
		{
			name: "three groups", file: join(genesisFile, firstFile, secondFile), eras: []uint64{0, 1, 2}, end: 128,
			fileName: "vecdev-00000-31b7bc3c.era",
		},
		{
			name: "three groups without genesis block", file: join(genesisFile, noGenesisFile, secondFile),
			eras: []uint64{0, 1, 2}, end: 128, absent: []ssz.Slot{0}, fileName: "vecdev-00000-31b7bc3c.era",
		},
		{
			name: "Lodestar's genesis", file: join(lodestarGenesis), eras: []uint64{0}, end: 0, warnedOf: lodestar,
			fileName: "vecdev-00000-05d79a31.era",
		},
		{
			name: "Lodestar's", file: join(lodestarFirst), eras: []uint64{1}, end: 64, warnedOf: lodestarEmpty,
			fileName: "vecdev-00001-bd9082b1.era",
		},
		{
			name: "Lodestar's three groups", file: join(lodestarGenesis, lodestarFirst, lodestarSecond),
			eras: []uint64{0, 1, 2}, end: 128, warnedOf: lodestarEmpty, fileName: "vecdev-00000-31b7bc3c.era",
		},
	}
}

// slots returns the slots of a variant that have blocks.
func (v variant) slots() []ssz.Slot {
	first := ssz.Slot(0)
	if v.eras[0] > 0 {
		first = ssz.Slot(v.eras[0]-1) * slotsPerEra
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(chain())), func(s ssz.Slot) bool {
		return s < first || s >= v.end || slices.Contains(v.absent, s)
	})
}

func TestBlocksOfEveryVariant(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			f := openBytes(t, v.file, "")
			var eras []uint64
			for _, g := range f.Groups() {
				eras = append(eras, g.Era())
				if got, err := f.Group(g.Era()); err != nil || got.Era() != g.Era() {
					t.Errorf("Group(%d) = %v, %v", g.Era(), got, err)
				}
			}
			if !slices.Equal(eras, v.eras) {
				t.Fatalf("eras %v: want %v", eras, v.eras)
			}
			var slots []ssz.Slot
			for b, err := range f.Blocks(t.Context(), 0, era.NoSlot) {
				if err != nil {
					t.Fatal(err)
				}
				slots = append(slots, b.Slot)
				checkFrames(t, b.Slot, b.Frames)
				frames, err := f.AppendFrames(t.Context(), b.Slot, []byte("before"))
				if err != nil || !bytes.Equal(frames, append([]byte("before"), b.Frames...)) {
					t.Errorf("slot %d: AppendFrames and Blocks differ: %v", b.Slot, err)
				}
			}
			if want := v.slots(); !slices.Equal(slots, want) {
				t.Errorf("blocks of the slots %v: want %v", slots, want)
			}
			if _, end := f.Slots(); end != v.end {
				t.Errorf("last slot is before %d: want %d", end, v.end)
			}
		})
	}
}

// checkFrames compares the frames of a block with what the node has served.
func checkFrames(t *testing.T, slot ssz.Slot, frames []byte) {
	t.Helper()
	n, err := snappy.CheckFrames(frames)
	if err != nil {
		t.Fatalf("slot %d: %v", slot, err)
	}
	encoded, err := snappy.AppendDecoded(nil, frames, n)
	if err != nil || sha256.Sum256(encoded) != chain()[slot].sum {
		t.Errorf("slot %d: block differs from that of the node (error %v)", slot, err)
	}
}

func TestEmptyAndForeignSlots(t *testing.T) {
	for _, test := range []struct {
		path string
		slot ssz.Slot
		want error
	}{
		{firstFile, 29, era.ErrEmptySlot},
		{firstFile, 56, era.ErrEmptySlot},
		{lodestarFirst, 29, era.ErrEmptySlot},
		{noGenesisFile, 0, era.ErrEmptySlot},
		{firstFile, 64, era.ErrNotHeld},
		{secondFile, 63, era.ErrNotHeld},
		{secondFile, 128, era.ErrNotHeld},
		{secondFile, era.NoSlot, era.ErrNotHeld},
		{genesisFile, 0, era.ErrNotHeld},
	} {
		t.Run(fmt.Sprintf("%s/%d", test.path, test.slot), func(t *testing.T) {
			f := open(t, test.path)
			dst := []byte("before")
			got, err := f.AppendFrames(t.Context(), test.slot, dst)
			if !errors.Is(err, test.want) {
				t.Errorf("error is %v: want %v", err, test.want)
			}
			if !bytes.Equal(got, dst) {
				t.Errorf("buffer is %q", got)
			}
		})
	}
	if _, err := open(t, firstFile).Group(2); !errors.Is(err, era.ErrNotHeld) {
		t.Errorf("error of another era is %v", err)
	}
}

func TestBlocksOfARange(t *testing.T) {
	file := join(genesisFile, firstFile, secondFile)
	for _, test := range []struct {
		first, end ssz.Slot
		want       []ssz.Slot
	}{
		{0, 3, []ssz.Slot{0, 1, 2}},
		{28, 31, []ssz.Slot{28, 30}},
		{29, 30, nil},
		{55, 57, []ssz.Slot{55}},
		{62, 66, []ssz.Slot{62, 63, 64, 65}},
		{126, 400, []ssz.Slot{126, 127}},
		{128, 400, nil},
		{5, 5, nil},
		{5, 4, nil},
	} {
		t.Run(fmt.Sprintf("%d-%d", test.first, test.end), func(t *testing.T) {
			src := &countingSource{Source: memory(file)}
			f := must(era.NewFile(t.Context(), src, ""))
			src.reads, src.bytes = 0, 0
			var got []ssz.Slot
			var size int
			for b, err := range f.Blocks(t.Context(), test.first, test.end) {
				if err != nil {
					t.Fatal(err)
				}
				checkFrames(t, b.Slot, b.Frames)
				got, size = append(got, b.Slot), size+8+len(b.Frames)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("slots %v: want %v", got, test.want)
			}
			if want := min(1, len(test.want)); src.reads != want {
				t.Errorf("%d reads: want %d", src.reads, want)
			}
			if test.end <= slotsPerEra && src.bytes != size {
				t.Errorf("%d bytes read for records of %d", src.bytes, size)
			}
		})
	}
}

func TestBlocksMayBeLeftAndUsedAgain(t *testing.T) {
	blocks := open(t, firstFile).Blocks(t.Context(), 10, 20)
	for range 2 {
		for b, err := range blocks {
			if err != nil || b.Slot != 10 {
				t.Fatalf("first block is of slot %d, error %v", b.Slot, err)
			}
			break
		}
	}
}

func TestOpeningReadsTheIndexAndABlockItsRecord(t *testing.T) {
	src := &countingSource{Source: memory(join(firstFile))}
	f := must(era.NewFile(t.Context(), src, ""))
	if src.reads != 1 {
		t.Errorf("opening took %d reads", src.reads)
	}
	src.reads, src.bytes = 0, 0
	frames := must(f.AppendFrames(t.Context(), 30, nil))
	if src.reads != 1 || src.bytes != 8+len(frames) {
		t.Errorf("a block of %d bytes took %d reads of %d bytes", len(frames), src.reads, src.bytes)
	}
}

func TestGroupSlots(t *testing.T) {
	groups := openBytes(t, join(genesisFile, firstFile, secondFile), "").Groups()
	for i, want := range [][2]ssz.Slot{{0, 0}, {0, 64}, {64, 128}} {
		if first, end := groups[i].Slots(); first != want[0] || end != want[1] || groups[i].StateSlot() != end {
			t.Errorf("era %d: slots %d to %d, state %d: want %v", i, first, end, groups[i].StateSlot(), want)
		}
	}
}

func TestOpenNamesTheFile(t *testing.T) {
	if _, err := era.Open(t.Context(), "testdata/none.era"); err == nil {
		t.Error("a file that is not there can be opened")
	}
	_, err := era.Open(t.Context(), "testdata/config.yaml")
	if !errors.Is(err, era.ErrIndex) || !bytes.Contains([]byte(err.Error()), []byte("testdata/config.yaml")) {
		t.Errorf("error of another file is %v", err)
	}
	asError(t, err)
}
