package snappy_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/seed-2dd5877b/reqresp/snappy"
)

var (
	small   = []byte("eight by")
	tooMany = bytes.Repeat([]byte{7}, 65537)
)

// valid holds frames and the canonical ones that are kept of them.
var valid = []struct {
	name         string
	frames, kept []byte
	ssz          []byte
}{
	{"nothing", nil, nil, nil},
	{"one uncompressed chunk", frames(plain(small)), frames(plain(small)), small},
	{"one compressed chunk", frames(packed(small)), frames(packed(small)), small},
	{"both", frames(packed(small), plain(small)), frames(packed(small), plain(small)), slices.Concat(small, small)},
	{"uncompressed chunk of 64 KiB", frames(plain(noise(65536))), frames(plain(noise(65536))), noise(65536)},
	{"compressed chunk of 64 KiB", frames(packed(sample(65536))), frames(packed(sample(65536))), sample(65536)},
	{"highest compression", frames(packed(make([]byte, 65536))), frames(packed(make([]byte, 65536))), make([]byte, 65536)},
	{
		"copy with a four-byte offset",
		frames(block([]byte("abababab"), []byte("\x08\x04ab\x17\x02\x00\x00\x00"))),
		frames(block([]byte("abababab"), []byte("\x08\x04ab\x17\x02\x00\x00\x00"))),
		[]byte("abababab"),
	},
	{
		"block length in more bytes than it needs",
		frames(block(small, []byte("\x88\x00\x1ceight by"))), frames(block(small, []byte("\x88\x00\x1ceight by"))), small,
	},
	{"skippable chunk 0x80", frames(chunk(0x80, []byte("skip")), plain(small)), frames(plain(small)), small},
	{"skippable chunk 0xfd", frames(chunk(0xfd, nil), plain(small)), frames(plain(small)), small},
	{"padding of junk", frames(chunk(0xfe, []byte("junk")), plain(small)), frames(plain(small)), small},
	{"padding up to the maximum", frames(chunk(0xfe, make([]byte, 11)), plain(small)), frames(plain(small)), small},
	{
		"long padding within a long payload",
		frames(plain(noise(60_000)), chunk(0xfe, make([]byte, 9000)), plain(noise(60_000))),
		frames(plain(noise(60_000)), plain(noise(60_000))),
		slices.Concat(noise(60_000), noise(60_000)),
	},
	{"repeated stream identifier", frames([]byte(identifier), plain(small)), frames(plain(small)), small},
	{"empty uncompressed chunk", frames(plain(nil), plain(small)), frames(plain(small)), small},
	{"empty compressed chunk", frames(packed(nil), plain(small)), frames(plain(small)), small},
}

// readers are ways in which a stream may deliver bytes.
var readers = map[string]func(io.Reader) io.Reader{
	"at once":           func(r io.Reader) io.Reader { return r },
	"byte by byte":      iotest.OneByteReader,
	"halves":            iotest.HalfReader,
	"end with the data": iotest.DataErrReader,
}

func TestReadPayload(t *testing.T) {
	t.Parallel()
	for _, test := range valid {
		for name, wrap := range readers {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				next := []byte("next chunk")
				r := &counter{r: wrap(bytes.NewReader(append(bytes.Clone(test.frames), next...)))}
				var p snappy.Payload
				if err := snappy.ReadPayload(r, len(test.ssz), &p); err != nil {
					t.Fatal(err)
				}
				if r.n != len(test.frames) {
					t.Errorf("read %d bytes, want %d", r.n, len(test.frames))
				}
				if !bytes.Equal(p.SSZ, test.ssz) || !bytes.Equal(p.Frames, test.kept) {
					t.Errorf("got frames %.99x of %.99x", p.Frames, p.SSZ)
				}
				if n, err := snappy.CheckFrames(p.Frames); n != len(test.ssz) || err != nil {
					t.Errorf("kept frames: %d, %v", n, err)
				}
				if got, err := io.ReadAll(r); !bytes.Equal(got, next) || err != nil {
					t.Errorf("left %q, %v", got, err)
				}
			})
		}
	}
}

