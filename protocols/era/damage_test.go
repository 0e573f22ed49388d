package era_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// records returns the records of a file.
func records(t testing.TB, file []byte) (all []e2store.Record) {
	t.Helper()
	r := e2store.NewReader(memory(file), 0, int64(len(file)))
	for {
		record, err := r.Next(t.Context())
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record)
	}
}

// entryAt returns where the entry of a slot is in the first file's block index.
func entryAt(file []byte, slot ssz.Slot) int {
	return len(file) - 32 - 8*(slotsPerEra+1) + 8*int(slot)
}

// checkBytes opens and checks a file.
func checkBytes(ctx context.Context, file []byte, name string) (*era.Report, error) {
	f, err := era.NewFile(ctx, memory(file), name)
	if err != nil {
		return nil, err
	}
	return f.Check(ctx, network())
}

// What is wrong with an index shows when a file is opened.
func TestOpenRefusesDamagedIndices(t *testing.T) {
	first := join(firstFile)
	stateIndex := len(first) - 32
	blockIndex := stateIndex - 24 - 8*slotsPerEra
	increment := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at]++; return b }
	}
	firstEntry := entryAt(first, 0)
	word := func(at int, v int64) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.LittleEndian.PutUint64(b[at:], uint64(v))
			return b
		}
	}
	for _, test := range []struct {
		name   string
		damage func(b []byte) []byte
		want   error
		offset int64
		slot   ssz.Slot
	}{
		{"empty file", func([]byte) []byte { return nil }, era.ErrIndex, 0, era.NoSlot},
		{"seven bytes", func(b []byte) []byte { return b[:7] }, era.ErrIndex, 7, era.NoSlot},
		{"nothing but zeros", func([]byte) []byte { return make([]byte, 99) }, era.ErrIndex, 91, era.NoSlot},
		{"nothing but the version", func(b []byte) []byte { return b[:8] }, era.ErrIndex, 0, era.NoSlot},
		{"huge count", word(len(first)-8, -1), era.ErrIndex, int64(len(first) - 8), era.NoSlot},
		{"count before the file", word(len(first)-8, 1<<16), era.ErrIndex, int64(len(first) - 8), era.NoSlot},
		{"count of no slots", word(len(first)-8, 0), era.ErrIndex, int64(len(first) - 8), era.NoSlot},
		{"count of two states", word(len(first)-8, 2), era.ErrIndex, int64(len(first) - 40), era.NoSlot},
		{"huge count of blocks", word(stateIndex-8, 1<<40), era.ErrIndex, int64(stateIndex - 8), era.NoSlot},
		{"other count of blocks", word(stateIndex-8, slotsPerEra-1), era.ErrIndex, int64(blockIndex + 8), era.NoSlot},
		{"state index of another type", increment(stateIndex), era.ErrIndex, int64(stateIndex), era.NoSlot},
		{"state index of another length", increment(stateIndex + 2), era.ErrIndex, int64(stateIndex), era.NoSlot},
		{"state index with reserved bytes", increment(stateIndex + 7), era.ErrIndex, int64(stateIndex), era.NoSlot},
		{"block index of another type", increment(blockIndex), era.ErrIndex, int64(blockIndex), era.NoSlot},
		{"state of another slot", word(stateIndex+8, 128), era.ErrIndex, int64(blockIndex), era.NoSlot},
		{"state of slot 0", word(stateIndex+8, 0), era.ErrIndex, 98486, era.NoSlot}, // the blocks are not a group
		{"blocks of other slots", word(blockIndex+8, 1), era.ErrIndex, int64(blockIndex), era.NoSlot},
		{"blocks of slots that overflow", word(blockIndex+8, -64), era.ErrIndex, int64(blockIndex), era.NoSlot},
		{"state at the index", word(stateIndex+16, 0), era.ErrIndex, int64(stateIndex + 16), 64},
		{"state in the index", word(stateIndex+16, -8), era.ErrIndex, int64(stateIndex + 16), 64},
		{"state behind the file", word(stateIndex+16, 1<<40), era.ErrIndex, int64(stateIndex + 16), 64},
		{"state before the file", word(stateIndex+16, -1<<62), era.ErrIndex, int64(stateIndex + 16), 64},
		{"state at an offset that overflows", word(stateIndex+16, 1<<63-1), era.ErrIndex, int64(stateIndex + 16), 64},
		{"block before the file", word(entryAt(first, 5), -int64(len(first))), era.ErrIndex, int64(entryAt(first, 5)), 5},
		{"first block before the file", word(firstEntry, -int64(len(first))), era.ErrIndex, int64(firstEntry), 0},
		{"first block in the version", word(firstEntry, 4-int64(blockIndex)), era.ErrIndex, int64(firstEntry), 0},
		{"block in the state", word(entryAt(first, 63), -8), era.ErrIndex, int64(entryAt(first, 63)), 63},
		{"block at the place of another", func(b []byte) []byte {
			copy(b[entryAt(b, 5):], b[entryAt(b, 4):entryAt(b, 5)])
			return b
		}, era.ErrIndex, int64(entryAt(first, 5)), 5},
		{"blocks not in order", func(b []byte) []byte {
			copy(b[entryAt(b, 5):], b[entryAt(b, 3):entryAt(b, 4)])
			return b
		}, era.ErrIndex, int64(entryAt(first, 5)), 5},
		{"something before", func(b []byte) []byte { return append(make([]byte, 40), b...) }, era.ErrIndex, 32, era.NoSlot},
		{"something behind", func(b []byte) []byte { return append(b, 1) }, era.ErrIndex, int64(len(first) - 7), era.NoSlot},
		{"eras not in order", func(b []byte) []byte { return join(secondFile, firstFile) }, era.ErrGroup, 0, era.NoSlot},
		{"an era twice", func(b []byte) []byte { return append(b, b...) }, era.ErrGroup, 0, era.NoSlot},
		{"an era missing", func(b []byte) []byte { return join(genesisFile, secondFile) }, era.ErrGroup, 0, era.NoSlot},
		{"genesis twice", func([]byte) []byte { return join(genesisFile, genesisFile) }, era.ErrGroup, 0, era.NoSlot},
		{"slots that are not an era", func([]byte) []byte { return ofSlots(1, 65, 64) }, era.ErrIndex, 24, era.NoSlot},
		{"slots that overflow", func([]byte) []byte { return ofSlots(1<<64-1, 2, 3) }, era.ErrIndex, 24, era.NoSlot},
		{"eras of other lengths", func([]byte) []byte {
			return append(ofSlots(32, 64, 32), join(secondFile)...)
		}, era.ErrGroup, 0, era.NoSlot},
		{"genesis behind", func(b []byte) []byte { return join(firstFile, genesisFile) }, era.ErrGroup, 0, era.NoSlot},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := era.NewFile(t.Context(), memory(test.damage(bytes.Clone(first))), "")
			if !errors.Is(err, test.want) {
				t.Fatalf("error is %v: want %v", err, test.want)
			}
			if e := asError(t, err); e.Offset != test.offset || e.Slot != test.slot {
				t.Errorf("%v: at offset %d, slot %d: want %d, %d", err, e.Offset, e.Slot, test.offset, test.slot)
			}
		})
	}
}

