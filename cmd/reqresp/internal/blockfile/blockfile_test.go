package blockfile_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/blockfile"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func chain(t testing.TB) []*beacon.Block {
	t.Helper()
	blocks, err := devchain.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// readAll returns the records of a file and the error they end with, and checks that it is the
// last.
func readAll(t testing.TB, file io.Reader) (records []blockfile.Record, last error) {
	t.Helper()
	for record, err := range blockfile.Read(file) {
		if last != nil {
			t.Fatalf("record %v after the error %v", record, last)
		}
		if last = err; err != nil {
			records = append(records, blockfile.Record{Line: record.Line})
			continue
		}
		records = append(records, record)
	}
	return records, last
}

func zip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadUnderstandsBothKinds(t *testing.T) {
	t.Parallel()
	block := chain(t)[4]
	text := hex.EncodeToString(block.SSZ)
	for _, test := range []struct {
		name, file string
		want       []blockfile.Record
	}{
		{"raw SSZ", string(block.SSZ), []blockfile.Record{{SSZ: block.SSZ}}},
		{"bare line", fmt.Sprintf(`{"ssz_hex":"%s"}`, text), []blockfile.Record{{Line: 1, SSZ: block.SSZ}}},
		{
			"claims",
			fmt.Sprintf(`{"slot":5,"context_hex":"%x","ssz_hex":"0x%s","block_root_hex":"%v","other":[1]}`+"\n",
				block.Digest[:], text, block.Root),
			[]blockfile.Record{{Line: 1, SSZ: block.SSZ, Slot: &block.Slot, Root: &block.Root, Digest: &block.Digest}},
		},
		{
			"empty lines",
			fmt.Sprintf("\r\n {\"ssz_hex\":\"%s\"}\r\n\n{\"ssz_hex\":\"%s\"}\n\n", text, text),
			[]blockfile.Record{{Line: 2, SSZ: block.SSZ}, {Line: 4, SSZ: block.SSZ}},
		},
	} {
		for _, packed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/gzip=%v", test.name, packed), func(t *testing.T) {
				t.Parallel()
				file := []byte(test.file)
				if packed {
					file = zip(t, file)
				}
				got, err := readAll(t, iotest.OneByteReader(bytes.NewReader(file)))
				if err != nil || !reflect.DeepEqual(got, test.want) {
					t.Errorf("got %v, error %v, want %v", got, err, test.want)
				}
			})
		}
	}
}

func TestReadNamesTheLineOfAnError(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf(`{"ssz_hex":"%x"}`+"\n", chain(t)[0].SSZ)
	zipped := zip(t, []byte(good))
	for _, test := range []struct {
		name, file string
		records    int // with that of the error
		line       int
		want       string
	}{
		{"empty", "", 1, 0, "empty file"},
		{"only space", " \n\n", 1, 0, "no blocks"},
		{"other text", "slot,root\n", 1, 1, "neither JSON lines nor"},
		{"other text later", good + "x", 2, 2, "neither JSON lines nor"},
		{"array", "[" + good + "]", 1, 1, "neither JSON lines nor"},
		{"cut JSON", good + good[:20], 2, 2, "unexpected end of JSON"},
		{"two objects", strings.TrimSpace(good) + good, 1, 1, "after top-level value"},
		{"no ssz", `{"slot":1}`, 1, 1, "ssz_hex is missing"},
		{"bad hex", `{"ssz_hex":"6400zz"}`, 1, 1, "ssz_hex: encoding/hex"},
		{"odd hex", `{"ssz_hex":"640"}`, 1, 1, "ssz_hex: encoding/hex"},
		{"short root", `{"ssz_hex":"64","block_root_hex":"00"}`, 1, 1, `root "00": want 64`},
		{"negative slot", `{"ssz_hex":"64","slot":-1}`, 1, 1, "slot"},
		{"cut gzip", string(zipped[:len(zipped)-12]), 2, 2, "unexpected EOF"},
		{"gzip of nothing", "\x1f\x8b", 1, 0, "unexpected EOF"},
		{"long line", `{"ssz_hex":"` + strings.Repeat("0", 2*snappy.MaxPayloadSize+2<<20), 1, 1, "longer than any block"},
		{"long SSZ", "\x64\x00\x00\x00" + strings.Repeat("0", snappy.MaxPayloadSize), 1, 0, "longer than any block"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			records, err := readAll(t, strings.NewReader(test.file))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if n := len(records); n != test.records || records[n-1].Line != test.line {
				t.Errorf("%d records, the last of line %d, want %d and line %d", n, records[n-1].Line, test.records, test.line)
			}
		})
	}
}

func TestReadEndsWhenTheCallerHasEnough(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf(`{"ssz_hex":"%x"}`+"\n", chain(t)[0].SSZ)
	n := 0
	for range blockfile.Read(strings.NewReader(good + good)) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

func TestReadPassesOnTheErrorOfTheFile(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	good := fmt.Sprintf(`{"ssz_hex":"%x"}`+"\n", chain(t)[0].SSZ)
	for _, start := range []string{"", "{", good, string(chain(t)[0].SSZ)} {
		_, err := readAll(t, io.MultiReader(strings.NewReader(start), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: error %v, want %v", len(start), err, broken)
		}
	}
}

func TestPeekSlot(t *testing.T) {
	t.Parallel()
	block := chain(t)[141]
	line := fmt.Appendf(nil, `{"slot":142,"ssz_hex":"%x"}`, block.SSZ)
	for _, test := range []struct {
		name string
		file []byte
		want ssz.Slot
		ok   bool
		fail bool
	}{
		{"SSZ", block.SSZ, 142, true, false},
		{"zipped SSZ", zip(t, block.SSZ), 142, true, false},
		{"lines", line, 0, false, false},
		{"zipped lines", zip(t, line), 0, false, false},
		{"cut SSZ", block.SSZ[:120], 0, false, true},
		{"empty", nil, 0, false, true},
	} {
		slot, ok, err := blockfile.PeekSlot(bytes.NewReader(test.file))
		if slot != test.want || ok != test.ok || (err != nil) != test.fail {
			t.Errorf("%s: slot %d, %v, error %v", test.name, slot, ok, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	block := chain(f)[0]
	f.Add(block.SSZ)
	f.Add(zip(f, block.SSZ))
	f.Add(fmt.Appendf(nil, `{"slot":1,"ssz_hex":"%x","block_root_hex":"%v"}`, block.SSZ, block.Root))
	f.Add([]byte("{}\n{}"))
	f.Fuzz(func(t *testing.T, file []byte) {
		records, err := readAll(t, bytes.NewReader(file))
		if len(records) == 0 {
			t.Fatal("neither a block nor an error")
		}
		for i, r := range records {
			if failed := err != nil && i == len(records)-1; len(r.SSZ) == 0 && !failed {
				t.Errorf("record %d has no SSZ", i)
			}
		}
	})
}
