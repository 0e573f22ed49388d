package cbor_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/cbor"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

type greet struct {
	Name string `cbor:"name"`
	Age  *uint8 `cbor:"age"`
}

// pair is a tuple struct of Rust's.
type pair struct {
	_ struct{} `cbor:",toarray"`
	N uint8
	S string
}

// variants is an enum of Rust's whose variants all have fields.
type variants struct {
	B *uint8     `cbor:"B,omitempty"`
	C *position  `cbor:"C,omitempty"`
	D *[2]uint32 `cbor:"D,omitempty"`
}

type position struct {
	X int64 `cbor:"x"`
}

// golden is what cbor4ii writes, in the same way in its versions 0.3.3, 1.2.2 and
// 1.2.4, for the values of Rust that are like these of Go.
var golden = []struct {
	name  string
	value any // a pointer
	hex   string
}{
	{"newtype of Vec<u8>", new(serde.Bytes("ping")), "84 18 70 18 69 18 6e 18 67"},
	{"empty Vec<u8>", &serde.Bytes{}, "80"},
	{"[u8; 3]", &[3]byte{1, 2, 3}, "83 01 02 03"},
	{"Option::None in a struct", &greet{Name: "a"}, "a2 64 6e616d65 61 61 63 616765 f6"},
	{"Option::Some in a struct", &greet{Name: "a", Age: new(uint8(7))}, "a2 64 6e616d65 61 61 63 616765 07"},
	{"Option::None", new(*uint8), "f6"},
	{"unit", &serde.Unit{}, "80"},
	{"empty struct", &struct{}{}, "a0"},
	{"tuple struct", &pair{N: 1, S: "x"}, "82 01 61 78"},
	{"unit variant", new("A"), "61 41"},
	{"newtype variant", &variants{B: new(uint8(5))}, "a1 61 42 05"},
	{"struct variant", &variants{C: &position{-1}}, "a1 61 43 a1 61 78 20"},
	{"tuple variant", &variants{D: &[2]uint32{1, 2}}, "a1 61 44 82 01 02"},
	{"f64", new(1.5), "fb 3ff8000000000000"},
	{"f64 of an integer", new(1.0), "fb 3ff0000000000000"},
	{"f64 infinity", new(math.Inf(1)), "fb 7ff0000000000000"},
	{"f32", new(float32(1.5)), "fa 3fc00000"},
	{"u64::MAX", new(uint64(math.MaxUint64)), "1b ffffffffffffffff"},
	{"i64::MIN", new(int64(math.MinInt64)), "3b 7fffffffffffffff"},
	{"u128::MAX", bigInt("340282366920938463463374607431768211455"), "c2 50 ffffffffffffffffffffffffffffffff"},
	{"u128 of 65 bits", bigInt("18446744073709551616"), "c2 49 010000000000000000"},
	{"u128 of 3 bits", bigInt("7"), "07"},
	{"i128::MIN", bigInt("-170141183460469231731687303715884105728"), "c3 50 7fffffffffffffffffffffffffffffff"},
	{"true", new(true), "f5"},
	{"String", new("hi"), "62 68 69"},
	{"char", new("é"), "62 c3a9"},
	{"BTreeMap", &map[string]int{"k": 1}, "a1 61 6b 01"},
	{"empty BTreeMap", &map[string]int{}, "a0"},
	{"Vec<Option<u8>>", &[]*uint8{new(uint8(1)), nil}, "82 01 f6"},
	{
		"Vec<u32>", &[]uint32{0, 23, 24, 255, 256, 65535, 65536, math.MaxUint32},
		"88 00 17 1818 18ff 190100 19ffff 1a00010000 1affffffff",
	},
	{"Vec of serde_bytes", &[]byte{1, 255}, "42 01 ff"},
}

func bigInt(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic(s)
	}
	return n
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestGoldenItems(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			want := unhex(g.hex)
			item, err := cbor.Codec{}.AppendRequest([]byte("before"), "", g.value)
			if err != nil || !bytes.Equal(item, append([]byte("before"), want...)) {
				t.Errorf("got %x, %v, want %s", item, err, g.hex)
			}
			wantRead(t, g.hex, g.value)
		})
	}
}

// Rust has no nil vectors and maps, and takes no null for one.
func TestNilIsEmpty(t *testing.T) {
	type message struct {
		Vec   []string
		Map   map[string]int
		Bytes serde.Bytes
		Maybe *[]string
	}
	item, err := cbor.Codec{}.AppendRequest(nil, "", &message{})
	want := unhex("a4 63 566563 80 63 4d6170 a0 65 4279746573 80 65 4d61796265 f6")
	if err != nil || !bytes.Equal(item, want) {
		t.Errorf("got %x, %v, want %x", item, err, want)
	}
}

func TestNaNIsNotShortened(t *testing.T) {
	item, err := cbor.Codec{}.AppendRequest(nil, "", new(math.NaN()))
	if err != nil || len(item) != 9 || item[0] != 0xfb {
		t.Errorf("got %x, %v", item, err)
	}
}

// What cbor4ii reads, though it would not write it.
func TestItemsOfOtherWriters(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      any // a pointer
	}{
		{"trailing bytes", "81 01 ff ff", &serde.Bytes{1}},
		{"array of indefinite length", "9f 01 02 ff", &serde.Bytes{1, 2}},
		{"field unknown", "a2 64 6e616d65 61 61 61 78 83 01 a0 f5", &greet{Name: "a"}},
		{"Option left out", "a1 64 6e616d65 61 61", &greet{Name: "a"}},
		{"Option undefined", "a2 64 6e616d65 61 61 63 616765 f7", &greet{Name: "a"}},
		{"map of indefinite length", "bf 64 6e616d65 61 61 ff", &greet{Name: "a"}},
		{"text of indefinite length", "a1 64 6e616d65 7f 61 61 61 62 ff", &greet{Name: "ab"}},
		{"long form of an integer", "1b 0000000000000001", new(uint64(1))},
	} {
		t.Run(c.name, func(t *testing.T) { wantRead(t, c.hex, c.want) })
	}
}

// wantRead checks that an item is read as what want points to.
func wantRead(t *testing.T, hex string, want any) {
	t.Helper()
	wire := unhex(hex)
	got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
	err := cbor.Codec{}.ReadRequest(codectest.Reader(wire), "", len(wire), got)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