// ofSlots returns a file of an era without blocks, of a number of slots from the first on.
func ofSlots(first, state ssz.Slot, count int) []byte {
	b := new(builder).add(e2store.Version, nil).stateFrames(make([]byte, 8))
	return b.index(first, make([]int64, count)...).index(state, b.state).file
}

func TestOpenRefusesTruncatedFiles(t *testing.T) {
	for _, v := range variants() {
		for _, r := range records(t, v.file) {
			middle := (r.DataOffset() + r.End()) / 2
			for _, cut := range []int64{r.Offset, r.Offset + 4, r.DataOffset(), middle, r.End() - 1} {
				f, err := era.NewFile(t.Context(), memory(v.file[:cut]), "")
				if err == nil {
					if groups := f.Groups(); len(groups) == len(v.eras) || r.Type != e2store.Version || cut != r.Offset {
						t.Errorf("%s: cut at %d is opened, with %d groups", v.name, cut, len(groups))
					}
					continue
				}
				if e := asError(t, err); !errors.Is(err, era.ErrIndex) || e.Offset > cut {
					t.Errorf("%s: cut at %d: %v", v.name, cut, err)
				}
			}
		}
	}
}

// flips calls f with the file, one bit of which is flipped: in every byte of headers and in some of the data, of every
// fifth block and all other records.
func flips(t *testing.T, file []byte, f func(at int64, r e2store.Record, damaged []byte)) {
	damaged := bytes.Clone(file)
	flip := func(at int64, bit int, r e2store.Record) {
		damaged[at] ^= 1 << bit
		f(at, r, damaged)
		damaged[at] ^= 1 << bit
	}
	for i, r := range records(t, file) {
		if r.Type == e2store.CompressedSignedBeaconBlock && i%5 != 1 {
			continue
		}
		for at := r.Offset; at < r.DataOffset(); at++ {
			flip(at, int(at+int64(i))%8, r)
		}
		for at := r.DataOffset() + int64(i); at < r.End(); at += int64(r.Length)/5 + 11 {
			flip(at, int(at)%8, r)
		}
	}
}

