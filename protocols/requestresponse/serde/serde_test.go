package serde_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

func allBytes() serde.Bytes {
	b := make(serde.Bytes, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// nested puts the types where a field, an element and an optional one are.
type nested struct {
	Bytes   serde.Bytes
	Many    []serde.Bytes
	Maybe   *serde.Bytes
	Unit    serde.Unit
	Nothing []serde.Unit
}

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		name      string
		value     any
		text, hex string
	}{
		{"bytes", serde.Bytes{0, 23, 24, 255}, `[0,23,24,255]`, "84 00 17 1818 18ff"},
		{"no bytes", serde.Bytes{}, `[]`, "80"},
		{"nil bytes", serde.Bytes(nil), `[]`, "80"},
		{"unit", serde.Unit{}, `null`, "80"},
		{
			"nested",
			nested{Many: []serde.Bytes{{1}, nil}, Nothing: []serde.Unit{{}}},
			`{"Bytes":[],"Many":[[1],[]],"Maybe":null,"Unit":null,"Nothing":[null]}`,
			"a5 654279746573 80 644d616e79 82 8101 80 654d61796265 f6 64556e6974 80 674e6f7468696e67 81 80",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal(c.value)
			if err != nil || string(text) != c.text {
				t.Errorf("got %s, %v, want %s", text, err, c.text)
			}
			item, err := cbor.Marshal(c.value)
			if err != nil || !bytes.Equal(item, unhex(c.hex)) {
				t.Errorf("got %x, %v, want %s", item, err, c.hex)
			}
		})
	}
}

func TestBytesRoundTrip(t *testing.T) {
	for _, want := range []serde.Bytes{{}, {7}, allBytes(), bytes.Repeat(allBytes(), 1000)} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got serde.Bytes
		if err := json.Unmarshal(text, &got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("JSON of %d bytes: got %d, %v", len(want), len(got), err)
		}
		item, err := cbor.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var again serde.Bytes
		if err := again.UnmarshalCBOR(item); err != nil || !bytes.Equal(again, want) {
			t.Errorf("CBOR of %d bytes: got %d, %v", len(want), len(again), err)
		}
	}
}

func TestBytesOfOtherWriters(t *testing.T) {
	for name, c := range map[string]struct {
		hex  string
		want string
	}{
		"array of indefinite length":       {"9f 18ff 01 ff", "ff01"},
		"long form of a small number":      {"81 1801", "01"},
		"long form of the length":          {"9a 00000001 05", "05"},
		"empty array of indefinite length": {"9f ff", ""},
		"byte string":                      {"44 70696e67", "70696e67"},
		"byte string of indefinite length": {"5f 42 7069 40 42 6e67 ff", "70696e67"},
		"empty byte string":                {"40", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got serde.Bytes
			if err := got.UnmarshalCBOR(unhex(c.hex)); err != nil || got == nil || hex.EncodeToString(got) != c.want {
				t.Errorf("got %x, %v, want %s", got, err, c.want)
			}
		})
	}
	var got serde.Bytes
	if err := got.UnmarshalJSON([]byte("[ 1 ,\n2 ]")); err != nil || !bytes.Equal(got, []byte{1, 2}) {
		t.Errorf("with space: got %v, %v", got, err)
	}
}

func TestNoBytes(t *testing.T) {
	for _, text := range []string{
		``, `null`, `{}`, `"AQ=="`, `[`, `[1`, `1]`, `[256]`, `[-1]`, `[1.0]`, `[1e1]`, `[+1]`, `[,]`, `[1,]`, `[[1]]`,
		`[null]`, `["1"]`, `["1,2"]`,
	} {
		if err := new(serde.Bytes).UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
	for _, item := range []string{
		"", "f6", "a0", "00", "6161", "81", "8218", "811818ff", "8120", "81190001", "81f4", "8100ff", "9f00", "9f", "9fffff",
		"9bffffffffffffffff00", "9c", "4161ff", "42", "5bffffffffffffffff61", "5f", "5f41", "5f4161", "5f6161ff",
		"5f5fffff", "5fff00",
	} {
		if err := new(serde.Bytes).UnmarshalCBOR(unhex(item)); err == nil {
			t.Errorf("%s was accepted", item)
		}
	}
}

func TestUnit(t *testing.T) {
	var u serde.Unit
	if err := json.Unmarshal([]byte(" null "), &u); err != nil {
		t.Error(err)
	}
	if err := cbor.Unmarshal([]byte{0x80}, &u); err != nil {
		t.Error(err)
	}
	for _, text := range []string{`{}`, `[]`, `0`, `""`} {
		if err := json.Unmarshal([]byte(text), &u); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
	for _, item := range []string{"f6", "a0", "8100", "9fff", "00"} {
		if err := cbor.Unmarshal(unhex(item), &u); err == nil {
			t.Errorf("%s was accepted", item)
		}
	}
}

func FuzzBytes(f *testing.F) {
	for _, seed := range []string{
		"80", "8418701869186e1867", "9f18ff01ff", "4470696e67", "5f42706940426e67ff",
		"9a0000000105",
	} {
		f.Add(unhex(seed))
	}
	f.Add([]byte(`[1,255]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b, again serde.Bytes
		if b.UnmarshalCBOR(data) == nil {
			item, _ := b.MarshalCBOR()
			if err := again.UnmarshalCBOR(item); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x became %x: %v", data, item, err)
			}
		}
		if b.UnmarshalJSON(data) == nil {
			text, _ := b.MarshalJSON()
			if err := again.UnmarshalJSON(text); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%s became %s: %v", data, text, err)
			}
		}
		if cap(b) > 2*len(data)+64 {
			t.Errorf("%d bytes took %d", len(data), cap(b))
		}
	})
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}
