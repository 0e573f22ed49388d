package cbor_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/cbor"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

const limit = 1 << 20

func TestMalformedItems(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		into      any
		want      string // in the error's text
	}{
		{"tagged integer", "c1 01", new(uint64), "tag 1"},
		{"tagged in what is ignored", "a2 64 6e616d65 61 61 61 78 d9 d9f7 01", new(greet), "tag 55799"},
		{"tagged in anything", "81 c0 74 323031332d30332d32315432303a30343a30305a", new(any), "tag 0"},
		{"tag in a bignum", "c2 c2 41 01", new(any), "tag"},
		{"field twice", "a2 64 6e616d65 61 61 64 6e616d65 61 62", new(greet), "duplicate map key"},
		{"key twice", "a2 61 6b 01 61 6b 02", new(map[string]int), "duplicate map key"},
		{"struct as array", "82 61 61 07", new(greet), "cannot unmarshal array"},
		{"unit as null", "f6", new(serde.Unit), "no unit"},
		{"bytes as null", "f6", new(serde.Bytes), "neither array nor byte string"},
		{"bytes over 255", "82 01 19 0100", new(serde.Bytes), "element 1 is no byte"},
		{"wrong type", "a1 64 6e616d65 01", new(greet), "cannot unmarshal positive integer"},
		{"bytes for a string", "a1 64 6e616d65 41 61", new(greet), "cannot unmarshal byte string"},
		{"text not UTF-8", "a1 64 6e616d65 61 ff", new(greet), "invalid UTF-8"},
		{"negative for unsigned", "20", new(uint64), "cannot unmarshal negative integer"},
		{"out of range", "19 0100", new(uint8), "cannot unmarshal positive integer"},
		{"beyond 64 bits", "c2 49 010000000000000000", new(uint64), "cannot unmarshal tag"},
		{"float for an integer", "fb 3ff0000000000000", new(uint8), "cannot unmarshal primitives"},
		{"simple value for an integer", "e7", new(uint8), "simple value 7"},
		{"simple value for anything", "f8 ff", new(any), "simple value 255"},
		{"reserved head", "1c", new(any), "invalid additional information"},
		{"break alone", "ff", new(any), "break"},
		{"too deep", strings.Repeat("81", deepest) + "80", new(any), "nested level 256"},
		{"far too deep", strings.Repeat("81", 10*deepest), new(any), "nested more than 256 deep"},
		{"maps too deep", strings.Repeat("a1 01", deepest+1) + "01", new(any), "nested more than 256 deep"},
		{"too deep in what is ignored", "a1 61 78" + strings.Repeat("81", deepest) + "80", new(greet), "nested"},
		{"too deep in siblings", "82 01" + strings.Repeat("81", deepest) + "00", new(any), "nested"},
		{"indefinite lengths too deep", strings.Repeat("9f", indefinite+1), new(any), "indefinite length nested"},
		{"indefinite map too deep", strings.Repeat("bf 01", indefinite) + "81 9f", new(any), "indefinite length nested"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := cbor.Codec{}.ReadRequest(codectest.Reader(unhex(c.hex)), "", limit, c.into)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v tells of an end", err)
			}
		})
	}
}

// How deep items may be nested, and those of indefinite length.
const (
	deepest    = 256
	indefinite = 16
)

func TestDeepestItems(t *testing.T) {
	for name, wire := range map[string]string{
		"arrays":                   strings.Repeat("81", deepest-1) + "80",
		"maps":                     strings.Repeat("a1 01", deepest) + "01",
		"siblings":                 strings.Repeat("82 01", deepest-1) + "82 01 01",
		"indefinite lengths":       strings.Repeat("9f", indefinite) + strings.Repeat("ff", indefinite),
		"many indefinite lengths":  "98 40" + strings.Repeat("9f bf 01 7f 60 ff ff ff", 64),
		"deep behind their end":    "82 9f ff" + strings.Repeat("81", deepest-2) + "80",
		"deep trailing bytes":      "01" + strings.Repeat("81", 2*deepest),
		"tagged as trailing bytes": "81 01 c1 01",
	} {
		if err := (cbor.Codec{}).ReadRequest(codectest.Reader(unhex(wire)), "", limit, new(any)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What cbor4ii would not read.
func TestLenience(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      any // a pointer
	}{
		{"byte string for Vec<u8>", "44 70696e67", new(serde.Bytes("ping"))},
		{"Vec<u8> for a byte slice", "82 01 18 ff", &[]byte{1, 255}},
		{"half float", "f9 3e00", new(1.5)},
		{"single float", "fa 3fc00000", new(1.5)},
		{"integer for a float", "01", new(1.0)},
		{"bignum for an integer", "c2 41 05", new(uint64(5))},
		{"field left out", "a0", &greet{}},
		{"field null", "a1 64 6e616d65 f6", &greet{}},
		{"short array", "82 01 02", &[3]byte{1, 2}},
		{"long array", "84 01 02 03 04", &[3]byte{1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) { wantRead(t, c.hex, c.want) })
	}
}

func TestNamesOfFieldsAreExact(t *testing.T) {
	wantRead(t, "a1 64 4e414d45 61 61", &greet{})
}

func TestTruncatedItems(t *testing.T) {
	wire := unhex("a3 64 6e616d65 7f 61 61 ff 63 616765 9f c2 42 0101 fb 3ff8000000000000 ff 61 78 a1 19 0100 f5")
	for n := range len(wire) {
		err := cbor.Codec{}.ReadRequest(codectest.Reader(wire[:n]), "", limit, new(any))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%x: got %v", wire[:n], err)
		}
		err = cbor.Codec{}.ReadResponse(codectest.Reader(wire[:n]), "", limit, new(any))
		if n == 0 && err != io.EOF || n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%x: got %v", wire[:n], err)
		}
	}
	if err := (cbor.Codec{}).ReadRequest(codectest.Reader(wire), "", limit, new(any)); err != nil {
		t.Error(err)
	}
}

// Memory grows with what was received, not with what was announced.
func TestClaimsTakeNoMemory(t *testing.T) {
	for name, c := range map[string]struct {
		hex  string
		into func() any
	}{
		"array of anything": {"9b 000000007fffffff 00", func() any { return new(any) }},
		"array of structs":  {"9a 7fffffff a0", func() any { return new([]greet) }},
		"map":               {"ba 7fffffff 61 61", func() any { return new(map[string]int) }},
		"bytes":             {"9a 7fffffff 00", func() any { return new(serde.Bytes) }},
		"byte string":       {"5a 7fffffff 00", func() any { return new([]byte) }},
		"text":              {"7b 7fffffffffffffff 00", func() any { return new(string) }},
		"overflow":          {"9b ffffffffffffffff 00", func() any { return new(any) }},
	} {
		t.Run(name, func(t *testing.T) {
			wire := unhex(c.hex)
			const rounds = 50
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range rounds {
				if err := (cbor.Codec{}).ReadResponse(codectest.Reader(wire), "", limit, c.into()); err == nil {
					t.Fatal("was accepted")
				}
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 16<<10 {
				t.Errorf("%d bytes were taken for %d that came", each, len(wire))
			}
		})
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	if item, err := (cbor.Codec{}).AppendResponse(nil, "", new(chan int)); err == nil {
		t.Errorf("got %x", item)
	}
}
