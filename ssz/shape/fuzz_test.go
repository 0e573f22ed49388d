package shape_test

import (
	"errors"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// FuzzCheck walks shapes of every kind.
func FuzzCheck(f *testing.F) {
	leaf := shape.Container("Leaf",
		shape.Field{"flag", shape.Boolean()},
		shape.Field{"bits", shape.Bitvector(11)},
		shape.Field{"list", shape.Bitlist(11)},
		shape.Field{"bytes", shape.ByteList(3)},
	)
	root := shape.Container("Root",
		shape.Field{"list", shape.List(leaf, 3)},
		shape.Field{"vector", shape.Vector(leaf, 2)},
		shape.Field{"flags", shape.List(shape.Boolean(), 3)},
		shape.Field{"lists", shape.List(shape.List(shape.Uint(2), 2), 2)},
	)
	empty := "\x00\x00\x00\x0b\x00\x00\x00\x0c\x00\x00\x00\x01"
	good := "\x10\x00\x00\x00\x20\x00\x00\x00\x42\x00\x00\x00\x44\x00\x00\x00" +
		"\x04\x00\x00\x00" + empty +
		"\x08\x00\x00\x00\x15\x00\x00\x00" + empty + "\x07" + empty + "\x08" +
		"\x00\x01" + "\x04\x00\x00\x00\xaa\xbb"
	if err := root.Check([]byte(good)); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := root.Check(b)
		if err != nil {
			if check, ok := errors.AsType[*shape.CheckError](err); !ok || check.Type != "Root" {
				t.Fatalf("error %v is no CheckError", err)
			}
			return
		}
		if least, most := root.Bounds(); len(b) < least || len(b) > most {
			t.Errorf("%d bytes are not within the bounds %d to %d", len(b), least, most)
		}
	})
}
