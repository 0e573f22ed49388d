package snappy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	gsnappy "github.com/golang/snappy"

	"github.com/seed-2dd5877b/reqresp/snappy"
)

func TestAppendFramesWritesWhatStreamWriterWrites(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 8, 16, 17, 84, 1000, 65535, 65536, 65537, 131072, 200_000, 1 << 20} {
		dull := noise(n) // Compresses, but not by an eighth.
		for i := range dull {
			if i%100 > 92 {
				dull[i] = 0
			}
		}
		for name, data := range map[string][]byte{"zeros": make([]byte, n), "sample": sample(n), "dull": dull, "noise": noise(n)} {
			got := snappy.AppendFrames([]byte("head"), data)
			if want := append([]byte("head"), streamWriter(t, data)...); !bytes.Equal(got, want) {
				t.Errorf("%d bytes of %s: %d bytes of frames, want these %d", n, name, len(got), len(want))
			}
		}
	}
}

func TestAppendFramesRoundTrips(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 8, 84, 65536, 65537, 200_000, snappy.MaxPayloadSize} {
		for name, data := range map[string][]byte{"zeros": make([]byte, n), "sample": sample(n), "noise": noise(n)} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				t.Parallel()
				framed := snappy.AppendFrames(nil, data)
				if len(framed) > snappy.MaxCompressedLen(n) {
					t.Errorf("%d bytes of frames, want at most %d", len(framed), snappy.MaxCompressedLen(n))
				}
				if got, err := snappy.CheckFrames(framed); got != n || err != nil {
					t.Errorf("CheckFrames = %d, %v, want %d", got, err, n)
				}
				if got, err := snappy.DecodedLen(framed); got != n || err != nil {
					t.Errorf("DecodedLen = %d, %v, want %d", got, err, n)
				}
				if got, err := snappy.AppendDecoded(nil, framed, n); !bytes.Equal(got, data) || err != nil {
					t.Errorf("AppendDecoded = %d bytes, %v", len(got), err)
				}
				var p snappy.Payload
				if err := snappy.ReadPayload(bytes.NewReader(framed), n, &p); err != nil {
					t.Errorf("ReadPayload: %v", err)
				}
				if !bytes.Equal(p.Frames, framed) || !bytes.Equal(p.SSZ, data) {
					t.Error("ReadPayload returns other frames or data")
				}
			})
		}
	}
}

func TestAppendFramesIsReadByStreamReader(t *testing.T) {
	t.Parallel()
	data := sample(300_000)
	got, err := io.ReadAll(gsnappy.NewReader(bytes.NewReader(snappy.AppendFrames(nil, data))))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

// Frames that are valid, yet cannot be sent to every peer.
func TestCheckFramesRefusesWhatSomeDecodersCannotRead(t *testing.T) {
	t.Parallel()
	data := sample(100)
	many := make([][]byte, len(data))
	for i := range data {
		many[i] = plain(data[i : i+1])
	}
	for _, test := range []struct {
		name   string
		frames []byte
		n      int
		want   error
	}{
		{"stream identifier alone", frames(), 0, snappy.ErrNotCanonical},
		{"repeated stream identifier", frames([]byte(identifier), plain(data)), 100, snappy.ErrNotCanonical},
		{"stream identifier at the end", frames(plain(data), []byte(identifier)), 100, snappy.ErrNotCanonical},
		{"padding", frames(chunk(0xfe, make([]byte, 5)), plain(data)), 100, snappy.ErrNotCanonical},
		{"padding at the end", frames(plain(data), chunk(0xfe, nil)), 100, snappy.ErrNotCanonical},
		{"skippable", frames(plain(data), chunk(0x80, []byte("x")), plain(data)), 200, snappy.ErrNotCanonical},
		{"empty uncompressed chunk", frames(plain(nil), plain(data)), 100, snappy.ErrNotCanonical},
		{"empty compressed chunk", frames(plain(data), packed(nil)), 100, snappy.ErrNotCanonical},
		{"chunks of one byte each", frames(many...), 100, snappy.ErrMaxCompressedLen},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if n, err := snappy.CheckFrames(test.frames); n != 0 || !errors.Is(err, test.want) {
				t.Errorf("CheckFrames = %d, %v, want %v", n, err, test.want)
			}
			n, err := snappy.DecodedLen(test.frames)
			if n != test.n || err != nil {
				t.Errorf("DecodedLen = %d, %v, want %d", n, err, test.n)
			}
			if got, err := snappy.AppendDecoded(nil, test.frames, n); len(got) != n || err != nil {
				t.Errorf("AppendDecoded = %d bytes, %v, want %d", len(got), err, n)
			}
		})
	}
}

func TestAppendDecodedExpectsExactly(t *testing.T) {
	t.Parallel()
	data := sample(70_000)
	framed := snappy.AppendFrames(nil, data)
	for _, test := range []struct {
		name   string
		frames []byte
		n      int
		want   error
	}{
		{"fewer", framed, 69_999, snappy.ErrLengthExceeded},
		{"none", framed, 0, snappy.ErrLengthExceeded},
		{"negative", framed, -1, snappy.ErrLengthExceeded},
		{"more", framed, 70_001, io.ErrUnexpectedEOF},
		{"some of nothing", nil, 1, io.ErrUnexpectedEOF},
		{"three more bytes", append(bytes.Clone(framed), 0xfe, 0, 0), 70_000, io.ErrUnexpectedEOF},
		{"more bytes", append(bytes.Clone(framed), "trailing"...), 70_000, snappy.ErrChunkType},
		{"another chunk", append(bytes.Clone(framed), plain(data[:1])...), 70_000, snappy.ErrLengthExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := snappy.AppendDecoded([]byte("head"), test.frames, test.n)
			if string(got) != "head" || !errors.Is(err, test.want) {
				t.Errorf("got %d bytes, %v, want %v", len(got), err, test.want)
			}
		})
	}
}

func TestDecodedLenIsBounded(t *testing.T) {
	t.Parallel()
	largest := snappy.AppendFrames(nil, make([]byte, snappy.MaxPayloadSize))
	_, err := snappy.DecodedLen(append(largest, plain([]byte{1})...))
	if e, ok := errors.AsType[*snappy.LengthError](err); !ok || e.Length != snappy.MaxPayloadSize+1 {
		t.Errorf("got %v, want a *LengthError of %d", err, snappy.MaxPayloadSize+1)
	}
}

func TestDecodedLenNeedsNoDecompression(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		frames []byte
		n      int
		want   error
	}{
		{"checksum of other data", frames(chunk(0x01, append(sum(nil), small...))), 8, nil},
		{"block shorter than it says", frames(block(small, []byte("\x08\x18eight b"))), 8, nil},
		{"block length of six bytes", frames(block(small, []byte("\x88\x80\x80\x80\x80\x00\x1ceight by"))), 0, snappy.ErrCorrupt},
		{"block expands more than any can", frames(block(small, []byte("\x80\x01\x00\x00"))), 0, snappy.ErrCorrupt},
		{"chunk type 0x02", frames(plain(small), chunk(0x02, nil)), 0, snappy.ErrChunkType},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if n, err := snappy.DecodedLen(test.frames); n != test.n || !errors.Is(err, test.want) {
				t.Errorf("DecodedLen = %d, %v, want %d, %v", n, err, test.n, test.want)
			}
			if n, err := snappy.CheckFrames(test.frames); n != test.n || !errors.Is(err, test.want) {
				t.Errorf("CheckFrames = %d, %v, want %d, %v", n, err, test.n, test.want)
			}
		})
	}
}
