package ssz_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

func isCheckError(err error, path string, reason error) bool {
	check, ok := errors.AsType[*ssz.CheckError](err)
	return ok && check.Path == path && errors.Is(err, reason)
}

// at returns b with other bytes at an offset.
func at(b []byte, offset int, other ...byte) []byte {
	b = append([]byte(nil), b...)
	copy(b[offset:], other)
	return b
}

// bodyAt is where the body of a signed block begins.
const bodyAt = 100 + 84

func TestCheckBlockFindsTheField(t *testing.T) {
	t.Parallel()
	n := ssz.Mainnet()
	big := bigBlock(t)
	body := big[bodyAt:]
	offset := func(at int) int { // of the body's variable fields
		return int(body[at]) | int(body[at+1])<<8 | int(body[at+2])<<16
	}
	attestations := bodyAt + offset(208)
	second := attestations + int(big[attestations+4]) + int(big[attestations+5])<<8
	payload := bodyAt + offset(380)
	requests := bodyAt + offset(392)

	for _, test := range []struct {
		name   string
		in     []byte
		path   string
		reason error
	}{
		{"nothing", nil, "", ssz.ErrSize},
		{"cut in the signature", big[:50], "", ssz.ErrSize},
		{"cut in the message", big[:150], "message", ssz.ErrSize},
		{"cut in the body", big[:bodyAt+100], "message.body", ssz.ErrSize},
		{"cut in a list", big[:attestations+300], "message.body.deposits", ssz.ErrOffset},
		{"cut at the end", big[:len(big)-1], "message.body.execution_requests", ssz.ErrSize},
		{"byte too many", append(slices.Clip(big), 0), "message.body.execution_requests.consolidations", ssz.ErrSize},
		{"offset of message", at(big, 0, 99), "message", ssz.ErrOffset},
		{"offset of body", at(big, 100+80, 85), "message.body", ssz.ErrOffset},
		{"offset of 0", at(big, bodyAt+200, 0, 0, 0, 0), "message.body.proposer_slashings", ssz.ErrOffset},
		{"offset of deposits", at(big, bodyAt+212, 0, 0, 0, 0), "message.body.deposits", ssz.ErrOffset},
		{"offset of second attestation", at(big, attestations+4, 1, 0, 0, 0), "message.body.attestations[1]", ssz.ErrOffset},
		{"offset in an attestation", at(big, second, 1), "message.body.attestations[1].aggregation_bits", ssz.ErrOffset},
		{
			"bitlist without end", at(big, second+236+4095, 0),
			"message.body.attestations[1].aggregation_bits", ssz.ErrSentinel,
		},
		{"too many attestations", at(big, attestations, 36), "message.body.attestations", ssz.ErrLimit},
		{"offset in the payload", at(big, payload+436, 1), "message.body.execution_payload.extra_data", ssz.ErrOffset},
		{"offset in the requests", at(big, requests, 13), "message.body.execution_requests.deposits", ssz.ErrOffset},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if err := n.CheckBlock(ssz.Electra, test.in); !isCheckError(err, test.path, test.reason) {
				t.Errorf("error %v, want %v at %q", err, test.reason, test.path)
			}
			if _, err := n.DecodeBlock(ssz.Electra, test.in); !isCheckError(err, test.path, test.reason) {
				t.Errorf("decode: error %v, want %v at %q", err, test.reason, test.path)
			}
			if _, err := n.BlockRoot(ssz.Electra, test.in); !isCheckError(err, test.path, test.reason) {
				t.Errorf("root: error %v, want %v at %q", err, test.reason, test.path)
			}
		})
	}
}