// A flipped bit is noticed, and costs no other record than the one that it is in.
func TestCheckNamesTheDamagedRecord(t *testing.T) {
	file := join(genesisFile, firstFile, secondFile)
	slots := make(map[int64]ssz.Slot)
	for _, g := range openBytes(t, file, "").Groups() {
		for slot, off := range g.Blocks() {
			slots[off] = slot
		}
	}
	flips(t, file, func(at int64, r e2store.Record, damaged []byte) {
		report, err := checkBytes(t.Context(), damaged, "")
		slot, isBlock := slots[r.Offset]
		if err == nil && isBlock && at >= r.DataOffset() {
			// Other frames of the same block: a copy of other bytes that are equal.
			checkFrames(t, slot, damaged[r.DataOffset():r.End()])
			return
		}
		if err == nil {
			t.Errorf("bit in %v at %d is flipped, unnoticed", r.Type, at)
			return
		}
		asError(t, err)
		if !isBlock || report == nil {
			return
		}
		if !slices.ContainsFunc(report.Problems, func(e *era.Error) bool {
			return e.Slot == slot && e.Offset == r.Offset
		}) {
			t.Errorf("bit in the block of slot %d at %d is flipped: %v", slot, at, err)
		}
		for _, e := range report.Problems {
			if e.Slot != slot && e.Slot != era.NoSlot {
				t.Errorf("bit in the block of slot %d at %d is flipped: %v", slot, at, e)
			}
		}
	})
}

// Whatever is damaged, a block that is read is one of the file's records or an error with a place.
func TestBlocksOfDamagedFiles(t *testing.T) {
	flips(t, join(firstFile), func(at int64, r e2store.Record, damaged []byte) {
		f, err := era.NewFile(t.Context(), memory(damaged), "")
		if err != nil {
			asError(t, err)
			return
		}
		for b, err := range f.Blocks(t.Context(), 0, era.NoSlot) {
			if err != nil {
				if e := asError(t, err); !errors.Is(err, era.ErrRecord) || e.Slot == era.NoSlot {
					t.Errorf("bit at %d: %v", at, err)
				}
				_, again := f.AppendFrames(t.Context(), err.(*era.Error).Slot, nil)
				if !errors.Is(again, era.ErrRecord) {
					t.Errorf("bit at %d: Blocks says %v, AppendFrames %v", at, err, again)
				}
			} else if again, err := f.AppendFrames(t.Context(), b.Slot, nil); err != nil || !bytes.Equal(again, b.Frames) {
				t.Errorf("bit at %d: Blocks has a block of slot %d, AppendFrames says %v", at, b.Slot, err)
			}
		}
	})
}

// A builder makes era files of any content.
type builder struct {
	file   []byte
	blocks []int64
	state  int64
}

func (b *builder) add(t e2store.Type, data []byte) *builder {
	b.file = e2store.AppendRecord(b.file, t, data)
	return b
}

func (b *builder) block(frames []byte) *builder {
	b.blocks = append(b.blocks, int64(len(b.file)))
	return b.add(e2store.CompressedSignedBeaconBlock, frames)
}

func (b *builder) empty() *builder {
	b.blocks = append(b.blocks, 0)
	return b
}

func (b *builder) stateFrames(frames []byte) *builder {
	b.state = int64(len(b.file))
	return b.add(e2store.CompressedBeaconState, frames)
}

func (b *builder) index(first ssz.Slot, offsets ...int64) *builder {
	data := binary.LittleEndian.AppendUint64(nil, uint64(first))
	for _, off := range offsets {
		if off != 0 {
			off -= int64(len(b.file))
		}
		data = binary.LittleEndian.AppendUint64(data, uint64(off))
	}
	return b.add(e2store.SlotIndex, binary.LittleEndian.AppendUint64(data, uint64(len(offsets))))
}

