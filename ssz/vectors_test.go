package ssz_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// hexBytes are bytes that JSON has in hexadecimal.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// A vector is a value that another implementation encoded and hashed.
type vector struct {
	Preset, Fork, Type string
	Variant            int
	Slot               ssz.Slot // in chain.jsonl.gz
	Limit              uint64   // of a list whose limit depends on the fork

	Context   hexBytes `json:"context_hex"` // in chain.jsonl.gz: the fork digest
	SSZ       hexBytes `json:"ssz_hex"`
	Root      ssz.Root `json:"root_hex"`
	BlockRoot ssz.Root `json:"block_root_hex"` // in chain.jsonl.gz
}

func readVectors(tb testing.TB, name string) []vector {
	tb.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var vectors []vector
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<21)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			tb.Fatal(err)
		}
		vectors = append(vectors, v)
	}
	if lines.Err() != nil || len(vectors) == 0 {
		tb.Fatalf("%s: %d vectors, error %v", name, len(vectors), lines.Err())
	}
	return vectors
}

func allVectors(tb testing.TB) []vector {
	return append(readVectors(tb, "ssz-mainnet.jsonl.gz"), readVectors(tb, "ssz-minimal.jsonl.gz")...)
}

func (v *vector) network(tb testing.TB) *ssz.Network {
	preset, err := ssz.ParsePreset(v.Preset)
	if err != nil {
		tb.Fatal(err)
	}
	return networks[preset]()
}

// networks are those of networkOf by preset.
var networks = [...]func() *ssz.Network{
	ssz.MainnetPreset: sync.OnceValue(func() *ssz.Network { return networkOf(ssz.MainnetPreset) }),
	ssz.MinimalPreset: sync.OnceValue(func() *ssz.Network { return networkOf(ssz.MinimalPreset) }),
}

func (v *vector) fork(tb testing.TB) ssz.Fork {
	fork, err := ssz.ParseFork(v.Fork)
	if err != nil {
		tb.Fatal(err)
	}
	return fork
}

// networkOf returns a network whose forks are an epoch apart.
func networkOf(preset ssz.Preset) *ssz.Network {
	cfg := ssz.DefaultConfig(preset)
	cfg.BlobSchedule = nil
	for f := range cfg.Forks {
		cfg.Forks[f].Epoch = ssz.Epoch(f)
	}
	n, err := ssz.NewNetwork(cfg, time.Unix(1_600_000_000, 0), ssz.Root{1})
	if err != nil {
		panic(err)
	}
	return n
}

// A coder encodes and decodes itself: an ssz.Object, or a request that is a list.
type coder interface {
	SizeSSZ() int
	MarshalSSZ() ([]byte, error)
	MarshalSSZTo([]byte) ([]byte, error)
	UnmarshalSSZ([]byte) error
}

// listRequests returns a new request by the name that the vectors give it.
var listRequests = map[string]func() coder{
	"BeaconBlocksByRootRequest":              func() coder { return new(ssz.BeaconBlocksByRootRequest) },
	"BlobSidecarsByRootRequest":              func() coder { return new(ssz.BlobSidecarsByRootRequest) },
	"DataColumnSidecarsByRootRequest":        func() coder { return new(ssz.DataColumnSidecarsByRootRequest) },
	"ExecutionPayloadEnvelopesByRootRequest": func() coder { return new(ssz.ExecutionPayloadEnvelopesByRootRequest) },
}

func (v *vector) shape(tb testing.TB) *ssz.Shape {
	shape, err := v.network(tb).ShapeOf(v.fork(tb), v.Type)
	if err != nil {
		tb.Fatal(err)
	}
	return shape
}

// decode decodes the vector's type from b. The objects of lists are no ssz.Object.
func (v *vector) decode(tb testing.TB, b []byte) (coder, error) {
	if newRequest := listRequests[v.Type]; newRequest != nil {
		if err := v.shape(tb).Check(b); err != nil {
			return nil, err
		}
		request := newRequest()
		return request, request.UnmarshalSSZ(b)
	}
	t, err := v.network(tb).TypeOf(v.fork(tb), v.Type)
	if err != nil {
		tb.Fatal(err)
	}
	decoded, err := t.Decode(b)
	if err != nil {
		return nil, err
	}
	return decoded, nil
}

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
	if len(types) != 70 || total != 2*3*70 {
		t.Errorf("%d vectors of %d types, want 420 of 70", total, len(types))
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
