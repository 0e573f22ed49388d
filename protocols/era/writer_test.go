package era_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// rewrite writes a file from the records of another.
func rewrite(t testing.TB, f *era.File) ([]byte, era.Name) {
	t.Helper()
	var out bytes.Buffer
	w := era.NewWriter(&out, network())
	for _, g := range f.Groups() {
		first, end := g.Slots()
		for b, err := range f.Blocks(t.Context(), first, end) {
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Block(b.Frames); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.State(must(g.StateFrames(t.Context(), nil))); err != nil {
			t.Fatal(err)
		}
	}
	name, ok := w.Name()
	if !ok {
		t.Fatal("no name")
	}
	return out.Bytes(), name
}

func TestWriterMakesTheSameFiles(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			got, name := rewrite(t, openBytes(t, v.file, ""))
			want := v.file
			if v.warnedOf != nil { // the records are those of the files after the specification
				want = join(genesisFile, firstFile, secondFile)
				from, to := bytes.Index(want, v.file[:100]), 0
				if to = from + len(v.file); from < 0 || to > len(want) {
					t.Fatal("Lodestar's file is none of the chain's")
				}
				want = want[from:to]
			}
			if !bytes.Equal(got, want) {
				t.Error("the file differs")
			}
			if name.String() != v.fileName {
				t.Errorf("name is %v: want %s", name, v.fileName)
			}
		})
	}
}

// framesOf returns the frames of a block of the chain.
func framesOf(t testing.TB, slot ssz.Slot) []byte {
	return must(openBytes(t, join(firstFile, secondFile), "").AppendFrames(t.Context(), slot, nil))
}

// stateOf returns the frames of the state of an era.
func stateOf(t testing.TB, n uint64) []byte {
	g := must(openBytes(t, join(genesisFile, firstFile, secondFile), "").Group(n))
	return must(g.StateFrames(t.Context(), nil))
}

func TestWriterRefuses(t *testing.T) {
	block := func(slot ssz.Slot) func(*era.Writer) error {
		return func(w *era.Writer) error { return w.Block(framesOf(t, slot)) }
	}
	state := func(n uint64) func(*era.Writer) error {
		return func(w *era.Writer) error { return w.State(stateOf(t, n)) }
	}
	blocks := func(slots ...ssz.Slot) (all []func(*era.Writer) error) {
		for _, slot := range slots {
			all = append(all, block(slot))
		}
		return all
	}
	all := func(end ssz.Slot) (slots []ssz.Slot) {
		for slot := range end {
			if _, ok := chain()[slot]; ok {
				slots = append(slots, slot)
			}
		}
		return slots
	}
	raw := func(frames []byte) func(*era.Writer) error {
		return func(w *era.Writer) error { return w.Block(frames) }
	}
	for _, test := range []struct {
		name   string
		before []func(*era.Writer) error
		call   func(*era.Writer) error
		want   error
	}{
		{"the same slot again", blocks(1, 2), block(2), era.ErrGroup},
		{"an earlier slot", blocks(1, 2), block(1), era.ErrGroup},
		{"a slot of the next era", blocks(1, 2), block(64), era.ErrGroup},
		{"a slot of the era before", blocks(64), block(63), era.ErrGroup},
		{"no frames", nil, raw(nil), era.ErrBlock},
		{"frames with padding", nil, raw(append(framesOf(t, 1), 0xfe, 1, 0, 0, 0)), era.ErrFrames},
		{"frames that are cut", nil, raw(framesOf(t, 1)[:100]), era.ErrFrames},
		{"frames of too little", nil, raw(snappy.AppendFrames(nil, make([]byte, 100))), era.ErrBlock},
		{"a damaged first chunk", nil, raw(damaged(framesOf(t, 1), 20)), era.ErrFrames},
		{"the state of another era", blocks(1), state(2), era.ErrGroup},
		{"the genesis state of an era with blocks", blocks(1), state(0), era.ErrGroup},
		{"the state of an era left out", []func(*era.Writer) error{state(0)}, state(2), era.ErrGroup},
		{"the genesis state twice", []func(*era.Writer) error{state(0)}, state(0), era.ErrGroup},
		{"a block that is missing", blocks(slices.Delete(all(64), 20, 21)...), state(1), era.ErrBlockRoot},
		{"a last block that is missing", blocks(all(63)...), state(1), era.ErrBlockRoot},
		{"no state", nil, func(w *era.Writer) error { return w.State(nil) }, era.ErrState},
		{"a damaged state", nil, func(w *era.Writer) error { return w.State(damaged(stateOf(t, 1), 200)) }, era.ErrFrames},
		{"no state but a block", nil, func(w *era.Writer) error { return w.State(framesOf(t, 1)) }, era.ErrState},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			w := era.NewWriter(&out, network())
			for _, call := range test.before {
				if err := call(w); err != nil {
					t.Fatal(err)
				}
			}
			size := out.Len()
			if err := test.call(w); !errors.Is(err, test.want) {
				t.Errorf("error is %v: want %v", err, test.want)
			}
			if out.Len() != size {
				t.Errorf("%d bytes are written", out.Len()-size)
			}
		})
	}
}

func damaged(b []byte, at int) []byte {
	b[at] ^= 1
	return b
}

// What a Writer has refused does not keep it from writing the file.
func TestWriterGoesOnAfterWhatItRefused(t *testing.T) {
	var out bytes.Buffer
	w := era.NewWriter(&out, network())
	for slot := range ssz.Slot(slotsPerEra) {
		if _, ok := chain()[slot]; !ok {
			continue
		}
		if err := w.State(stateOf(t, 1)); err == nil {
			t.Fatalf("the state is accepted before slot %d", slot)
		}
		if err := w.Block(framesOf(t, slot)); err != nil {
			t.Fatal(err)
		}
		if err := w.Block(framesOf(t, slot)); err == nil {
			t.Fatalf("the block of slot %d is accepted twice", slot)
		}
	}
	if _, ok := w.Name(); ok {
		t.Error("a file without a state has a name")
	}
	if err := w.State(stateOf(t, 1)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), join(firstFile)) {
		t.Error("the file differs")
	}
}

// A limitedFile takes a number of bytes.
type limitedFile struct{ room int }

var errFull = errors.New("full")

func (f *limitedFile) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriterReturnsErrorsOfTheFile(t *testing.T) {
	genesis := len(join(genesisFile))
	for _, room := range []int{0, 8, 16, genesis - 32, genesis - 24, genesis - 1} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			w := era.NewWriter(&limitedFile{room}, network())
			for range 2 {
				if err := w.State(stateOf(t, 0)); !errors.Is(err, errFull) {
					t.Errorf("error is %v", err)
				}
			}
			if _, ok := w.Name(); ok {
				t.Error("it has a name")
			}
		})
	}
}

// The genesis state is larger on other networks: frames of any size can be made of it.
func TestStatesAreFramedWhateverTheirSize(t *testing.T) {
	for _, v := range vectorStates(t) {
		if v.Preset != "mainnet" || v.Fork != "phase0" {
			continue
		}
		encoded := slices.Repeat(unhex(v.SSZ), 8) // more than MAX_PAYLOAD_SIZE; not a state any more
		w := era.NewWriter(&bytes.Buffer{}, v.network(t))
		err := w.State(snappy.AppendFrames(nil, encoded))
		if !errors.Is(err, era.ErrState) || errors.Is(err, era.ErrFrames) {
			t.Errorf("error is %v", err)
		}
	}
}
