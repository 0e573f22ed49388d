package ssz_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
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

func TestCheckOfWellFormedBlockAllocatesNothing(t *testing.T) {
	n := ssz.Mainnet()
	big := bigBlock(t)
	allocs := testing.AllocsPerRun(10, func() {
		if err := n.CheckBlock(ssz.Electra, big); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

// Neither a truncation nor a changed byte makes the check or the decoder panic, and what they
// let pass is the encoding of what was decoded.
func TestMangledBlocks(t *testing.T) {
	t.Parallel()
	for _, v := range allVectors(t) {
		if v.Type != "SignedBeaconBlock" || v.Variant != 2 {
			continue
		}
		t.Run(v.Preset+"/"+v.Fork, func(t *testing.T) {
			t.Parallel()
			n, fork := v.network(t), v.fork(t)
			for i := range v.SSZ {
				testMangled(t, n, fork, v.SSZ[:i])
				testMangled(t, n, fork, at(v.SSZ, i, v.SSZ[i]^0xff))
			}
		})
	}
}

func testMangled(t *testing.T, n *ssz.Network, fork ssz.Fork, b []byte) {
	t.Helper()
	block, err := n.DecodeBlock(fork, b)
	if err != nil {
		if _, ok := errors.AsType[*ssz.CheckError](err); !ok {
			t.Errorf("%x: error %v is no CheckError", b, err)
		}
		return
	}
	if got, err := block.MarshalSSZ(); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%x: encodes to other bytes, error %v", b, err)
	}
}
