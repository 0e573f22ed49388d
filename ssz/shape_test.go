package ssz_test

import (
	"math"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestBounds(t *testing.T) {
	t.Parallel()
	pair := ssz.Container("Pair", ssz.Field{"a", ssz.Uint(8)}, ssz.Field{"b", ssz.Bitlist(7)})
	for _, test := range []struct {
		name        string
		shape       *ssz.Shape
		least, most int
	}{
		{"uint", ssz.Uint(32), 32, 32},
		{"boolean", ssz.Boolean(), 1, 1},
		{"ByteVector", ssz.ByteVector(48), 48, 48},
		{"ByteList", ssz.ByteList(48), 0, 48},
		{"Bitvector", ssz.Bitvector(9), 2, 2},
		{"Bitvector", ssz.Bitvector(8), 1, 1},
		{"Bitlist", ssz.Bitlist(7), 1, 1},
		{"Bitlist", ssz.Bitlist(8), 1, 2},
		{"Bitlist", ssz.Bitlist(math.MaxUint64), 1, min(1<<61, math.MaxInt)},
		{"Vector", ssz.Vector(ssz.Uint(8), 3), 24, 24},
		{"Vector", ssz.Vector(ssz.ByteList(5), 3), 12, 27},
		{"List", ssz.List(ssz.Uint(8), 3), 0, 24},
		{"List", ssz.List(ssz.ByteList(5), 3), 0, 27},
		{"Pair", pair, 13, 13},
		{"List", ssz.List(pair, 2), 0, 34},
		{"List", ssz.List(ssz.Uint(8), math.MaxUint64), 0, math.MaxInt},
		{"List", ssz.List(ssz.ByteList(math.MaxUint64), math.MaxUint64), 0, math.MaxInt},
		{"Vector", ssz.Vector(ssz.ByteList(math.MaxUint64), 2), 8, math.MaxInt},
		{"Max", ssz.Container("Max", ssz.Field{"a", ssz.ByteList(math.MaxUint64)}), 4, math.MaxInt},
	} {
		if test.shape.Name() != test.name {
			t.Errorf("name %q, want %q", test.shape.Name(), test.name)
		}
		if least, most := test.shape.Bounds(); least != test.least || most != test.most {
			t.Errorf("%s: bounds %d to %d, want %d to %d", test.name, least, most, test.least, test.most)
		}
	}
}

func TestImpossibleShapesPanic(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(){
		"uint24":          func() { ssz.Uint(3) },
		"uint0":           func() { ssz.Uint(0) },
		"uint512":         func() { ssz.Uint(64) },
		"empty bytes":     func() { ssz.ByteVector(0) },
		"empty bits":      func() { ssz.Bitvector(0) },
		"empty vector":    func() { ssz.Vector(ssz.Uint(1), 0) },
		"empty container": func() { ssz.Container("Empty") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			build()
		}()
	}
}

// The sizes that depend on the preset are those of the preset.
func TestSyncCommitteeSize(t *testing.T) {
	t.Parallel()
	for _, preset := range []ssz.Preset{ssz.MainnetPreset, ssz.MinimalPreset} {
		n := networkOf(t, preset)
		phase0, _ := n.BlockBounds(ssz.Phase0)
		altair, _ := n.BlockBounds(ssz.Altair)
		if got, want := altair-phase0, int(preset.SyncCommitteeSize()/8)+96; got != want {
			t.Errorf("%v: a sync aggregate has %d bytes, want %d", preset, got, want)
		}
	}
}
