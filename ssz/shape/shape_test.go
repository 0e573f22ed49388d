package shape_test

import (
	"math"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

func TestBounds(t *testing.T) {
	t.Parallel()
	pair := shape.Container("Pair", shape.Field{"a", shape.Uint(8)}, shape.Field{"b", shape.Bitlist(7)})
	for _, test := range []struct {
		name        string
		of          *shape.Shape
		least, most int
	}{
		{"uint", shape.Uint(32), 32, 32},
		{"boolean", shape.Boolean(), 1, 1},
		{"ByteVector", shape.ByteVector(48), 48, 48},
		{"ByteList", shape.ByteList(48), 0, 48},
		{"Bitvector", shape.Bitvector(9), 2, 2},
		{"Bitvector", shape.Bitvector(8), 1, 1},
		{"Bitlist", shape.Bitlist(7), 1, 1},
		{"Bitlist", shape.Bitlist(8), 1, 2},
		{"Bitlist", shape.Bitlist(math.MaxUint64), 1, min(1<<61, math.MaxInt)},
		{"Vector", shape.Vector(shape.Uint(8), 3), 24, 24},
		{"Vector", shape.Vector(shape.ByteList(5), 3), 12, 27},
		{"List", shape.List(shape.Uint(8), 3), 0, 24},
		{"List", shape.List(shape.ByteList(5), 3), 0, 27},
		{"Pair", pair, 13, 13},
		{"List", shape.List(pair, 2), 0, 34},
		{"List", shape.List(shape.Uint(8), math.MaxUint64), 0, math.MaxInt},
		{"List", shape.List(shape.ByteList(math.MaxUint64), math.MaxUint64), 0, math.MaxInt},
		{"Vector", shape.Vector(shape.ByteList(math.MaxUint64), 2), 8, math.MaxInt},
		{"Max", shape.Container("Max", shape.Field{"a", shape.ByteList(math.MaxUint64)}), 4, math.MaxInt},
	} {
		if test.of.Name() != test.name {
			t.Errorf("name %q, want %q", test.of.Name(), test.name)
		}
		if least, most := test.of.Bounds(); least != test.least || most != test.most {
			t.Errorf("%s: bounds %d to %d, want %d to %d", test.name, least, most, test.least, test.most)
		}
	}
}

func TestImpossibleShapesPanic(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(){
		"uint24":          func() { shape.Uint(3) },
		"uint0":           func() { shape.Uint(0) },
		"uint512":         func() { shape.Uint(64) },
		"empty bytes":     func() { shape.ByteVector(0) },
		"empty bits":      func() { shape.Bitvector(0) },
		"empty vector":    func() { shape.Vector(shape.Uint(1), 0) },
		"empty container": func() { shape.Container("Empty") },
		"too many fields": func() {
			shape.ProgressiveContainer("Full", make([]shape.Field, 257)...)
		},
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
