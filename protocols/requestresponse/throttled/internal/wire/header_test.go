package wire_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled/internal/wire"
)

// bytesOf parses hexadecimal text, spaces ignored.
func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// prefixed puts a header's length in front of it.
func prefixed(header []byte) []byte {
	if len(header) < 0x80 {
		return append([]byte{byte(len(header))}, header...)
	}
	return append([]byte{byte(len(header)) | 0x80, byte(len(header) >> 7)}, header...)
}

func read(b []byte) (wire.Header, error) { return wire.Read(bytes.NewReader(b)) }

// show prints a header as the vectors do.
func show(h wire.Header) string {
	typ := "None"
	if h.Type != wire.TypeNone {
		name := h.Type.String()
		typ = "Some(" + strings.ToUpper(name[:1]) + name[1:] + ")"
	}
	return fmt.Sprintf("Header { typ: %s, credit: %s, ident: %s }", typ, showNumber(h.Credit), showNumber(h.Ident))
}

func showNumber[T any](n *T) string {
	if n == nil {
		return "None"
	}
	return fmt.Sprintf("Some(%v)", *n)
}

// A vectors is what a version of minicbor wrote, line by line, and what it made of what it
// read.
type vectors struct {
	version string
	written map[string]string // the bytes, with their length in front
	read    map[string]string // what it read, or an error
}

