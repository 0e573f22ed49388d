package json_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

const limit = 1 << 20

func TestMalformedText(t *testing.T) {
	for _, c := range []struct {
		name, text string
		into       any
		want       string // in the error's text
	}{
		{"trailing bytes", `{"name":"a"}{}`, new(greet), "after top-level value"},
		{"trailing zero", "{\"name\":\"a\"}\x00", new(greet), "after top-level value"},
		{"byte order mark", "\ufeff{}", new(greet), "looking for beginning of value"},
		{"not JSON", `greet`, new(greet), "looking for beginning of value"},
		{"not UTF-8", "{\"name\":\"\xff\"}", new(greet), "not UTF-8"},
		{"not UTF-8 in what is ignored", "{\"name\":\"a\",\"x\":\"\xff\"}", new(greet), "not UTF-8"},
		{"high surrogate alone", `"\ud800"`, new(string), "surrogate"},
		{"low surrogate alone", `"\udc00"`, new(string), "surrogate"},
		{"two high surrogates", `"\ud800\ud800"`, new(string), "surrogate"},
		{"high surrogate and text", `"\ud800x\udc00"`, new(string), "surrogate"},
		{"high surrogate and letter", `"\uD83D\u0041"`, new(string), "surrogate"},
		{"control in string", "\"\n\"", new(string), "in string literal"},
		{"wrong type", `{"name":1}`, new(greet), "cannot unmarshal number"},
		{"float for an integer", `1.0`, new(uint8), "cannot unmarshal number"},
		{"exponent for an integer", `1e2`, new(uint64), "cannot unmarshal number"},
		{"out of range", `256`, new(uint8), "cannot unmarshal number"},
		{"float out of range", `1e400`, new(float64), "cannot unmarshal number"},
		{"struct as array", `["a",7]`, new(greet), "cannot unmarshal array"},
		{"unit as object", `{}`, new(serde.Unit), "no unit"},
		{"bytes as string", `"cGluZw=="`, new(serde.Bytes), "no array"},
		{"bytes as null", `null`, new(serde.Bytes), "no array"},
		{"bytes over 255", `[1,256]`, new(serde.Bytes), "element 1 is no byte"},
		{"too deep", strings.Repeat("[", 128) + strings.Repeat("]", 128), new(any), "nested more than 127 deep"},
		{
			"too deep in what is ignored", `{"x":` + strings.Repeat(`{"":`, 127) + "1" + strings.Repeat("}", 128),
			new(greet), "nested more",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := json.Codec{}.ReadRequest(reader(c.text), "", limit, c.into)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v tells of an end", err)
			}
		})
	}
}

// What encoding/json takes and serde does not.
func TestLenience(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       any // a pointer
	}{
		{"field twice", `{"name":"a","name":"b"}`, &greet{Name: "b"}},
		{"name in another case", `{"NAME":"a"}`, &greet{Name: "a"}},
		{"field left out", `{}`, &greet{}},
		{"field null", `{"name":null}`, &greet{}},
		{"short array", `[1,2]`, &[3]byte{1, 2}},
		{"long array", `[1,2,3,4]`, &[3]byte{1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) { wantRead(t, c.text, c.want) })
	}
}

func TestDeepestText(t *testing.T) {
	text := strings.Repeat("[", 127) + strings.Repeat("]", 127)
	if err := (json.Codec{}).ReadRequest(reader(text), "", limit, new(any)); err != nil {
		t.Error(err)
	}
	brackets := `"` + strings.Repeat(`[\"{`, 200) + `"`
	if err := (json.Codec{}).ReadRequest(reader(brackets), "", limit, new(string)); err != nil {
		t.Error(err)
	}
}

func TestTruncatedText(t *testing.T) {
	text := `{"name":"a\u00e9\\","age":[-1.5e+3,true,null,{"":{}}]}`
	for n := range len(text) {
		err := json.Codec{}.ReadRequest(reader(text[:n]), "", limit, new(any))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: got %v", text[:n], err)
		}
		err = json.Codec{}.ReadResponse(reader(text[:n]), "", limit, new(any))
		if n == 0 && err != io.EOF || n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: got %v", text[:n], err)
		}
	}
	if err := (json.Codec{}).ReadResponse(reader(" \n"), "", limit, new(any)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("space alone: got %v", err)
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	for name, msg := range map[string]any{
		"channel":        new(chan int),
		"not UTF-8":      &greet{Name: "a\xff"},
		"key not UTF-8":  &map[string]int{"\xff": 1},
		"half surrogate": &greet{Name: "\xed\xa0\x80"},
	} {
		if text, err := (json.Codec{}).AppendResponse(nil, "", msg); err == nil {
			t.Errorf("%s: got %q", name, text)
		}
	}
}
