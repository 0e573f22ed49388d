package shape_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	pair := shape.Container("Pair",
		shape.Field{Name: "some_number", Shape: shape.Uint(2)},
		shape.Field{Name: "some_bytes", Shape: shape.ByteList(3)},
	)
	for _, test := range []struct {
		name     string
		of       *shape.Shape
		in, want string
	}{
		{"uint8", shape.Uint(1), "\xff", `"255"`},
		{"uint64", shape.Uint(8), "\xff\xff\xff\xff\xff\xff\xff\xff", `"18446744073709551615"`},
		{"uint128", shape.Uint(16), strings.Repeat("\x00", 15) + "\x01", `"1329227995784915872903807060280344576"`},
		{"uint256", shape.Uint(32), "\x07" + strings.Repeat("\x00", 31), `"7"`},
		{
			"largest", shape.Uint(32), strings.Repeat("\xff", 32),
			`"115792089237316195423570985008687907853269984665640564039457584007913129639935"`,
		},
		{"true", shape.Boolean(), "\x01", `true`},
		{"false", shape.Boolean(), "\x00", `false`},
		{"bytes", shape.ByteVector(3), "\x00\xab\xff", `"0x00abff"`},
		{"no bytes", shape.ByteList(3), "", `"0x"`},
		{"bitvector", shape.Bitvector(10), "\xff\x03", `"0xff03"`},
		{"bitlist with its end bit", shape.Bitlist(10), "\xff\x07", `"0xff07"`},
		{"empty list", shape.List(shape.Uint(8), 3), "", `[]`},
		{"list", shape.List(shape.Uint(2), 3), "\x01\x00\x02\x00", `["1","2"]`},
		{"vector", shape.Vector(shape.Boolean(), 2), "\x01\x00", `[true,false]`},
		{
			"containers", shape.List(pair, 3), "\x08\x00\x00\x00\x0f\x00\x00\x00" + "\x01\x00\x06\x00\x00\x00a" + "\x02\x00\x06\x00\x00\x00",
			`[{"some_number":"1","some_bytes":"0x61"},{"some_number":"2","some_bytes":"0x"}]`,
		},
	} {
		got, err := test.of.AppendJSON([]byte("before"), []byte(test.in))
		if err != nil || string(got) != "before"+test.want {
			t.Errorf("%s: %s, error %v, want %s", test.name, got, err, test.want)
		}
		if !json.Valid([]byte(test.want)) {
			t.Errorf("%s: %s is no JSON", test.name, test.want)
		}
	}
}

func TestJSONOfMalformedValue(t *testing.T) {
	t.Parallel()
	got, err := shape.Boolean().AppendJSON([]byte("before"), []byte{2})
	if !isCheckError(err, "", shape.ErrBoolean) || string(got) != "before" {
		t.Errorf("%q, error %v, want ErrBoolean", got, err)
	}
}

func ExampleShape_AppendJSON() {
	checkpoint := shape.Container("Checkpoint",
		shape.Field{Name: "epoch", Shape: shape.Uint(8)},
		shape.Field{Name: "root", Shape: shape.ByteVector(4)},
	)
	text, err := checkpoint.AppendJSON(nil, []byte{7, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0xef, 0x01})
	fmt.Printf("%s %v", text, err)
	// Output:
	// {"epoch":"7","root":"0xabcdef01"} <nil>
}
