package ssz_test

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
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

// loaded holds the vectors of the files that were read: []vector by name.
var loaded sync.Map

// readVectors returns the vectors of a file, which tests share and must not change.
func readVectors(tb testing.TB, name string) []vector {
	tb.Helper()
	if vectors, ok := loaded.Load(name); ok {
		return slices.Clone(vectors.([]vector))
	}
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
	loaded.Store(name, vectors)
	return slices.Clone(vectors)
}

// allVectors returns the vectors of all presets, and those of Heze. All were made with
// @lodestar/types; for Heze nobody else has any, so that they show agreement, not truth.
func allVectors(tb testing.TB) []vector {
	return slices.Concat(
		readVectors(tb, "ssz-mainnet.jsonl.gz"),
		readVectors(tb, "ssz-minimal.jsonl.gz"),
		readVectors(tb, "ssz-gnosis.jsonl.gz"),
		readVectors(tb, "ssz-heze.jsonl.gz"),
	)
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
	ssz.GnosisPreset:  sync.OnceValue(func() *ssz.Network { return networkOf(ssz.GnosisPreset) }),
}

func (v *vector) fork(tb testing.TB) ssz.Fork {
	fork, err := ssz.ParseFork(v.Fork)
	if err != nil {
		tb.Fatal(err)
	}
	return fork
}

// presets are all presets.
var presets = []ssz.Preset{ssz.MainnetPreset, ssz.MinimalPreset, ssz.GnosisPreset}

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
