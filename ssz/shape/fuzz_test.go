package shape_test

import (
	"encoding/json"
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
	progressive := shape.ProgressiveContainer("Root",
		shape.Field{"list", shape.ProgressiveList(shape.ProgressiveByteList())},
		shape.Field{"bits", shape.ProgressiveBitlist()},
		shape.Field{"leaves", shape.ProgressiveList(leaf)},
	)
	grown := "\x0c\x00\x00\x00\x11\x00\x00\x00\x12\x00\x00\x00\x04\x00\x00\x00a\x03\x04\x00\x00\x00" + empty
	for _, err := range []error{root.Check([]byte(good)), progressive.Check([]byte(grown))} {
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Add(false, []byte(good))
	f.Add(true, []byte(grown))
	f.Fuzz(func(t *testing.T, grows bool, b []byte) {
		of := root
		if grows {
			of = progressive
		}
		if err := of.Check(b); err != nil {
			if check, ok := errors.AsType[*shape.CheckError](err); !ok || check.Type != "Root" {
				t.Fatalf("error %v is no CheckError", err)
			}
			return
		}
		if least, most := of.Bounds(); len(b) < least || len(b) > most {
			t.Errorf("%d bytes are not within the bounds %d to %d", len(b), least, most)
		}
		if _, err := of.Root(b); err != nil {
			t.Errorf("no root: %v", err)
		}
		if text, err := of.AppendJSON(nil, b); err != nil || !json.Valid(text) {
			t.Errorf("JSON %s, error %v", text, err)
		}
	})
}
