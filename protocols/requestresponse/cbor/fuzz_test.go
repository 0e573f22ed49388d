package cbor_test

import (
	"bytes"
	"io"
	"testing"

	fxcbor "github.com/fxamacker/cbor/v2"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/cbor"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

// everything is a message with a field of each sort.
type everything struct {
	Name   string           `cbor:"name"`
	Age    *uint8           `cbor:"age"`
	Bytes  serde.Bytes      `cbor:"bytes"`
	Raw    []byte           `cbor:"raw"`
	Unit   serde.Unit       `cbor:"unit"`
	Float  float64          `cbor:"float"`
	Short  float32          `cbor:"short"`
	Signed int64            `cbor:"signed"`
	Array  [3]uint16        `cbor:"array"`
	Pair   pair             `cbor:"pair"`
	Vector []variants       `cbor:"vector"`
	Map    map[string]int32 `cbor:"map"`
	Tree   *everything      `cbor:"tree"`
	Any    any              `cbor:"any"`
}

// sorted writes a value in one way only, whatever the order of its maps.
var sorted = func() fxcbor.EncMode {
	opts := fxcbor.CoreDetEncOptions()
	opts.NilContainers = fxcbor.NilContainerAsEmpty
	mode, err := opts.EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

func FuzzRead(f *testing.F) {
	for _, g := range golden {
		f.Add(unhex(g.hex))
		f.Add(append(unhex("a1 63 616e79"), unhex(g.hex)...))
	}
	seed, err := cbor.Codec{}.AppendRequest(nil, "", &everything{
		Name: "é", Age: new(uint8(7)), Bytes: serde.Bytes{1, 255}, Raw: []byte{2}, Pair: pair{N: 1, S: "x"},
		Vector: []variants{{B: new(uint8(5))}}, Map: map[string]int32{"a": -1}, Tree: &everything{Any: []any{nil, 1.5}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(unhex("bf 64 6e616d65 7f 61 61 61 62 ff 63 616e79 9f 5f 41 01 ff f7 ff ff 00"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		fuzzRead[everything](t, wire)
		fuzzRead[any](t, wire)
		fuzzRead[serde.Bytes](t, wire)
		fuzzRead[string](t, wire)
		fuzzRead[float32](t, wire)
	})
}

// fuzzRead checks that what can be read can be written, and is the same again.
func fuzzRead[T any](t *testing.T, wire []byte) {
	t.Helper()
	const limit = 1 << 16
	read := new(T)
	err := cbor.Codec{}.ReadResponse(codectest.Reader(wire), "", limit, read)
	if (err == io.EOF) != (len(wire) == 0) {
		t.Fatalf("got %v for %d bytes", err, len(wire))
	}
	if err != nil {
		return
	}
	written, err := cbor.Codec{}.AppendRequest(nil, "", read)
	if err != nil {
		t.Fatalf("%x was read but cannot be written: %v", wire, err)
	}
	again := new(T)
	if err := (cbor.Codec{}).ReadRequest(codectest.Reader(written), "", len(written), again); err != nil {
		t.Fatalf("%x became %x: %v", wire, written, err)
	}
	before, err1 := sorted.Marshal(read)
	after, err2 := sorted.Marshal(again)
	if err1 != nil || err2 != nil || !bytes.Equal(before, after) {
		t.Errorf("%x became %x: %x, %v is not %x, %v", wire, written, before, err1, after, err2)
	}
}