// An edit is what is changed of the first file. Its functions may be nil.
type edit struct {
	block       func(slot ssz.Slot, frames []byte) []byte // nil frames are those of an empty slot
	state       func(frames []byte) []byte
	beforeState func(*builder)
	beforeIndex func(*builder)
}

// rebuilt returns the first file with changes.
func rebuilt(t testing.TB, e edit) []byte {
	f := open(t, firstFile)
	b := new(builder).add(e2store.Version, nil)
	for slot := range ssz.Slot(slotsPerEra) {
		frames, err := f.AppendFrames(t.Context(), slot, nil)
		if err != nil && !errors.Is(err, era.ErrEmptySlot) {
			t.Fatal(err)
		}
		if e.block != nil {
			frames = e.block(slot, frames)
		}
		if frames == nil {
			b.empty()
		} else {
			b.block(frames)
		}
	}
	if e.beforeState != nil {
		e.beforeState(b)
	}
	state := must(f.Groups()[0].StateFrames(t.Context(), nil))
	if e.state != nil {
		state = e.state(state)
	}
	b.stateFrames(state)
	if e.beforeIndex != nil {
		e.beforeIndex(b)
	}
	return b.index(0, b.blocks...).index(slotsPerEra, b.state).file
}

// ofSlot returns a change of one block.
func ofSlot(slot ssz.Slot, change func(frames []byte) []byte) func(ssz.Slot, []byte) []byte {
	return func(s ssz.Slot, frames []byte) []byte {
		if s == slot {
			return change(frames)
		}
		return frames
	}
}

// ofField returns a change of one byte of a state's field.
func ofField(t testing.TB, name string) func(frames []byte) []byte {
	return func([]byte) []byte {
		s := must(open(t, firstFile).Groups()[0].State(t.Context(), network()))
		encoded := bytes.Clone(s.SSZ())
		at, _, err := s.Shape().Find(bytes.NewReader(encoded), int64(len(encoded)), name)
		if err != nil {
			t.Fatal(err)
		}
		encoded[at+40] ^= 1
		return snappy.AppendFrames(nil, encoded)
	}
}

func TestBuilderMakesTheFile(t *testing.T) {
	if !bytes.Equal(rebuilt(t, edit{}), join(firstFile)) {
		t.Error("the builder of the tests makes another file")
	}
}

// encodedBlock returns the encoding of a block of the first file.
func encodedBlock(t *testing.T, slot ssz.Slot) []byte {
	frames := must(open(t, firstFile).AppendFrames(t.Context(), slot, nil))
	return must(snappy.AppendDecoded(nil, frames, must(snappy.DecodedLen(frames))))
}

