package era_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestStatesOfEveryForkAndPreset(t *testing.T) {
	states := vectorStates(t)
	if want := 2 * (int(ssz.Heze) + 1); len(states) != want {
		t.Fatalf("%d states: want %d", len(states), want)
	}
	for _, v := range states {
		t.Run(v.Preset+"/"+v.Fork, func(t *testing.T) {
			s, err := era.ParseState(v.network(t), unhex(v.SSZ))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Root(); err != nil || got != root(v.Root) {
				t.Errorf("Root() = %v, %v: want %s", got, err, v.Root)
			}
			first := s.Slot() / 2 // both presets: the state is that of era 2
			if got, ok := s.BlockRoot(first + 1); !ok || got != root(v.BlockRoot) {
				t.Errorf("BlockRoot(%d) = %v, %v: want %s", first+1, got, ok, v.BlockRoot)
			}
			if got, ok := s.StateRoot(first + 2); !ok || got != root(v.StateRoot) {
				t.Errorf("StateRoot(%d) = %v, %v: want %s", first+2, got, ok, v.StateRoot)
			}
			for i, want := range slices.Concat([]string{v.GenesisRoot}, v.HistoricalRoots, v.Summaries) {
				if got, ok := s.EraRoot(uint64(i)); !ok || got != root(want) {
					t.Errorf("EraRoot(%d) = %v, %v: want %s", i, got, ok, want)
				}
			}
			if got, ok := s.EraRoot(uint64(1 + len(v.HistoricalRoots) + len(v.Summaries))); ok {
				t.Errorf("EraRoot behind the last era = %v", got)
			}
		})
	}
}

func TestStateRootsAreOfTheEraAlone(t *testing.T) {
	f := open(t, secondFile)
	s := must(f.Groups()[0].State(t.Context(), network()))
	for _, test := range []struct {
		slot ssz.Slot
		ok   bool
	}{{63, false}, {64, true}, {127, true}, {128, false}, {era.NoSlot, false}} {
		if _, ok := s.BlockRoot(test.slot); ok != test.ok {
			t.Errorf("BlockRoot(%d) reports %v", test.slot, ok)
		}
		if _, ok := s.StateRoot(test.slot); ok != test.ok {
			t.Errorf("StateRoot(%d) reports %v", test.slot, ok)
		}
	}
}

func TestParseStateRefusesOtherNetworks(t *testing.T) {
	encoded := must(open(t, firstFile).Groups()[0].State(t.Context(), network())).SSZ()
	const genesisRootAt, slotAt, versionAt = 8, 40, 52
	for _, test := range []struct {
		name   string
		damage func(b []byte) []byte
	}{
		{"empty", func(b []byte) []byte { return nil }},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }},
		{"cut before the slot", func(b []byte) []byte { return b[:slotAt] }},
		{"genesis time", func(b []byte) []byte { b[0] ^= 1; return b }},
		{"genesis validators root", func(b []byte) []byte { b[genesisRootAt] ^= 1; return b }},
		{"slot of another fork", func(b []byte) []byte { b[slotAt+1] = 1; return b }},
		{"fork version", func(b []byte) []byte { b[versionAt] ^= 1; return b }},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := era.ParseState(network(), test.damage(bytes.Clone(encoded)))
			if !errors.Is(err, era.ErrState) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestStateOfAnotherSlot(t *testing.T) {
	other := func([]byte) []byte {
		return must(open(t, genesisFile).Groups()[0].StateFrames(t.Context(), nil))
	}
	f := openBytes(t, rebuilt(t, edit{state: other}), "")
	_, err := f.Groups()[0].State(t.Context(), network())
	if !errors.Is(err, era.ErrState) || asError(t, err).Slot != 64 {
		t.Errorf("error is %v", err)
	}
}

func TestStateIsReadInThreeWays(t *testing.T) {
	g := open(t, firstFile).Groups()[0]
	s := must(g.State(t.Context(), network()))
	decoded := must(io.ReadAll(must(g.OpenState(t.Context()))))
	if !bytes.Equal(decoded, s.SSZ()) {
		t.Error("OpenState and State differ")
	}
	frames := must(g.StateFrames(t.Context(), []byte("before")))
	record := must(g.StateRecord(t.Context()))
	if want := append([]byte("before"), join(firstFile)[record.DataOffset():record.End()]...); !bytes.Equal(frames, want) {
		t.Error("StateFrames differ from the file")
	}
}
