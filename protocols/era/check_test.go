package era_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestCheckAcceptsEveryVariant(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			report, err := openBytes(t, v.file, v.fileName).Check(t.Context(), network())
			if err != nil {
				t.Fatal(err)
			}
			blocks := 0
			for i, g := range report.Groups {
				if g.Era != v.eras[i] {
					t.Errorf("group %d is of era %d: want %d", i, g.Era, v.eras[i])
				}
				blocks += g.Blocks
			}
			if want := len(v.slots()); blocks != want {
				t.Errorf("%d blocks: want %d", blocks, want)
			}
			for _, w := range report.Warnings {
				if !slices.ContainsFunc(v.warnedOf, func(kind error) bool { return errors.Is(w, kind) }) {
					t.Errorf("warning: %v", w)
				}
			}
			for _, kind := range v.warnedOf {
				if !slices.ContainsFunc(report.Warnings, func(w *era.Error) bool { return errors.Is(w, kind) }) {
					t.Errorf("no warning of %v", kind)
				}
			}
		})
	}
}

// The state roots are those in the blocks of the slots 0, 64 and 128.
func TestCheckReportsWhatTiesFilesTogether(t *testing.T) {
	report, err := openBytes(t, join(genesisFile, firstFile, secondFile), "").Check(t.Context(), network())
	if err != nil {
		t.Fatal(err)
	}
	genesis, first, second := report.Groups[0], report.Groups[1], report.Groups[2]
	if first.ParentRoot != (ssz.Root{}) || second.ParentRoot != first.BlockRoot {
		t.Errorf("parent roots %v and %v: want zero and %v", first.ParentRoot, second.ParentRoot, first.BlockRoot)
	}
	if first.BlockRoot != chain()[63].root || second.BlockRoot != chain()[127].root {
		t.Errorf("last blocks are %v and %v", first.BlockRoot, second.BlockRoot)
	}
	if first.FirstStateRoot != genesis.StateRoot || second.FirstStateRoot != first.StateRoot {
		t.Error("the states are not tied together")
	}
	if want := root("0a635dd0e9130776e63fde8bfe309b1331da58bd1fa1df4bd9f04dadb3ee1941"); first.StateRoot != want {
		t.Errorf("state root of slot 64 is %v: want %v", first.StateRoot, want)
	}
	if want := root("d8d37c4a4e0f8926b6d33609d97eb658b2faaa5d1983d2b9d86a653dbdb54c1d"); second.StateRoot != want {
		t.Errorf("state root of slot 128 is %v: want %v", second.StateRoot, want)
	}
	if genesis.Fork != ssz.Deneb || first.Fork != ssz.Electra || second.Fork != ssz.Fulu {
		t.Errorf("forks %v, %v, %v", genesis.Fork, first.Fork, second.Fork)
	}
}
