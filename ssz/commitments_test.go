package ssz_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// commitmentsOf reads by reflection what PeekBlobCommitments reads from the encoding.
func commitmentsOf(fork ssz.Fork, block ssz.SignedBlock) (c ssz.BlobCommitments) {
	part := func(path ...string) reflect.Value {
		v := reflect.ValueOf(block)
		for _, name := range path {
			v = reflect.Indirect(v).FieldByName(name)
		}
		return v
	}
	switch {
	case fork >= ssz.Gloas:
		bid := func(name string) reflect.Value {
			return part("Message", "Body", "SignedExecutionPayloadBid", "Message", name)
		}
		c.Count = bid("BlobKZGCommitments").Len()
		c.BlockHash = bid("BlockHash").Interface().([32]byte)
		c.ParentBlockHash = bid("ParentBlockHash").Interface().([32]byte)
	case fork >= ssz.Deneb:
		c.Count = part("Message", "Body", "BlobKZGCommitments").Len()
	}
	return c
}

func TestPeekBlobCommitmentsAgreesWithDecoding(t *testing.T) {
	t.Parallel()
	some, forks := 0, map[ssz.Fork]bool{}
	for _, v := range allVectors(t) {
		if v.Type != "SignedBeaconBlock" {
			continue
		}
		n, fork := v.network(t), v.fork(t)
		block, err := n.DecodeBlock(fork, v.SSZ)
		if err != nil {
			t.Fatal(err)
		}
		want := commitmentsOf(fork, block)
		got, err := n.PeekBlobCommitments(fork, bytes.NewReader(v.SSZ), int64(len(v.SSZ)))
		if err != nil || got != want {
			t.Errorf("%s %s %d: %+v, %v, want %+v", v.Preset, v.Fork, v.Variant, got, err, want)
		}
		if got.Count > 0 {
			some++
			forks[fork] = true
		}
	}
	if some < 8 || len(forks) < 4 {
		t.Errorf("%d blocks of %d forks with commitments are too few", some, len(forks))
	}
}

func TestPeekBlobCommitmentsRefusesContradictions(t *testing.T) {
	t.Parallel()
	for _, v := range allVectors(t) {
		fork := v.fork(t)
		if v.Type != "SignedBeaconBlock" || fork < ssz.Deneb {
			continue
		}
		n := v.network(t)
		peek := func(b []byte) error {
			_, err := n.PeekBlobCommitments(fork, bytes.NewReader(b), int64(len(b)))
			return err
		}
		for _, cut := range []int{0, 3, 99, 100, 150, 400} {
			if err := peek(v.SSZ[:cut]); !errors.Is(err, ssz.ErrSize) && !errors.Is(err, ssz.ErrOffset) {
				t.Errorf("%s %s cut to %d bytes: %v", v.Preset, v.Fork, cut, err)
			}
		}
		for _, at := range []int{0, 100 + 80} { // the offsets of the message and of the body
			bad := bytes.Clone(v.SSZ)
			copy(bad[at:], "\xff\xff\xff\xff")
			if err := peek(bad); !errors.Is(err, ssz.ErrOffset) {
				t.Errorf("%s %s with a bad offset at %d: %v", v.Preset, v.Fork, at, err)
			}
		}
	}
	n := networkOf(ssz.MainnetPreset)
	if _, err := n.PeekBlobCommitments(ssz.Heze+1, bytes.NewReader(nil), 0); !errors.Is(err, ssz.ErrFork) {
		t.Errorf("of a fork without blocks: %v", err)
	}
	if _, err := n.PeekBlobCommitments(ssz.Deneb, bytes.NewReader(nil), 1000); !errors.Is(err, io.EOF) {
		t.Errorf("of a reader that ends: %v", err)
	}
}

func FuzzPeekBlobCommitments(f *testing.F) {
	for _, v := range allVectors(f) {
		if fork := v.fork(f); v.Type == "SignedBeaconBlock" && len(v.SSZ) < 20_000 {
			f.Add(uint8(fork), v.Preset == "minimal", []byte(v.SSZ))
		}
	}
	mainnet, minimal := networkOf(ssz.MainnetPreset), networkOf(ssz.MinimalPreset)
	f.Fuzz(func(t *testing.T, fork uint8, small bool, b []byte) {
		n := mainnet
		if small {
			n = minimal
		}
		got, err := n.PeekBlobCommitments(ssz.Fork(fork), bytes.NewReader(b), int64(len(b)))
		if got.Count < 0 || got.Count > len(b)/48 {
			t.Fatalf("%d commitments in %d bytes", got.Count, len(b))
		}
		block, decodeErr := n.DecodeBlock(ssz.Fork(fork), b)
		if decodeErr != nil {
			return
		}
		if want := commitmentsOf(ssz.Fork(fork), block); err != nil || got != want {
			t.Fatalf("%+v, %v, want %+v", got, err, want)
		}
	})
}
