package ssz_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
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
	lines.Buffer(nil, 1<<20)
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
	return networkOf(tb, preset)
}

func (v *vector) fork(tb testing.TB) ssz.Fork {
	fork, err := ssz.ParseFork(v.Fork)
	if err != nil {
		tb.Fatal(err)
	}
	return fork
}

// networkOf returns a network whose forks are an epoch apart.
func networkOf(tb testing.TB, preset ssz.Preset) *ssz.Network {
	cfg := ssz.DefaultConfig(preset)
	cfg.BlobSchedule = nil
	for f := range cfg.Forks {
		cfg.Forks[f].Epoch = ssz.Epoch(f)
	}
	n, err := ssz.NewNetwork(cfg, time.Unix(1_600_000_000, 0), ssz.Root{1})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// messages decodes each message type by the name that the vectors give it.
var messages = map[string]func([]byte) (ssz.Message, error){
	"StatusV1":                   decodeMessage[ssz.StatusV1],
	"StatusV2":                   decodeMessage[ssz.StatusV2],
	"MetadataV1":                 decodeMessage[ssz.MetaDataV1],
	"MetadataV2":                 decodeMessage[ssz.MetaDataV2],
	"MetadataV3":                 decodeMessage[ssz.MetaDataV3],
	"Ping":                       decodeMessage[ssz.Ping],
	"Goodbye":                    decodeMessage[ssz.Goodbye],
	"BeaconBlocksByRangeRequest": decodeMessage[ssz.BeaconBlocksByRangeRequest],
}

func decodeMessage[T any, P interface {
	*T
	ssz.Message
}](b []byte) (ssz.Message, error) {
	message, err := ssz.Decode[T, P](b)
	return P(message), err
}

func TestVectors(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for _, v := range allVectors(t) {
		name := strings.Join([]string{v.Preset, v.Fork, v.Type}, "/")
		seen[v.Type]++
		t.Run(name, func(t *testing.T) {
			switch v.Type {
			case "SignedBeaconBlock":
				testSignedBlock(t, &v)
			case "BeaconBlock":
				testBlock(t, &v)
			case "BeaconBlocksByRootRequest":
				testByRootRequest(t, &v)
			default:
				testMessage(t, &v)
			}
		})
	}
	if len(seen) != len(messages)+3 {
		t.Errorf("vectors of %d types, want %d: %v", len(seen), len(messages)+3, seen)
	}
}

func testSignedBlock(t *testing.T, v *vector) {
	n, fork := v.network(t), v.fork(t)
	if err := n.CheckBlock(fork, v.SSZ); err != nil {
		t.Fatal(err)
	}
	block, err := n.DecodeBlock(fork, v.SSZ)
	if err != nil {
		t.Fatal(err)
	}
	testObject(t, block, v)
	testPeekAgrees(t, v.SSZ, block)
	if least, most := n.BlockBounds(fork); len(v.SSZ) < least || len(v.SSZ) > most {
		t.Errorf("%d bytes are not within the bounds %d to %d", len(v.SSZ), least, most)
	}
}

// testBlock tests the vector of an unsigned block by signing it with zeros.
func testBlock(t *testing.T, v *vector) {
	signed := append([]byte{100, 99: 0}, v.SSZ...)
	block, err := v.network(t).DecodeBlock(v.fork(t), signed)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := block.MarshalSSZ(); err != nil || !bytes.Equal(got, signed) {
		t.Errorf("encodes to other bytes, error %v", err)
	}
	if root, err := block.BlockRoot(); err != nil || root != v.Root {
		t.Errorf("block root %x, error %v, want %v", root, err, v.Root)
	}
}

func testByRootRequest(t *testing.T, v *vector) {
	n := v.network(t)
	epoch := ssz.Epoch(v.fork(t)) // as networkOf schedules them
	if limit := n.MaxRequestBlocks(epoch); limit != v.Limit {
		t.Errorf("limit %d, want %d", limit, v.Limit)
	}
	if err := n.BeaconBlocksByRootShape(epoch).Check(v.SSZ); err != nil {
		t.Fatal(err)
	}
	var request ssz.BeaconBlocksByRootRequest
	if err := request.UnmarshalSSZ(v.SSZ); err != nil {
		t.Fatal(err)
	}
	if got, err := request.MarshalSSZ(); err != nil || !bytes.Equal(got, v.SSZ) {
		t.Errorf("encodes to %x, error %v, want %x", got, err, v.SSZ)
	}
	if root, err := n.BeaconBlocksByRootShape(epoch).Root(v.SSZ); err != nil || root != v.Root {
		t.Errorf("root %x, error %v, want %v", root, err, v.Root)
	}
}

func testMessage(t *testing.T, v *vector) {
	message, err := messages[v.Type](v.SSZ)
	if err != nil {
		t.Fatal(err)
	}
	testObject(t, message, v)
	least, most := message.Shape().Bounds()
	if least != len(v.SSZ) || most != len(v.SSZ) {
		t.Errorf("bounds %d to %d, want %d", least, most, len(v.SSZ))
	}
}

// testObject tests that a decoded object encodes to the bytes it came from, appends to what is
// there, knows its size and has the root that the vector says.
func testObject(t *testing.T, o ssz.Object, v *vector) {
	t.Helper()
	if got, err := o.MarshalSSZ(); err != nil || !bytes.Equal(got, v.SSZ) {
		t.Errorf("encodes to other bytes, error %v", err)
	}
	if got, err := o.MarshalSSZTo([]byte("before")); err != nil || !bytes.Equal(got, append([]byte("before"), v.SSZ...)) {
		t.Errorf("appends other bytes, error %v", err)
	}
	if o.SizeSSZ() != len(v.SSZ) {
		t.Errorf("size %d, want %d", o.SizeSSZ(), len(v.SSZ))
	}
	if root, err := o.HashTreeRoot(); err != nil || root != v.Root {
		t.Errorf("root %x, error %v, want %v", root, err, v.Root)
	}
	if root, err := o.Shape().Root(v.SSZ); err != nil || root != v.Root {
		t.Errorf("root by shape %x, error %v, want %v", root, err, v.Root)
	}
	if tree, err := o.GetTree(); err != nil || ssz.Root(tree.Hash()) != v.Root {
		t.Errorf("tree with another root, error %v", err)
	}
}
