package json_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

// everything is a message with a field of each sort.
type everything struct {
	Name    string           `json:"name"`
	Age     *uint8           `json:"age"`
	Bytes   serde.Bytes      `json:"bytes"`
	Unit    serde.Unit       `json:"unit"`
	Float   float64          `json:"float"`
	Short   float32          `json:"short"`
	Signed  int64            `json:"signed"`
	Array   [3]uint16        `json:"array"`
	Vector  []variants       `json:"vector"`
	Map     map[string]int32 `json:"map"`
	Numbers map[uint8]bool   `json:"numbers"`
	Tree    *everything      `json:"tree"`
	Any     any              `json:"any"`
}

func FuzzRead(f *testing.F) {
	for _, g := range golden {
		f.Add([]byte(g.text))
		f.Add([]byte(`{"any":` + g.text + `}`))
	}
	f.Add([]byte(`{"name":"é","age":7,"bytes":[1,255],"unit":null,"float":1e22,"short":0.1,"signed":-1,"array":[1,2,3],` +
		`"vector":[{"B":5},{"C":{"x":-1}}],"map":{"a":1},"numbers":{"7":true},"tree":{"name":"\ud83d\ude00"},"any":[null,{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		fuzzRead[everything](t, text)
		fuzzRead[any](t, text)
		fuzzRead[serde.Bytes](t, text)
		fuzzRead[string](t, text)
	})
}

// fuzzRead checks that what can be read can be written, and is the same again.
func fuzzRead[T any](t *testing.T, text []byte) {
	t.Helper()
	const limit = 1 << 16
	read := new(T)
	err := json.Codec{}.ReadResponse(reader(string(text)), "", limit, read)
	if (err == io.EOF) != (len(text) == 0) {
		t.Fatalf("got %v for %d bytes", err, len(text))
	}
	if err != nil {
		return
	}
	wire, err := json.Codec{}.AppendRequest(nil, "", read)
	if err != nil {
		t.Fatalf("%q was read but cannot be written: %v", text, err)
	}
	again := new(T)
	if err := (json.Codec{}).ReadRequest(reader(string(wire)), "", len(wire), again); err != nil {
		t.Fatalf("%q became %q: %v", text, wire, err)
	}
	// Not the values: a nil slice is read from null and written as null, but a map
	// that is empty is not nil.
	same, err := json.Codec{}.AppendRequest(nil, "", again)
	if err != nil || !bytes.Equal(same, wire) {
		t.Errorf("%q became %q and then %q, %v", text, wire, same, err)
	}
}