func TestAppendPayload(t *testing.T) {
	t.Parallel()
	for _, test := range valid {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := bytes.NewReader(append(bytes.Clone(test.frames), "next"...))
			got, err := snappy.AppendPayload([]byte("head"), r, len(test.ssz))
			if want := append([]byte("head"), test.ssz...); !bytes.Equal(got, want) || err != nil {
				t.Errorf("got %.99x, %v, want %.99x", got, err, want)
			}
			if r.Len() != len("next") {
				t.Errorf("left %d bytes, want %d", r.Len(), len("next"))
			}
		})
	}
}

func TestAppendDecoded(t *testing.T) {
	t.Parallel()
	for _, test := range valid {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := snappy.AppendDecoded([]byte("head"), test.frames, len(test.ssz))
			if want := append([]byte("head"), test.ssz...); !bytes.Equal(got, want) || err != nil {
				t.Errorf("got %.99x, %v, want %.99x", got, err, want)
			}
		})
	}
}

// corrupt holds frames that are wrong in themselves.
var corrupt = []struct {
	name   string
	frames []byte
	n      int
	want   error
}{
	{"data first", plain(small), 8, snappy.ErrNoStreamIdentifier},
	{"padding first", slices.Concat(chunk(0xfe, nil), frames(plain(small))), 8, snappy.ErrNoStreamIdentifier},
	{"skippable first", slices.Concat(chunk(0x80, nil), frames(plain(small))), 8, snappy.ErrNoStreamIdentifier},
	{"block format instead of frames", []byte("\x08\x1ceight by"), 8, snappy.ErrNoStreamIdentifier},
	{"identifier of another name", slices.Concat(chunk(0xff, []byte("sNaPpy")), plain(small)), 8, snappy.ErrBadStreamIdentifier},
	{"identifier too short", slices.Concat(chunk(0xff, []byte("sNaPp")), plain(small)), 8, snappy.ErrBadStreamIdentifier},
	{"identifier too long", slices.Concat(chunk(0xff, []byte("sNaPpY!")), plain(small)), 8, snappy.ErrBadStreamIdentifier},
	{"repeated identifier of another name", frames(chunk(0xff, []byte("S2sTwO")), plain(small)), 8, snappy.ErrBadStreamIdentifier},
	{"chunk type 0x02", frames(chunk(0x02, nil), plain(small)), 8, snappy.ErrChunkType},
	{"chunk type 0x7f", frames(chunk(0x7f, []byte("1234")), plain(small)), 8, snappy.ErrChunkType},
	{"uncompressed chunk without checksum", frames(chunk(0x01, []byte("123")), plain(small)), 8, snappy.ErrCorrupt},
	{"compressed chunk without checksum", frames(chunk(0x00, nil), plain(small)), 8, snappy.ErrCorrupt},
	{"compressed chunk without block", frames(chunk(0x00, sum(nil)), plain(small)), 8, snappy.ErrCorrupt},
	{"uncompressed chunk of 65537", frames(plain(tooMany)), 65537, snappy.ErrChunkTooLarge},
	{"compressed chunk of 65537", frames(packed(tooMany)), 65537, snappy.ErrChunkTooLarge},
	{"compressed chunk claims 4 GiB", frames(block(small, []byte("\xff\xff\xff\xff\x0f\x1ceight by"))), 8, snappy.ErrChunkTooLarge},
	{"compressed body of 76495", frames(chunk(0x00, make([]byte, 76495))), 200_000, snappy.ErrChunkTooLarge},
	{"block length unfinished", frames(block(nil, []byte{0x80})), 8, snappy.ErrCorrupt},
	{"block length of six bytes", frames(block(small, []byte("\x88\x80\x80\x80\x80\x00\x1ceight by"))), 8, snappy.ErrCorrupt},
	{"block expands more than any can", frames(block(make([]byte, 65536), []byte("\x80\x80\x04\x00\x00"))), 65536, snappy.ErrCorrupt},
	{"block longer than it says", frames(block(small[:7], []byte("\x07\x1ceight by"))), 7, snappy.ErrCorrupt},
	{"block shorter than it says", frames(block(small, []byte("\x08\x18eight b"))), 8, snappy.ErrCorrupt},
	{"literal beyond the block", frames(block(small, []byte("\x08\x1ceight"))), 8, snappy.ErrCorrupt},
	{"copy from before the beginning", frames(block(small, []byte("\x08\x00e\x19\x02"))), 8, snappy.ErrCorrupt},
	{"copy from offset zero", frames(block(small, []byte("\x08\x00e\x19\x00"))), 8, snappy.ErrCorrupt},
	{"checksum of other data, uncompressed", frames(chunk(0x01, append(sum(nil), small...))), 8, snappy.ErrChecksum},
	{"checksum of other data, compressed", frames(block(nil, []byte("\x08\x1ceight by"))), 8, snappy.ErrChecksum},
	{"checksum not masked", frames(chunk(0x01, append([]byte{0, 0, 0, 0}, make([]byte, 8)...))), 8, snappy.ErrChecksum},
	{"checksum of empty chunk", frames(chunk(0x01, []byte("1234")), plain(small)), 8, snappy.ErrChecksum},
	{"second chunk corrupt", frames(plain(small), chunk(0x01, append(sum(nil), small...))), 16, snappy.ErrChecksum},
}

