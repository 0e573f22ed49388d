package shape_test

import (
	"errors"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

func isCheckError(err error, path string, reason error) bool {
	check, ok := errors.AsType[*shape.CheckError](err)
	return ok && check.Path == path && errors.Is(err, reason)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	pair := shape.Container("Pair",
		shape.Field{"flag", shape.Boolean()},
		shape.Field{"number", shape.Uint(2)},
	)
	both := shape.Container("Both",
		shape.Field{"first", shape.ByteList(3)},
		shape.Field{"second", shape.List(shape.Uint(1), 4)},
	)
	for _, test := range []struct {
		name   string
		of     *shape.Shape
		in     string
		path   string
		reason error // nil if well formed
	}{
		{"uint", shape.Uint(4), "\x01\x02\x03\x04", "", nil},
		{"uint cut", shape.Uint(4), "\x01\x02\x03", "", shape.ErrSize},
		{"uint and more", shape.Uint(4), "\x01\x02\x03\x04\x05", "", shape.ErrSize},
		{"uint without bytes", shape.Uint(1), "", "", shape.ErrSize},
		{"false", shape.Boolean(), "\x00", "", nil},
		{"true", shape.Boolean(), "\x01", "", nil},
		{"boolean of 2", shape.Boolean(), "\x02", "", shape.ErrBoolean},
		{"boolean without bytes", shape.Boolean(), "", "", shape.ErrSize},
		{"bytes", shape.ByteVector(2), "ab", "", nil},
		{"byte too many", shape.ByteVector(2), "abc", "", shape.ErrSize},
		{"byte list", shape.ByteList(2), "ab", "", nil},
		{"empty byte list", shape.ByteList(2), "", "", nil},
		{"byte list over limit", shape.ByteList(2), "abc", "", shape.ErrLimit},
		{"bitvector", shape.Bitvector(10), "\xff\x03", "", nil},
		{"bitvector with padding set", shape.Bitvector(10), "\xff\x07", "", shape.ErrPadding},
		{"bitvector without padding", shape.Bitvector(8), "\xff", "", nil},
		{"bitvector cut", shape.Bitvector(10), "\xff", "", shape.ErrSize},
		{"bitlist", shape.Bitlist(10), "\xff\x07", "", nil},
		{"empty bitlist", shape.Bitlist(10), "\x01", "", nil},
		{"bitlist over limit", shape.Bitlist(10), "\xff\x0f", "", shape.ErrLimit},
		{"bitlist over limit by bytes", shape.Bitlist(10), "\x00\x00\x01", "", shape.ErrLimit},
		{"bitlist without end", shape.Bitlist(10), "\xff\x00", "", shape.ErrSentinel},
		{"bitlist without bytes", shape.Bitlist(10), "", "", shape.ErrSentinel},
		{"bitlist at limit of a byte", shape.Bitlist(8), "\x00\x01", "", nil},

		{"vector", shape.Vector(pair, 2), "\x00\x01\x02\x01\x01\x02", "", nil},
		{"vector with bad element", shape.Vector(pair, 2), "\x00\x01\x02\x03\x01\x02", "[1].flag", shape.ErrBoolean},
		{"vector of opaque elements", shape.Vector(shape.Uint(2), 2), "abc", "", shape.ErrSize},
		{"vector of variable elements", shape.Vector(shape.ByteList(2), 2), "\x08\x00\x00\x00\x09\x00\x00\x00abb", "", nil},
		{"vector with one of two", shape.Vector(shape.ByteList(2), 2), "\x04\x00\x00\x00a", "", shape.ErrOffset},
		{"vector of variable elements without bytes", shape.Vector(shape.ByteList(2), 2), "", "", shape.ErrSize},

		{"list", shape.List(pair, 2), "\x00\x01\x02\x01\x01\x02", "", nil},
		{"empty list", shape.List(pair, 2), "", "", nil},
		{"list with half an element", shape.List(pair, 2), "\x00\x01\x02\x01", "", shape.ErrSize},
		{"list over limit", shape.List(pair, 2), "\x00\x01\x02\x00\x01\x02\x00\x01\x02", "", shape.ErrLimit},
		{"list with bad element", shape.List(pair, 2), "\x00\x01\x02\x02\x01\x02", "[1].flag", shape.ErrBoolean},
		{"list of variable elements", shape.List(shape.ByteList(1), 2), "\x08\x00\x00\x00\x09\x00\x00\x00ab", "", nil},
		{"list of empty elements", shape.List(shape.ByteList(1), 2), "\x08\x00\x00\x00\x08\x00\x00\x00", "", nil},
		{"empty list of variable elements", shape.List(shape.ByteList(1), 2), "", "", nil},
		{"list with a cut offset", shape.List(shape.ByteList(1), 2), "\x04\x00\x00", "", shape.ErrSize},
		{"list with first offset 0", shape.List(shape.ByteList(1), 2), "\x00\x00\x00\x00", "", shape.ErrOffset},
		{"list with first offset 5", shape.List(shape.ByteList(1), 2), "\x05\x00\x00\x00a", "", shape.ErrOffset},
		{"list with first offset beyond", shape.List(shape.ByteList(1), 2), "\x08\x00\x00\x00a", "", shape.ErrOffset},
		{"list with the first offset of many", shape.List(shape.ByteList(1), 2), "\xfc\xff\xff\xff", "", shape.ErrOffset},
		{"list with falling offsets", shape.List(shape.ByteList(1), 2), "\x08\x00\x00\x00\x07\x00\x00\x00a", "[1]", shape.ErrOffset},
		{"list with an offset beyond", shape.List(shape.ByteList(9), 2), "\x08\x00\x00\x00\x0a\x00\x00\x00a", "[1]", shape.ErrOffset},
		{
			"list of variable elements over limit", shape.List(shape.ByteList(1), 2),
			"\x0c\x00\x00\x00\x0c\x00\x00\x00\x0c\x00\x00\x00", "", shape.ErrLimit,
		},
		{
			"list with an element over limit", shape.List(shape.ByteList(1), 2),
			"\x08\x00\x00\x00\x08\x00\x00\x00ab", "[1]", shape.ErrLimit,
		},
		{
			"list in a list", shape.List(shape.List(shape.ByteList(0), 1), 1),
			"\x04\x00\x00\x00\x04\x00\x00\x00x", "[0][0]", shape.ErrLimit,
		},

		{"container", pair, "\x01ab", "", nil},
		{"container with bad field", pair, "\x02ab", "flag", shape.ErrBoolean},
		{"container cut", pair, "\x01a", "", shape.ErrSize},
		{"container and more", pair, "\x01abc", "", shape.ErrSize},
		{"variable container", both, "\x08\x00\x00\x00\x0a\x00\x00\x00abcd", "", nil},
		{"variable container of nothing", both, "\x08\x00\x00\x00\x08\x00\x00\x00", "", nil},
		{"variable container cut", both, "\x08\x00\x00\x00\x08\x00\x00", "", shape.ErrSize},
		{"first offset into the fixed part", both, "\x04\x00\x00\x00\x08\x00\x00\x00", "first", shape.ErrOffset},
		{"first offset past a gap", both, "\x09\x00\x00\x00\x09\x00\x00\x00a", "first", shape.ErrOffset},
		{"falling offsets", both, "\x08\x00\x00\x00\x07\x00\x00\x00a", "second", shape.ErrOffset},
		{"offset beyond", both, "\x08\x00\x00\x00\x0a\x00\x00\x00a", "second", shape.ErrOffset},
		{"field over limit", both, "\x08\x00\x00\x00\x0c\x00\x00\x00abcd", "first", shape.ErrLimit},
		{"last field over limit", both, "\x08\x00\x00\x00\x08\x00\x00\x00abcde", "second", shape.ErrLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.of.Check([]byte(test.in))
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
	outer := shape.Container("Outer", shape.Field{"flags", shape.List(shape.Boolean(), 9)})
	err := outer.Check([]byte{4, 0, 0, 0, 1, 7})
	if err == nil || err.Error() != "Outer.flags[1]: boolean is neither 0 nor 1: 7" {
		t.Errorf("error %q", err)
	}
	err = shape.List(shape.Boolean(), 9).Check([]byte{7})
	if err == nil || err.Error() != "List[0]: boolean is neither 0 nor 1: 7" {
		t.Errorf("error %q", err)
	}
	err = shape.Uint(8).Check(nil)
	if err == nil || err.Error() != "uint: wrong size: 0 bytes, want 8" {
		t.Errorf("error %q", err)
	}
}