// Committees are four in the minimal preset, so half of the byte of their bits is padding.
func TestCheckBlockFindsPadding(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t, "ssz-minimal.jsonl.gz") {
		if v.Type != "SignedBeaconBlock" || v.Fork != "electra" || v.Variant != 2 {
			continue
		}
		body := v.SSZ[bodyAt:]
		attestations := int(body[208]) | int(body[209])<<8
		first := attestations + int(body[attestations])
		committees := bodyAt + first + 4 + 128 + 96
		b := at(v.SSZ, committees, v.SSZ[committees]|0x10)
		err := v.network(t).CheckBlock(ssz.Electra, b)
		if !isCheckError(err, "message.body.attestations[0].committee_bits", ssz.ErrPadding) {
			t.Errorf("error %v, want ErrPadding", err)
		}
		return
	}
	t.Fatal("no vector")
}

// vectorOf returns the full vector of a type in the mainnet preset.
func vectorOf(tb testing.TB, fork, name string) *vector {
	tb.Helper()
	for _, v := range readVectors(tb, "ssz-mainnet.jsonl.gz") {
		if v.Fork == fork && v.Type == name && v.Variant == 2 {
			return &v
		}
	}
	tb.Fatalf("no vector of %s in %s", name, fork)
	return nil
}

// offset reads the offset at a place, which is counted from there on.
func offset(b []byte, from, at int) int {
	return from + int(binary.LittleEndian.Uint32(b[from+at:]))
}

// What Gloas has added can be malformed in every way too.
func TestCheckGloasFindsTheField(t *testing.T) {
	t.Parallel()
	block, envelope := vectorOf(t, "gloas", "SignedBeaconBlock"), vectorOf(t, "gloas", "SignedExecutionPayloadEnvelope")
	attestation := offset(block.SSZ, offset(block.SSZ, bodyAt, 208), 0)
	votes := offset(block.SSZ, bodyAt, 388)
	payload := offset(envelope.SSZ, 100, 0)
	transactions := offset(envelope.SSZ, payload, 504)
	for _, test := range []struct {
		name   string
		of     *vector
		at     int
		other  byte
		path   string
		reason error
	}{
		{"boolean of 2", block, votes + 64 + 40, 2, "body.payload_attestations[0].data.payload_present", ssz.ErrBoolean},
		{"bitlist without end", block, attestation + 236, 0, "body.attestations[0].aggregation_bits", ssz.ErrSentinel},
		{"offset in the body", block, bodyAt + 385, 0xff, "body.signed_execution_payload_bid", ssz.ErrOffset},
		{"offset in an attestation", block, attestation, 237, "body.attestations[0].aggregation_bits", ssz.ErrOffset},
		{"offset of a transaction", envelope, transactions, 5, "payload.transactions", ssz.ErrOffset},
		{"half a withdrawal", envelope, payload + 508, envelope.SSZ[payload+508] + 1, "payload.withdrawals", ssz.ErrSize},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := at(test.of.SSZ, test.at, test.other)
			if _, err := test.of.decode(t, b); !isCheckError(err, "message."+test.path, test.reason) {
				t.Errorf("error %v, want %v at %q", err, test.reason, test.path)
			}
		})
	}
}

// The bounds of types without limits are the specs' constants.
func TestCheckOfSizes(t *testing.T) {
	t.Parallel()
	columns := func(n int) ssz.Object {
		return &containers.DataColumnSidecarGloas{Column: make([][2048]byte, n), KZGProofs: make([][48]byte, n)}
	}
	for _, test := range []struct {
		object ssz.Object
		size   int
		want   error
	}{
		{columns(4096), 8585272, nil},
		{columns(4097), 8585272 + 2096, ssz.ErrSize},
	} {
		b, err := test.object.MarshalSSZ()
		if err != nil || len(b) != test.size {
			t.Errorf("%T: %d bytes, error %v, want %d", test.object, len(b), err, test.size)
		}
		if err := test.object.Shape().Check(b); !errors.Is(err, test.want) {
			t.Errorf("%T of %d bytes: error %v, want %v", test.object, len(b), err, test.want)
		}
		if _, most := test.object.Shape().Bounds(); (most >= len(b)) != (test.want == nil) {
			t.Errorf("%T has at most %d bytes", test.object, most)
		}
	}
	// A column of Fulu has a limit of its own.
	b := append(make([]byte, 356), make([]byte, 4097*2048)...)
	for i, offset := range []int{356, len(b), len(b)} {
		binary.LittleEndian.PutUint32(b[8+4*i:], uint32(offset))
	}
	sidecar := new(containers.DataColumnSidecar)
	if err := sidecar.Shape().Check(b); !isCheckError(err, "column", ssz.ErrLimit) {
		t.Errorf("error %v, want ErrLimit", err)
	}
}