func TestCorruptFrames(t *testing.T) {
	t.Parallel()
	for _, test := range corrupt {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for name, wrap := range readers {
				r := &counter{r: wrap(bytes.NewReader(test.frames))}
				var p snappy.Payload
				if err := snappy.ReadPayload(r, test.n, &p); !errors.Is(err, test.want) {
					t.Errorf("ReadPayload, %s: %v, want %v", name, err, test.want)
				}
				if limit := snappy.MaxCompressedLen(test.n); r.n > limit {
					t.Errorf("read %d bytes, the maximum is %d", r.n, limit)
				}
			}
			got, err := snappy.AppendPayload([]byte("head"), bytes.NewReader(test.frames), test.n)
			if string(got) != "head" || !errors.Is(err, test.want) {
				t.Errorf("AppendPayload = %d bytes, %v, want %v", len(got), err, test.want)
			}
			got, err = snappy.AppendDecoded([]byte("head"), test.frames, test.n)
			if string(got) != "head" || !errors.Is(err, test.want) {
				t.Errorf("AppendDecoded = %d bytes, %v, want %v", len(got), err, test.want)
			}
		})
	}
}

func TestReadPayloadExpectsExactly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		frames []byte
		n      int
		want   error
		read   int
	}{
		{"uncompressed chunk is not read if too long", frames(plain(small)), 7, snappy.ErrLengthExceeded, 14},
		{"compressed chunk", frames(packed(small)), 7, snappy.ErrLengthExceeded, 28},
		{"second chunk", frames(plain(small), plain(small)), 15, snappy.ErrLengthExceeded, 30},
		{"end before the first byte", nil, 8, io.ErrUnexpectedEOF, 0},
		{"end between chunks", frames(plain(small)), 9, io.ErrUnexpectedEOF, 26},
		{"padding one over the maximum", frames(chunk(0xfe, make([]byte, 12)), plain(small)), 8, snappy.ErrMaxCompressedLen, 30},
		{"padding that is not read", frames(chunk(0xfe, make([]byte, 100)), plain(small)), 8, snappy.ErrMaxCompressedLen, 14},
		{"long padding that is not read", frames(chunk(0xfe, make([]byte, 9000))), 4200, snappy.ErrMaxCompressedLen, 14},
		{"long identifier that is not read", chunk(0xff, make([]byte, 100)), 4200, snappy.ErrBadStreamIdentifier, 4},
		{"compressed chunk that is not read", frames(chunk(0x00, make([]byte, 76494))), 8, snappy.ErrMaxCompressedLen, 14},
		{"identifiers without end", bytes.Repeat([]byte(identifier), 10), 8, snappy.ErrMaxCompressedLen, 40},
		{"empty chunks without end", frames(bytes.Repeat(plain(nil), 10)), 8, snappy.ErrMaxCompressedLen, 38},
		{"length above every payload's", frames(plain(small)), snappy.MaxPayloadSize + 1, snappy.ErrTooLarge, 0},
		{"negative length", frames(plain(small)), -1, snappy.ErrTooLarge, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &counter{r: bytes.NewReader(test.frames)}
			var p snappy.Payload
			if err := snappy.ReadPayload(r, test.n, &p); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if r.n != test.read {
				t.Errorf("read %d bytes, want %d", r.n, test.read)
			}
		})
	}
}

