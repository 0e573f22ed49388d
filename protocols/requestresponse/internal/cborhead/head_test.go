package cborhead_test

import (
	"encoding/hex"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/cborhead"
)

func TestHeads(t *testing.T) {
	for _, c := range []struct {
		major byte
		arg   uint64
		hex   string
	}{
		{cborhead.Bytes, 0, "40"},
		{cborhead.Text, 23, "77"},
		{cborhead.Array, 24, "9818"},
		{cborhead.Array, 255, "98ff"},
		{cborhead.Map, 256, "b90100"},
		{cborhead.Map, 65535, "b9ffff"},
		{cborhead.Tag, 65536, "da00010000"},
		{cborhead.Tag, math.MaxUint32, "daffffffff"},
		{cborhead.Array, math.MaxUint32 + 1, "9b0000000100000000"},
		{cborhead.Array, math.MaxUint64, "9bffffffffffffffff"},
	} {
		head := cborhead.Append(nil, c.major, c.arg)
		if hex.EncodeToString(head) != c.hex {
			t.Errorf("major type %d of %d: got %x, want %s", c.major, c.arg, head, c.hex)
		}
		h, rest, err := cborhead.Cut(append(head, 7))
		want := cborhead.Head{Major: c.major, Arg: c.arg, Size: len(head) - 1}
		if err != nil || h != want || len(rest) != 1 {
			t.Errorf("%s: got %+v, %x, %v", c.hex, h, rest, err)
		}
		for n := range head {
			if h, _, err := cborhead.Cut(head[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%x: got %+v, %v", head[:n], h, err)
			}
		}
	}
}

func TestHeadsOfNoArgument(t *testing.T) {
	for data, want := range map[byte]cborhead.Head{
		0x5f: {Major: cborhead.Bytes, Indefinite: true},
		0x9f: {Major: cborhead.Array, Indefinite: true},
		0xff: {Major: cborhead.Simple, Indefinite: true},
	} {
		h, _, err := cborhead.Cut([]byte{data})
		if err != nil || h != want || h.IsBreak() != (data == cborhead.Break) {
			t.Errorf("%x: got %+v, %v", data, h, err)
		}
	}
	for _, reserved := range []byte{0x1c, 0x1f, 0x3f, 0x5d, 0xdf, 0xfe} {
		if h, _, err := cborhead.Cut([]byte{reserved, 0, 0, 0, 0, 0, 0, 0, 0}); err == nil ||
			errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%x: got %+v, %v", reserved, h, err)
		}
	}
}
