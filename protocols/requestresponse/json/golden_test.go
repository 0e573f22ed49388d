package json_test

import (
	"bufio"
	"math"
	"math/big"
	"reflect"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

type greet struct {
	Name string `json:"name"`
	Age  *uint8 `json:"age"`
}

// pair is a tuple of Rust's.
type pair [2]any

// variants is an enum of Rust's whose variants all have fields.
type variants struct {
	B *uint8     `json:"B,omitempty"`
	C *position  `json:"C,omitempty"`
	D *[2]uint32 `json:"D,omitempty"`
}

type position struct {
	X int64 `json:"x"`
}

// golden is what serde_json 1.0.154 writes for the values of Rust that are like
// these of Go.
var golden = []struct {
	name  string
	value any // a pointer
	text  string
}{
	{"newtype of Vec<u8>", new(serde.Bytes("ping")), `[112,105,110,103]`},
	{"empty Vec<u8>", &serde.Bytes{}, `[]`},
	{"[u8; 3]", &[3]byte{1, 2, 3}, `[1,2,3]`},
	{"Option::None", &greet{Name: "a"}, `{"name":"a","age":null}`},
	{"Option::Some", &greet{Name: "a", Age: new(uint8(7))}, `{"name":"a","age":7}`},
	{"unit", &serde.Unit{}, `null`},
	{"empty struct", &struct{}{}, `{}`},
	{"tuple", &pair{1.0, "x"}, `[1,"x"]`},
	{"unit variant", new("A"), `"A"`},
	{"newtype variant", &variants{B: new(uint8(5))}, `{"B":5}`},
	{"struct variant", &variants{C: &position{-1}}, `{"C":{"x":-1}}`},
	{"tuple variant", &variants{D: &[2]uint32{1, 2}}, `{"D":[1,2]}`},
	{"f64", new(1.5), `1.5`},
	{"least f64", new(2.2250738585072014e-308), `2.2250738585072014e-308`},
	{"f64 of a large exponent", new(1e22), `1e+22`},
	{"f32", new(float32(0.1)), `0.1`},
	{"u64::MAX", new(uint64(math.MaxUint64)), `18446744073709551615`},
	{"i64::MIN", new(int64(math.MinInt64)), `-9223372036854775808`},
	{"u128::MAX", bigInt("340282366920938463463374607431768211455"), `340282366920938463463374607431768211455`},
	{"i128::MIN", bigInt("-170141183460469231731687303715884105728"), `-170141183460469231731687303715884105728`},
	{"bool", new(true), `true`},
	{"String", new("hi"), `"hi"`},
	{"BTreeMap<String, _>", &map[string]int{"k": 1, "aa": 2}, `{"aa":2,"k":1}`},
	{"Vec<Option<u8>>", &[]*uint8{new(uint8(1)), nil}, `[1,null]`},
	{"Vec<u32>", &[]uint32{0, 23, 255, 65536, math.MaxUint32}, `[0,23,255,65536,4294967295]`},
	{"controls", new("\"\\/\b\f\n\r\t\x00\x1f\x7f"), `"\"\\/\b\f\n\r\t\u0000\u001f` + "\x7f\""},
	{"no escapes", new("<>&\u2028\u2029\ufffdé😀"), "\"<>&\u2028\u2029\ufffdé😀\""},
	{"escapes spelled out", new(`\u2028\\u2029\ufffd` + "\u2028"), `"\\u2028\\\\u2029\\ufffd` + "\u2028\""},
}

func bigInt(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic(s)
	}
	return n
}

func reader(text string) *bufio.Reader { return codectest.Reader([]byte(text)) }

func TestGoldenText(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			text, err := json.Codec{}.AppendRequest([]byte("before"), "", g.value)
			if err != nil || string(text) != "before"+g.text {
				t.Errorf("got %q, %v, want %q", text, err, g.text)
			}
			wantRead(t, g.text, g.value)
		})
	}
}

// What serde_json writes otherwise than this codec is read by both.
func TestTextOfOtherWriters(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       any // a pointer
	}{
		{"f64 of an integer", `1.0`, new(1.0)},
		{"f64 written by Go", `1`, new(1.0)},
		{"negative zero", `-0.0`, new(math.Copysign(0, -1))},
		{"f64 of 17 digits", `1e+16`, new(1e16)},
		{"small f64", `1.5e-6`, new(1.5e-6)},
		{"field unknown", `{"name":"a","x":[{"y":null}]}`, &greet{Name: "a"}},
		{"Option left out", `{"name":"a"}`, &greet{Name: "a"}},
		{"space around", " \t\r\n{\"name\":\"a\"}\n", &greet{Name: "a"}},
		{"escapes", `"\u00e9\ud83d\ude00\/\\ud800"`, new(`é😀/\ud800`)},
		{"HashMap in any order", `{"b":1,"a":2}`, &map[string]int{"a": 2, "b": 1}},
	} {
		t.Run(c.name, func(t *testing.T) { wantRead(t, c.text, c.want) })
	}
}

// wantRead checks that text is read as what want points to.
func wantRead(t *testing.T, text string, want any) {
	t.Helper()
	got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
	err := json.Codec{}.ReadRequest(reader(text), "", len(text), got)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