func TestTruncatedFrames(t *testing.T) {
	t.Parallel()
	whole := frames(packed(sample(200)), chunk(0xfe, []byte("pad")), []byte(identifier), plain(small))
	for cut := range whole {
		var p snappy.Payload
		if err := snappy.ReadPayload(bytes.NewReader(whole[:cut]), 208, &p); err != io.ErrUnexpectedEOF {
			t.Errorf("ReadPayload of %d bytes: %v, want %v", cut, err, io.ErrUnexpectedEOF)
		}
		if _, err := snappy.AppendDecoded(nil, whole[:cut], 208); err != io.ErrUnexpectedEOF {
			t.Errorf("AppendDecoded of %d bytes: %v, want %v", cut, err, io.ErrUnexpectedEOF)
		}
	}
}

func TestReadPayloadReturnsErrorsOfReader(t *testing.T) {
	t.Parallel()
	reset := errors.New("stream reset")
	whole := frames(packed(sample(200)), chunk(0xfe, []byte("pad")), plain(small))
	for cut := range whole {
		r := io.MultiReader(bytes.NewReader(whole[:cut]), iotest.ErrReader(reset))
		var p snappy.Payload
		if err := snappy.ReadPayload(r, 208, &p); err != reset {
			t.Errorf("after %d bytes: %v, want %v as it is", cut, err, reset)
		}
	}
}

func TestReadPayloadReplacesContents(t *testing.T) {
	t.Parallel()
	long, short := sample(200_000), sample(1000)
	var p snappy.Payload
	for _, data := range [][]byte{long, short, nil, long[:150_000]} {
		framed := snappy.AppendFrames(nil, data)
		if err := snappy.ReadPayload(bytes.NewReader(framed), len(data), &p); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.SSZ, data) || !bytes.Equal(p.Frames, framed) {
			t.Fatalf("wrong contents after %d bytes", len(data))
		}
	}
	if err := snappy.ReadPayload(bytes.NewReader(frames(chunk(2, nil))), 8, &p); err == nil {
		t.Fatal("no error")
	}
	if cap(p.SSZ) < len(long) || cap(p.Frames) == 0 {
		t.Errorf("capacity %d, %d lost", cap(p.SSZ), cap(p.Frames))
	}
}

func TestReadEnd(t *testing.T) {
	t.Parallel()
	reset := errors.New("stream reset")
	for _, test := range []struct {
		name string
		rest string
		end  error
		n    int
		want error
	}{
		{"clean", "", io.EOF, 8, nil},
		{"clean after empty payload", "", io.EOF, 0, nil},
		{"stream identifier after empty payload", identifier, io.EOF, 0, nil},
		{"stream identifier after data", identifier, io.EOF, 8, snappy.ErrTrailing},
		{"two stream identifiers", identifier + identifier, io.EOF, 0, snappy.ErrTrailing},
		{"half a stream identifier", identifier[:5], io.EOF, 0, snappy.ErrTrailing},
		{"stream identifier and a byte", identifier + "\x00", io.EOF, 0, snappy.ErrTrailing},
		{"one byte after data", "\x00", io.EOF, 8, snappy.ErrTrailing},
		{"one byte after empty payload", "\x00", io.EOF, 0, snappy.ErrTrailing},
		{"reset", "", reset, 8, reset},
		{"reset after stream identifier", identifier, reset, 0, reset},
		{"truncated below the stream", "", io.ErrUnexpectedEOF, 8, io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for name, wrap := range readers {
				r := &counter{r: wrap(io.MultiReader(bytes.NewReader([]byte(test.rest)), iotest.ErrReader(test.end)))}
				if err := snappy.ReadEnd(r, test.n); !errors.Is(err, test.want) {
					t.Errorf("%s: got %v, want %v", name, err, test.want)
				}
				if r.n > len(identifier)+1 {
					t.Errorf("read %d bytes", r.n)
				}
			}
		})
	}
}