func loadVectors(t testing.TB) (all []vectors) {
	t.Helper()
	paths, err := filepath.Glob("testdata/minicbor-*.txt")
	if err != nil || len(paths) != 2 {
		t.Fatalf("found %q, %v, want two files", paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		v := vectors{filepath.Base(path), make(map[string]string), make(map[string]string)}
		for line := range strings.Lines(string(text)) {
			v.add(t, strings.TrimSpace(line))
		}
		all = append(all, v)
	}
	return all
}

func (v *vectors) add(t testing.TB, line string) {
	if name, result, ok := strings.Cut(line, " -> "); ok {
		v.read[strings.TrimSpace(strings.TrimPrefix(name, "decode "))] = result
		return
	}
	name, encoded, ok := strings.Cut(line, " len ")
	length, header, ok2 := strings.Cut(encoded, " hdr ")
	if !ok || !ok2 {
		t.Fatalf("%s has line %q", v.version, line)
	}
	v.written[strings.TrimSpace(name)] = length + header
}

// headers are those that the vectors name.
var headers = map[string]wire.Header{
	"request":                           {Type: wire.TypeRequest},
	"response":                          {Type: wire.TypeResponse},
	"credit 1 id 0":                     wire.Credit(0, 1),
	"credit 5 id 1":                     wire.Credit(1, 5),
	"credit 23 id 2":                    wire.Credit(2, 23),
	"credit 24 id 23":                   wire.Credit(23, 24),
	"credit 255 id 24":                  wire.Credit(24, 255),
	"credit 256 id 255":                 wire.Credit(255, 256),
	"credit 65535 id 65536":             wire.Credit(65536, 65535),
	"credit 10 id 4294967296":           wire.Credit(1<<32, 10),
	"credit 10 id 18446744073709551615": wire.Credit(1<<64-1, 10),
	"ack id 0":                          wire.Ack(0),
	"ack id 23":                         wire.Ack(23),
	"ack id 24":                         wire.Ack(24),
	"ack id 256":                        wire.Ack(256),
	"ack id 65536":                      wire.Ack(65536),
	"empty":                             {},
}

// encodings are the headers that the vectors tell to have read.
var encodings = map[string]string{
	"a0":                                   "a0",
	"request canonical a1 00 82 00 80":     "a1 00 82 00 80",
	"request typ as bare uint a1 00 00":    "a1 00 00",
	"explicit nulls a3":                    "a3 00 82 00 80 01 f6 02 f6",
	"typ null a1 00 f6":                    "a1 00 f6",
	"unknown key 9:true":                   "a2 00 82 00 80 09 f5",
	"unknown key 9:[1,{2:h'00'}]":          "a2 09 82 01 a1 02 41 00 00 82 00 80",
	"text key":                             "a1 61 61 00",
	"trailing byte":                        "a1 00 82 00 80 00",
	"indef map":                            "bf 00 82 00 80 ff",
	"inner indef array a1 00 9f 00 80 ff":  "a1 00 9f 00 80 ff",
	"inner variant fields indef array":     "a1 00 82 00 9f ff",
	"variant fields non-empty 82 00 81 05": "a1 00 82 00 81 05",
	"unknown variant 4":                    "a1 00 82 04 80",
	"variant with a0 payload":              "a1 00 82 00 a0",
	"variant array len 1":                  "a1 00 81 00",
	"array-encoded header 81 82 00 80":     "81 82 00 80",
	"non minimal int key 18 00":            "a1 18 00 82 00 80",
	"dup key":                              "a2 00 82 00 80 00 82 01 80",
	"credit out of u16":                    "a2 00 82 02 80 01 1a 00 01 00 00",
	"credit non-minimal 1a 00000005":       "a2 00 82 02 80 01 1a 00 00 00 05",
	"order swapped":                        "a3 02 05 01 07 00 82 02 80",
	"empty":                                "",
}

func TestScenario32GoldenHeaderBytes(t *testing.T) {
	for _, v := range loadVectors(t) {
		if len(v.written) != len(headers) {
			t.Errorf("%s has %d headers, want %d", v.version, len(v.written), len(headers))
		}
		for name, text := range v.written {
			h, ok := headers[name]
			if !ok {
				t.Errorf("%s: nothing is known of %q", v.version, name)
				continue
			}
			want := bytesOf(t, text)
			if got := h.Append(nil); !bytes.Equal(got, want) {
				t.Errorf("%s: %s is written as % x, want % x", v.version, name, got, want)
			}
			if got, err := read(want); err != nil || !reflect.DeepEqual(got, h) {
				t.Errorf("%s: %s is read as %s, %v", v.version, name, show(got), err)
			}
		}
	}
}

func TestScenario32ToleranceTable(t *testing.T) {
	for _, v := range loadVectors(t) {
		if len(v.read) != len(encodings) {
			t.Errorf("%s has %d encodings, want %d", v.version, len(v.read), len(encodings))
		}
		for name, want := range v.read {
			encoding, ok := encodings[name]
			if !ok {
				t.Errorf("%s: nothing is known of %q", v.version, name)
				continue
			}
			h, err := read(prefixed(bytesOf(t, encoding)))
			got := "Ok(" + show(h) + ")"
			if err != nil {
				got, want = "Err", want[:min(len(want), len("Err"))]
			}
			if got != want {
				t.Errorf("%s: %s is read as %s, %v, want %s", v.version, name, got, err, want)
			}
			if err != nil && !errors.Is(err, wire.ErrHeader) {
				t.Errorf("%s: error %v does not wrap ErrHeader", name, err)
			}
		}
	}
}

// TestSkippedValues covers what may stand under a key that is not known, or in place of the
// empty array.
func TestSkippedValues(t *testing.T) {
	nested := func(depth int, bottom string) string { return strings.Repeat("81", depth) + bottom }
	for name, tt := range map[string]struct {
		value string
		ok    bool
	}{
		"unsigned":                        {"1b ff ff ff ff ff ff ff ff", true},
		"negative":                        {"3b ff ff ff ff ff ff ff ff", true},
		"text":                            {"62 68 69", true},
		"bytes in chunks":                 {"5f 41 00 40 42 00 00 ff", true},
		"text in chunks":                  {"7f 61 61 ff", true},
		"array in an open array":          {"9f 01 82 02 03 9f ff ff", true},
		"map in an open map":              {"bf 01 a1 02 03 04 bf ff ff", true},
		"tagged":                          {"c1 1a 00 00 00 01", true},
		"tagged array":                    {"d9 d9 f7 81 00", true},
		"half float":                      {"f9 3e 00", true},
		"double":                          {"fb 3f f8 00 00 00 00 00 00", true},
		"undefined":                       {"f7", true},
		"simple":                          {"f8 20", true},
		"array with a long head":          {"9b 00 00 00 00 00 00 00 01 00", true},
		"deep":                            {nested(64, "00"), true},
		"too deep":                        {nested(65, "00"), false},
		"too deep tags":                   {strings.Repeat("c0", 65) + "00", false},
		"far too deep":                    {nested(8000, "00"), false},
		"open arrays only":                {strings.Repeat("9f", 8000), false},
		"break without a start":           {"ff", false},
		"break in a definite array":       {"82 00 ff", false},
		"open map that breaks at a value": {"bf 00 ff", false},
		"array that is cut off":           {"82 00", false},
		"array that claims 2^64-1":        {"9b ff ff ff ff ff ff ff ff 00", false},
		"map that claims 2^64-1":          {"bb ff ff ff ff ff ff ff ff 00", false},
		"bytes that are cut off":          {"43 00 00", false},
		"bytes that claim 2^64-1":         {"5b ff ff ff ff ff ff ff ff", false},
		"integer that is cut off":         {"19 00", false},
		"reserved length":                 {"1c", false},
		"open integer":                    {"1f", false},
		"open tag":                        {"df 00", false},
		"chunk of another kind":           {"5f 61 61 ff", false},
		"open chunk":                      {"5f 5f ff ff", false},
		"chunks without an end":           {"5f 41 00", false},
	} {
		for where, header := range map[string]string{
			"unknown key": "a2 18 ff" + tt.value + "00 82 00 80",
			"in the type": "a1 00 82 00" + tt.value,
		} {
			h, err := read(prefixed(bytesOf(t, header)))
			if ok := err == nil && h.Type == wire.TypeRequest; ok != tt.ok {
				t.Errorf("%s, %s: got %s, %v", name, where, show(h), err)
			}
		}
	}
}

func TestWidthsOfIntegers(t *testing.T) {
	for name, tt := range map[string]struct {
		header string
		want   string
	}{
		"key of four bytes":        {"a1 1a 00 00 00 00 82 00 80", "typ: Some(Request)"},
		"key of eight bytes":       {"a1 1b 00 00 00 00 00 00 00 00 82 00 80", ""},
		"negative key":             {"a1 20 82 00 80", ""},
		"type of four bytes":       {"a1 00 82 1a 00 00 00 03 80", "typ: Some(Ack)"},
		"type of eight bytes":      {"a1 00 82 1b 00 00 00 00 00 00 00 03 80", ""},
		"array of a long head":     {"a1 00 98 02 01 80", "typ: Some(Response)"},
		"map of a long head":       {"b9 00 01 00 82 01 80", "typ: Some(Response)"},
		"credit of two bytes":      {"a1 01 19 00 01", "credit: Some(1)"},
		"ident of eight bytes":     {"a1 02 1b 00 00 00 00 00 00 00 01", "ident: Some(1)"},
		"undefined for a credit":   {"a1 01 f7", ""},
		"type in an open map":      {"bf 00 82 01 80", ""},
		"known keys, one repeated": {"a3 01 05 01 06 01 f6", "credit: None"},
	} {
		h, err := read(prefixed(bytesOf(t, tt.header)))
		if (err == nil) != (tt.want != "") || !strings.Contains(show(h), tt.want) {
			t.Errorf("%s: got %s, %v, want %q", name, show(h), err, tt.want)
		}
	}
}

func TestScenario33HeaderOver8192IsRejected(t *testing.T) {
	header := func(n int) []byte {
		b := append(bytesOf(t, "a1 00 82 00 80"), make([]byte, n-5)...) // trailing bytes
		return prefixed(b)
	}
	if h, err := read(header(8192)); err != nil || h.Type != wire.TypeRequest {
		t.Errorf("8192 bytes: got %s, %v", show(h), err)
	}
	for _, n := range []int{8193, 16383} {
		r := &countingReader{r: bytes.NewReader(header(n))}
		if _, err := wire.Read(bufio.NewReaderSize(r, 16)); !errors.Is(err, wire.ErrHeader) {
			t.Errorf("%d bytes: got %v", n, err)
		}
		if r.n > 16 {
			t.Errorf("%d bytes were read of a header of %d", r.n, n)
		}
	}
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestLengths(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes string
		want  error
	}{
		"nothing":            {"", io.EOF},
		"cut off length":     {"80", io.ErrUnexpectedEOF},
		"cut off header":     {"05 a1 00 82", io.ErrUnexpectedEOF},
		"no header":          {"05", io.ErrUnexpectedEOF},
		"length not minimal": {"85 00 a1 00 82 00 80", wire.ErrHeader},
		"three bytes":        {"80 80 01", wire.ErrHeader},
		"ten bytes":          {"ff ff ff ff ff ff ff ff ff 01", wire.ErrHeader},
		"empty header":       {"00", wire.ErrHeader},
	} {
		if _, err := read(bytesOf(t, tt.bytes)); !errors.Is(err, tt.want) || tt.want == io.EOF && err != io.EOF {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, h := range headers {
		f.Add(h.Append(nil))
	}
	for _, text := range encodings {
		f.Add(prefixed(bytesOf(f, text)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := read(b)
		if err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, wire.ErrHeader) {
				t.Fatalf("error %v is of no known kind", err)
			}
			return
		}
		encoded := h.Append(nil)
		if len(encoded) > 20 || len(encoded) > len(b) {
			t.Errorf("% x is longer than what it was read from", encoded)
		}
		if again, err := read(encoded); err != nil || !reflect.DeepEqual(again, h) {
			t.Errorf("%s is read as %s, %v, when written again", show(h), show(again), err)
		}
	})
}
