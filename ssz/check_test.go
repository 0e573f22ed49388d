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

func TestCheck(t *testing.T) {
	t.Parallel()
	pair := ssz.Container("Pair",
		ssz.Field{"flag", ssz.Boolean()},
		ssz.Field{"number", ssz.Uint(2)},
	)
	both := ssz.Container("Both",
		ssz.Field{"first", ssz.ByteList(3)},
		ssz.Field{"second", ssz.List(ssz.Uint(1), 4)},
	)
	for _, test := range []struct {
		name   string
		shape  *ssz.Shape
		in     string
		path   string
		reason error // nil if well formed
	}{
		{"uint", ssz.Uint(4), "\x01\x02\x03\x04", "", nil},
		{"uint cut", ssz.Uint(4), "\x01\x02\x03", "", ssz.ErrSize},
		{"uint and more", ssz.Uint(4), "\x01\x02\x03\x04\x05", "", ssz.ErrSize},
		{"uint without bytes", ssz.Uint(1), "", "", ssz.ErrSize},
		{"false", ssz.Boolean(), "\x00", "", nil},
		{"true", ssz.Boolean(), "\x01", "", nil},
		{"boolean of 2", ssz.Boolean(), "\x02", "", ssz.ErrBoolean},
		{"boolean without bytes", ssz.Boolean(), "", "", ssz.ErrSize},
		{"bytes", ssz.ByteVector(2), "ab", "", nil},
		{"byte too many", ssz.ByteVector(2), "abc", "", ssz.ErrSize},
		{"byte list", ssz.ByteList(2), "ab", "", nil},
		{"empty byte list", ssz.ByteList(2), "", "", nil},
		{"byte list over limit", ssz.ByteList(2), "abc", "", ssz.ErrLimit},
		{"bitvector", ssz.Bitvector(10), "\xff\x03", "", nil},
		{"bitvector with padding set", ssz.Bitvector(10), "\xff\x07", "", ssz.ErrPadding},
		{"bitvector without padding", ssz.Bitvector(8), "\xff", "", nil},
		{"bitvector cut", ssz.Bitvector(10), "\xff", "", ssz.ErrSize},
		{"bitlist", ssz.Bitlist(10), "\xff\x07", "", nil},
		{"empty bitlist", ssz.Bitlist(10), "\x01", "", nil},
		{"bitlist over limit", ssz.Bitlist(10), "\xff\x0f", "", ssz.ErrLimit},
		{"bitlist over limit by bytes", ssz.Bitlist(10), "\x00\x00\x01", "", ssz.ErrLimit},
		{"bitlist without end", ssz.Bitlist(10), "\xff\x00", "", ssz.ErrSentinel},
		{"bitlist without bytes", ssz.Bitlist(10), "", "", ssz.ErrSentinel},
		{"bitlist at limit of a byte", ssz.Bitlist(8), "\x00\x01", "", nil},

		{"vector", ssz.Vector(pair, 2), "\x00\x01\x02\x01\x01\x02", "", nil},
		{"vector with bad element", ssz.Vector(pair, 2), "\x00\x01\x02\x03\x01\x02", "[1].flag", ssz.ErrBoolean},
		{"vector of opaque elements", ssz.Vector(ssz.Uint(2), 2), "abc", "", ssz.ErrSize},
		{"vector of variable elements", ssz.Vector(ssz.ByteList(2), 2), "\x08\x00\x00\x00\x09\x00\x00\x00abb", "", nil},
		{"vector with one of two", ssz.Vector(ssz.ByteList(2), 2), "\x04\x00\x00\x00a", "", ssz.ErrOffset},
		{"vector of variable elements without bytes", ssz.Vector(ssz.ByteList(2), 2), "", "", ssz.ErrSize},

		{"list", ssz.List(pair, 2), "\x00\x01\x02\x01\x01\x02", "", nil},
		{"empty list", ssz.List(pair, 2), "", "", nil},
		{"list with half an element", ssz.List(pair, 2), "\x00\x01\x02\x01", "", ssz.ErrSize},
		{"list over limit", ssz.List(pair, 2), "\x00\x01\x02\x00\x01\x02\x00\x01\x02", "", ssz.ErrLimit},
		{"list with bad element", ssz.List(pair, 2), "\x00\x01\x02\x02\x01\x02", "[1].flag", ssz.ErrBoolean},
		{"list of variable elements", ssz.List(ssz.ByteList(1), 2), "\x08\x00\x00\x00\x09\x00\x00\x00ab", "", nil},
		{"list of empty elements", ssz.List(ssz.ByteList(1), 2), "\x08\x00\x00\x00\x08\x00\x00\x00", "", nil},
		{"empty list of variable elements", ssz.List(ssz.ByteList(1), 2), "", "", nil},
		{"list with a cut offset", ssz.List(ssz.ByteList(1), 2), "\x04\x00\x00", "", ssz.ErrSize},
		{"list with first offset 0", ssz.List(ssz.ByteList(1), 2), "\x00\x00\x00\x00", "", ssz.ErrOffset},
		{"list with first offset 5", ssz.List(ssz.ByteList(1), 2), "\x05\x00\x00\x00a", "", ssz.ErrOffset},
		{"list with first offset beyond", ssz.List(ssz.ByteList(1), 2), "\x08\x00\x00\x00a", "", ssz.ErrOffset},
		{"list with the first offset of many", ssz.List(ssz.ByteList(1), 2), "\xfc\xff\xff\xff", "", ssz.ErrOffset},
		{"list with falling offsets", ssz.List(ssz.ByteList(1), 2), "\x08\x00\x00\x00\x07\x00\x00\x00a", "[1]", ssz.ErrOffset},
		{"list with an offset beyond", ssz.List(ssz.ByteList(9), 2), "\x08\x00\x00\x00\x0a\x00\x00\x00a", "[1]", ssz.ErrOffset},
		{
			"list of variable elements over limit", ssz.List(ssz.ByteList(1), 2),
			"\x0c\x00\x00\x00\x0c\x00\x00\x00\x0c\x00\x00\x00", "", ssz.ErrLimit,
		},
		{
			"list with an element over limit", ssz.List(ssz.ByteList(1), 2),
			"\x08\x00\x00\x00\x08\x00\x00\x00ab", "[1]", ssz.ErrLimit,
		},
		{
			"list in a list", ssz.List(ssz.List(ssz.ByteList(0), 1), 1),
			"\x04\x00\x00\x00\x04\x00\x00\x00x", "[0][0]", ssz.ErrLimit,
		},

		{"container", pair, "\x01ab", "", nil},
		{"container with bad field", pair, "\x02ab", "flag", ssz.ErrBoolean},
		{"container cut", pair, "\x01a", "", ssz.ErrSize},
		{"container and more", pair, "\x01abc", "", ssz.ErrSize},
		{"variable container", both, "\x08\x00\x00\x00\x0a\x00\x00\x00abcd", "", nil},
		{"variable container of nothing", both, "\x08\x00\x00\x00\x08\x00\x00\x00", "", nil},
		{"variable container cut", both, "\x08\x00\x00\x00\x08\x00\x00", "", ssz.ErrSize},
		{"first offset into the fixed part", both, "\x04\x00\x00\x00\x08\x00\x00\x00", "first", ssz.ErrOffset},
		{"first offset past a gap", both, "\x09\x00\x00\x00\x09\x00\x00\x00a", "first", ssz.ErrOffset},
		{"falling offsets", both, "\x08\x00\x00\x00\x07\x00\x00\x00a", "second", ssz.ErrOffset},
		{"offset beyond", both, "\x08\x00\x00\x00\x0a\x00\x00\x00a", "second", ssz.ErrOffset},
		{"field over limit", both, "\x08\x00\x00\x00\x0c\x00\x00\x00abcd", "first", ssz.ErrLimit},
		{"last field over limit", both, "\x08\x00\x00\x00\x08\x00\x00\x00abcde", "second", ssz.ErrLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.shape.Check([]byte(test.in))
			if test.reason == nil && err != nil {
				t.Errorf("error %v, want none", err)
			}
			if test.reason != nil && !isCheckError(err, test.path, test.reason) {
				t.Errorf("error %v, want %v at %q", err, test.reason, test.path)
			}
		})
	}
}

func TestCheckErrorSaysWhatAndWhere(t *testing.T) {
	t.Parallel()
	shape := ssz.Container("Outer", ssz.Field{"flags", ssz.List(ssz.Boolean(), 9)})
	err := shape.Check([]byte{4, 0, 0, 0, 1, 7})
	if err == nil || err.Error() != "Outer.flags[1]: boolean is neither 0 nor 1: 7" {
		t.Errorf("error %q", err)
	}
	err = ssz.List(ssz.Boolean(), 9).Check([]byte{7})
	if err == nil || err.Error() != "List[0]: boolean is neither 0 nor 1: 7" {
		t.Errorf("error %q", err)
	}
	err = ssz.Uint(8).Check(nil)
	if err == nil || err.Error() != "uint: wrong size: 0 bytes, want 8" {
		t.Errorf("error %q", err)
	}
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