// TestCheckFindsForgeries is about files whose records are whole, but not what they should be.
func TestCheckFindsForgeries(t *testing.T) {
	const slotAt, parentAt, stateRootAt = 100, 116, 148
	frames := func(slot ssz.Slot) func([]byte) []byte {
		return func([]byte) []byte { return must(open(t, firstFile).AppendFrames(t.Context(), slot, nil)) }
	}
	flipped := func(slot ssz.Slot, offset int) func([]byte) []byte {
		return func([]byte) []byte {
			encoded := encodedBlock(t, slot)
			encoded[offset] ^= 1
			return snappy.AppendFrames(nil, encoded)
		}
	}
	none := func([]byte) []byte { return nil }
	adding := func(typ e2store.Type) func(*builder) {
		return func(b *builder) { b.add(typ, nil) }
	}
	for _, test := range []struct {
		name string
		edit edit
		want error
		slot ssz.Slot
	}{
		{"signed slot", edit{block: ofSlot(7, flipped(7, slotAt))}, era.ErrBlock, 7},
		{"parent root", edit{block: ofSlot(7, flipped(7, parentAt))}, era.ErrBlockRoot, 7},
		{"parent root without a state", edit{block: ofSlot(7, flipped(7, parentAt)), state: none}, era.ErrParent, 7},
		{"state root", edit{block: ofSlot(7, flipped(7, stateRootAt))}, era.ErrBlockRoot, 7},
		{"body", edit{block: ofSlot(7, flipped(7, 352))}, era.ErrBlockRoot, 7},
		{"malformed block", edit{block: ofSlot(7, flipped(7, 0))}, era.ErrBlock, 7},
		{"block of another slot", edit{block: ofSlot(7, frames(8))}, era.ErrBlock, 7},
		{"block left out", edit{block: ofSlot(7, none)}, era.ErrBlockRoot, 7},
		{"last block left out", edit{block: ofSlot(63, none)}, era.ErrBlockRoot, 63},
		{"block in an empty slot", edit{block: ofSlot(29, frames(28))}, era.ErrBlock, 29},
		{"no frames", edit{block: ofSlot(7, func([]byte) []byte { return []byte{} })}, era.ErrBlock, 7},
		{"frames cut", edit{block: ofSlot(7, func(b []byte) []byte { return b[:len(b)-1] })}, era.ErrFrames, 7},
		{"more behind the frames", edit{block: ofSlot(7, func(b []byte) []byte { return append(b, 0) })}, era.ErrFrames, 7},
		{"block in no index", edit{beforeState: adding(e2store.CompressedSignedBeaconBlock)}, era.ErrGroup, era.NoSlot},
		{"block behind the state", edit{beforeIndex: adding(e2store.CompressedSignedBeaconBlock)}, era.ErrGroup, era.NoSlot},
		{"second state", edit{beforeIndex: adding(e2store.CompressedBeaconState)}, era.ErrGroup, era.NoSlot},
		{"bytes that are no record", edit{
			beforeIndex: func(b *builder) { b.file = append(b.file, 1, 2, 3) },
		}, era.ErrRecord, era.NoSlot},
		{"unknown record that reaches into the state", edit{
			beforeState: func(b *builder) { b.file = e2store.Header{Type: 0x8001, Length: 4}.Append(b.file) },
		}, era.ErrRecord, era.NoSlot},
		{"no state", edit{state: none}, era.ErrState, 64},
		{"state of another slot", edit{state: func([]byte) []byte {
			return must(open(t, genesisFile).Groups()[0].StateFrames(t.Context(), nil))
		}}, era.ErrState, 64},
		{"block roots of the state", edit{state: ofField(t, "block_roots")}, era.ErrBlockRoot, 1},
		{"block roots that are not those of the era", edit{state: ofField(t, "block_roots")}, era.ErrState, 64},
		{"state roots of the state", edit{state: ofField(t, "state_roots")}, era.ErrStateRoot, 1},
		{"latest block of the state", edit{state: ofField(t, "latest_block_header")}, era.ErrState, 64},
		{"state that the next one does not know", edit{state: ofField(t, "randao_mixes")}, era.ErrStateRoot, 64},
	} {
		t.Run(test.name, func(t *testing.T) {
			report, err := checkBytes(t.Context(), append(rebuilt(t, test.edit), join(secondFile)...), "")
			if err == nil {
				t.Fatal("unnoticed")
			}
			if !slices.ContainsFunc(report.Problems, func(e *era.Error) bool {
				return errors.Is(e, test.want) && e.Slot == test.slot
			}) {
				t.Errorf("problems are %v: want %v at slot %d", report.Problems, test.want, test.slot)
			}
		})
	}
}

func TestCheckWarnsOfWhatIsHarmless(t *testing.T) {
	padding := []byte{0xfe, 3, 0, 0, 0, 0, 0}
	for _, test := range []struct {
		name string
		edit edit
		want error
		slot ssz.Slot
	}{
		{"frames with padding", edit{
			block: ofSlot(7, func(b []byte) []byte { return append(b, padding...) }),
		}, era.ErrNotCanonical, 7},
		{"unknown record before the state", edit{
			beforeState: func(b *builder) { b.add(0x8001, []byte("ours")) },
		}, era.ErrUnknownRecord, era.NoSlot},
		{"unknown record behind the state", edit{
			beforeIndex: func(b *builder) { b.add(0x8001, []byte("ours")) },
		}, era.ErrUnknownRecord, era.NoSlot},
	} {
		t.Run(test.name, func(t *testing.T) {
			report, err := checkBytes(t.Context(), rebuilt(t, test.edit), "")
			if err != nil {
				t.Fatal(err)
			}
			warnings := report.Warnings
			if len(warnings) != 1 || !errors.Is(warnings[0], test.want) || warnings[0].Slot != test.slot {
				t.Errorf("warnings are %v: want %v", report.Warnings, test.want)
			}
		})
	}
}