// How many bytes an inclusion list may have follows from how many its transactions may have.
func TestSizeOfInclusionLists(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		config              uint64
		transactions, bytes int
		size                int
		want                error
	}{
		{8192, 1, 8192, 8348, nil},
		{8192, 65, 126, 8602, nil},
		{8192, 8192, 1, 41112, nil},
		{8192, 1, 41112 - 156, 41112, nil},
		{8192, 1, 41112 - 155, 41113, ssz.ErrSize},
		{4096, 4096, 1, 152 + 5*4096, nil},
		{4096, 4097, 1, 152 + 5*4097, ssz.ErrSize},
		{16384, 16384, 1, 152 + 5*16384, nil},
	} {
		cfg := ssz.Mainnet().Config()
		cfg.MaxTransactionsBytesPerInclusionList = test.config
		n, err := ssz.NewNetwork(cfg, ssz.Mainnet().GenesisTime(), ssz.Root{})
		if err != nil {
			t.Fatal(err)
		}
		of, err := n.TypeOf(ssz.Heze, "SignedInclusionList")
		if err != nil {
			t.Fatal(err)
		}
		list := new(containers.SignedInclusionList)
		for range test.transactions {
			list.Message.Transactions = append(list.Message.Transactions, make([]byte, test.bytes))
		}
		b, err := list.MarshalSSZ()
		if err != nil || len(b) != test.size {
			t.Errorf("%d bytes, error %v, want %d", len(b), err, test.size)
		}
		if err := of.Shape().Check(b); !errors.Is(err, test.want) {
			t.Errorf("%d of %d bytes: check: error %v, want %v", test.config, len(b), err, test.want)
		}
		if _, err := of.Decode(b); !errors.Is(err, test.want) {
			t.Errorf("%d of %d bytes: decode: error %v, want %v", test.config, len(b), err, test.want)
		}
	}
}

// No truncation, no changed byte and nothing behind the end makes the check or a decoder panic, and
// what they let pass is the encoding of what was decoded.
func TestMangled(t *testing.T) {
	t.Parallel()
	for _, v := range allVectors(t) {
		if v.Variant != 2 {
			continue
		}
		t.Run(v.Preset+"/"+v.Fork+"/"+v.Type, func(t *testing.T) {
			t.Parallel()
			step := max(1, len(v.SSZ)/500)
			if v.Type == "SignedBeaconBlock" {
				step = 1
			}
			for i := 0; i < len(v.SSZ); i += step {
				testMangled(t, &v, v.SSZ[:i])
				testMangled(t, &v, at(v.SSZ, i, v.SSZ[i]^0xff))
			}
			testMangled(t, &v, append(slices.Clip(v.SSZ), 0))
			testMangled(t, &v, append(slices.Clip(v.SSZ), v.SSZ...))
		})
	}
}

func testMangled(t *testing.T, v *vector, b []byte) {
	t.Helper()
	object, err := v.decode(t, b)
	if err != nil {
		if _, ok := errors.AsType[*ssz.CheckError](err); !ok {
			t.Errorf("%.100x: error %v is no CheckError", b, err)
		}
		return
	}
	if got, err := object.MarshalSSZ(); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%.100x: encodes to other bytes, error %v", b, err)
	}
}
