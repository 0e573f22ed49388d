package shape_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// merkleizeProgressive is merkleize_progressive of the SSZ specification, step by step.
func merkleizeProgressive(chunks [][32]byte, leaves int) [32]byte {
	if len(chunks) == 0 {
		return [32]byte{}
	}
	n := min(leaves, len(chunks))
	rest := merkleizeProgressive(chunks[n:], leaves*4)
	return hash(merkleize(bytesOf(chunks[:n]), leaves), rest)
}

// bytesOf copies chunks, which merkleize overwrites.
func bytesOf(chunks [][32]byte) [][32]byte { return append([][32]byte(nil), chunks...) }

func TestProgressiveRoots(t *testing.T) {
	t.Parallel()
	for _, n := range append(sizes, 5*32, 6*32, 21*32, 22*32, 85*32, 86*32, 341*32, 342*32, 1365*32, 1366*32) {
		b := pattern(n)
		root := merkleizeProgressive(pack(b), 1)
		requireRoot(t, shape.ProgressiveByteList(), b, mixIn(root, n))
		if n%8 == 0 {
			requireRoot(t, shape.ProgressiveList(shape.Uint(8)), b, mixIn(root, n/8))
		}
		if n%32 == 0 {
			requireRoot(t, shape.ProgressiveList(shape.ByteVector(32)), b, mixIn(root, n/32))
		}
		requireRoot(t, shape.ProgressiveBitlist(), append(bytes.Clone(b), 1), mixIn(root, n*8))
		bits := append(bytes.Clone(b), 0x0f)
		requireRoot(t, shape.ProgressiveBitlist(), bits, mixIn(merkleizeProgressive(pack(append(bytes.Clone(b), 0x07)), 1), n*8+3))
	}
}

func TestProgressiveListOfLists(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 5, 6, 300} {
		var values [][]byte
		var roots [][32]byte
		for i := range n {
			value := pattern(i % 100)
			values = append(values, value)
			roots = append(roots, mixIn(merkleizeProgressive(pack(value), 1), len(value)))
		}
		list := shape.ProgressiveList(shape.ProgressiveByteList())
		requireRoot(t, list, offsets(values...), mixIn(merkleizeProgressive(roots, 1), n))
	}
}

func TestProgressiveContainer(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 5, 6, 13, 19, 255, 256} {
		var fields []shape.Field
		var encoded []byte
		var roots [][32]byte
		var active [32]byte
		for i := range n {
			fields = append(fields, shape.Field{Name: "f", Shape: shape.Uint(4)})
			encoded = binary.LittleEndian.AppendUint32(encoded, uint32(i+1))
			roots = append(roots, pack(encoded[4*i:])[0])
			active[i/8] |= 1 << (i % 8)
		}
		of := shape.ProgressiveContainer("Fields", fields...)
		requireRoot(t, of, encoded, hash(merkleizeProgressive(roots, 1), active))
	}
}

func TestProgressiveShapes(t *testing.T) {
	t.Parallel()
	pair := shape.ProgressiveContainer("Pair",
		shape.Field{Name: "number", Shape: shape.Uint(1)},
		shape.Field{Name: "bits", Shape: shape.ProgressiveBitlist()},
	)
	for _, test := range []struct {
		name, in    string
		of          *shape.Shape
		least, most int
		path        string
		reason      error
	}{
		{"ProgressiveList", "\x01\x00", shape.ProgressiveList(shape.Boolean()), 0, math.MaxInt, "", nil},
		{"ProgressiveList", "\x01\x02", shape.ProgressiveList(shape.Boolean()), 0, math.MaxInt, "[1]", shape.ErrBoolean},
		{"ProgressiveList", "\x05\x00\x00\x00a", shape.ProgressiveList(pair), 0, math.MaxInt, "", shape.ErrOffset},
		{"ProgressiveByteList", "abc", shape.ProgressiveByteList(), 0, math.MaxInt, "", nil},
		{"ProgressiveBitlist", "abc", shape.ProgressiveBitlist(), 1, min(1<<61, math.MaxInt), "", nil},
		{"ProgressiveBitlist", "ab\x00", shape.ProgressiveBitlist(), 1, min(1<<61, math.MaxInt), "", shape.ErrSentinel},
		{"Pair", "\x07\x05\x00\x00\x00\x01", pair.UpTo(7), 6, 7, "", nil},
		{"Pair", "\x07\x05\x00\x00\x00\x01\x01\x01", pair.UpTo(7), 6, 7, "", shape.ErrSize},
		{"Pair", "\x07\x05\x00\x00\x00\x01\x00", pair.UpTo(7), 6, 7, "bits", shape.ErrSentinel},
	} {
		if got := test.of.Name(); got != test.name {
			t.Errorf("name %q, want %q", got, test.name)
		}
		if least, most := test.of.Bounds(); least != test.least || most != test.most {
			t.Errorf("%s: bounds %d to %d, want %d to %d", test.name, least, most, test.least, test.most)
		}
		err := test.of.Check([]byte(test.in))
		if test.reason == nil && err != nil || test.reason != nil && !isCheckError(err, test.path, test.reason) {
			t.Errorf("%s: %q: error %v, want %v at %q", test.name, test.in, err, test.reason, test.path)
		}
	}
	if _, most := shape.ByteList(5).UpTo(9).Bounds(); most != 5 {
		t.Errorf("5 bytes, up to 9: at most %d", most)
	}
}