func TestCheckComparesTheName(t *testing.T) {
	for _, test := range []struct {
		name string
		ok   bool
	}{
		{"vecdev-00001-bd9082b1.era", true},
		{"", true},
		{"vecdev-00002-bd9082b1.era", false},
		{"vecdev-00001-bd9082b2.era", false},
		{"mainnet-00001-bd9082b1.era", false},
	} {
		_, err := checkBytes(t.Context(), join(firstFile), test.name)
		if errors.Is(err, era.ErrName) == test.ok || (err == nil) != test.ok {
			t.Errorf("%s: error is %v", test.name, err)
		}
	}
	report, err := checkBytes(t.Context(), join(firstFile), "renamed.era")
	if err != nil || len(report.Warnings) != 1 || !errors.Is(report.Warnings[0], era.ErrName) {
		t.Errorf("another name: error %v, warnings %v", err, report.Warnings)
	}
}

// The root in the name is that of the state: nothing can be said of it if that is damaged.
func TestCheckOfADamagedStateAcceptsTheName(t *testing.T) {
	file := rebuilt(t, edit{state: func([]byte) []byte { return nil }})
	report, err := checkBytes(t.Context(), file, "vecdev-00001-bd9082b1.era")
	if !errors.Is(err, era.ErrState) || len(report.Problems) != 1 {
		t.Errorf("problems are %v", report.Problems)
	}
}

// A state whose own slot is empty has the last block of the era as its latest.
func TestCheckOfAStateInAnEmptySlot(t *testing.T) {
	encoded := encodedBlock(t, 63)
	const slotAt, bodySizeAt = 100, 80
	body := must(network().ShapeOf(ssz.Electra, "BeaconBlockBody"))
	block := must(network().BlockShape(ssz.Electra))
	at, n, err := block.Find(bytes.NewReader(encoded), int64(len(encoded)), "message", "body")
	if err != nil {
		t.Fatal(err)
	}
	bodyRoot := must(body.Root(encoded[at : at+n]))
	header := append(bytes.Clone(encoded[slotAt:slotAt+bodySizeAt]), bodyRoot[:]...)
	for _, flip := range []byte{0, 1} {
		header[bodySizeAt] ^= flip
		state := func([]byte) []byte {
			s := must(open(t, firstFile).Groups()[0].State(t.Context(), network()))
			b := bytes.Clone(s.SSZ())
			copy(b[64:], header) // after the genesis, the slot and the fork
			return snappy.AppendFrames(nil, b)
		}
		_, err := checkBytes(t.Context(), rebuilt(t, edit{state: state}), "")
		if got := errors.Is(err, era.ErrState); got != (flip == 1) {
			t.Errorf("with %d bits flipped the error is %v", flip, err)
		}
	}
}

func TestCheckReturnsErrorsOfTheSource(t *testing.T) {
	broken := errors.New("broken")
	file := join(firstFile)
	src := &failingSource{Source: memory(file)}
	f := must(era.NewFile(t.Context(), src, ""))
	src.err = broken
	report, err := f.Check(t.Context(), network())
	if !errors.Is(err, broken) || len(report.Problems) > 0 {
		t.Errorf("error is %v, problems %v", err, report.Problems)
	}
	for _, err := range f.Blocks(t.Context(), 0, 64) {
		if !errors.Is(err, broken) || errors.Is(err, era.ErrRecord) {
			t.Errorf("error of Blocks is %v", err)
		}
	}
	if _, err := era.NewFile(t.Context(), src, ""); !errors.Is(err, broken) || errors.Is(err, era.ErrIndex) {
		t.Errorf("error of NewFile is %v", err)
	}
}

func TestContextsEndReads(t *testing.T) {
	f := open(t, firstFile)
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := f.AppendFrames(ctx, 1, nil); !errors.Is(err, gone) {
		t.Errorf("error of AppendFrames is %v", err)
	}
	if _, err := f.Check(ctx, network()); !errors.Is(err, gone) {
		t.Errorf("error of Check is %v", err)
	}
	if _, err := era.Open(ctx, firstFile); !errors.Is(err, gone) {
		t.Errorf("error of Open is %v", err)
	}
}

// A failingSource fails with an error, if it has one.
type failingSource struct {
	e2store.Source

	err error
}

func (s *failingSource) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	return s.Source.ReadAt(ctx, p, off)
}
