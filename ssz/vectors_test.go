package ssz_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestVectors(t *testing.T) {
	t.Parallel()
	types, total := map[string]bool{}, 0
	for _, v := range allVectors(t) {
		types[v.Fork+" "+v.Type] = true
		total++
		t.Run(fmt.Sprintf("%s/%s/%s/%d", v.Preset, v.Fork, v.Type, v.Variant), func(t *testing.T) {
			t.Parallel()
			testVector(t, &v)
		})
	}
	if len(types) != 75 || total != 590 {
		t.Errorf("%d vectors of %d types, want 590 of 75", total, len(types))
	}
}

func testVector(t *testing.T, v *vector) {
	shape := v.shape(t)
	if root, err := shape.Root(v.SSZ); err != nil || root != v.Root {
		t.Errorf("root by shape %x, error %v, want %v", root, err, v.Root)
	}
	if least, most := shape.Bounds(); len(v.SSZ) < least || len(v.SSZ) > most {
		t.Errorf("%d bytes are not within the bounds %d to %d", len(v.SSZ), least, most)
	}
	if least, _ := shape.Bounds(); v.Variant == 0 && least != len(v.SSZ) { // the default value
		t.Errorf("at least %d bytes, want %d", least, len(v.SSZ))
	}
	if text, err := shape.AppendJSON(nil, v.SSZ); err != nil || !json.Valid(text) {
		t.Errorf("JSON %.100s, error %v", text, err)
	}
	decoded, err := v.decode(t, v.SSZ)
	if err != nil {
		t.Fatal(err)
	}
	if object, ok := decoded.(ssz.Object); ok {
		testObject(t, object, v)
	} else {
		testEncodes(t, decoded, v.SSZ)
		testLimit(t, shape, v)
	}
	if block, ok := decoded.(ssz.SignedBlock); ok {
		testPeekAgrees(t, v.SSZ, block)
	}
}

// testLimit tests that a list of as many elements as the vector's limit passes, and no more.
func testLimit(t *testing.T, shape *ssz.Shape, v *vector) {
	for n, want := range map[uint64]error{v.Limit: nil, v.Limit + 1: ssz.ErrLimit} {
		var b []byte
		switch v.Type {
		case "BlobSidecarsByRootRequest":
			b = make([]byte, 40*n)
		case "DataColumnSidecarsByRootRequest":
			var err error
			request := make(ssz.DataColumnSidecarsByRootRequest, n)
			if b, err = request.MarshalSSZ(); err != nil {
				t.Fatal(err)
			}
		default:
			b = make([]byte, 32*n)
		}
		if err := shape.Check(b); !errors.Is(err, want) {
			t.Errorf("%d elements: error %v, want %v", n, err, want)
		}
	}
}

// testEncodes tests that a decoded object encodes to the bytes it came from, appends to what is
// there and knows its size.
func testEncodes(t *testing.T, o coder, want []byte) {
	t.Helper()
	if got, err := o.MarshalSSZ(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encodes to other bytes, error %v", err)
	}
	if got, err := o.MarshalSSZTo([]byte("before")); err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
		t.Errorf("appends other bytes, error %v", err)
	}
	if o.SizeSSZ() != len(want) {
		t.Errorf("size %d, want %d", o.SizeSSZ(), len(want))
	}
}

// testObject tests that a decoded object encodes to the bytes it came from and has the root that the
// vector says.
func testObject(t *testing.T, o ssz.Object, v *vector) {
	t.Helper()
	testEncodes(t, o, v.SSZ)
	if root, err := o.HashTreeRoot(); err != nil || root != v.Root {
		t.Errorf("root %x, error %v, want %v", root, err, v.Root)
	}
	if tree, err := o.GetTree(); err != nil || ssz.Root(tree.Hash()) != v.Root {
		t.Errorf("tree with another root, error %v", err)
	}
}
