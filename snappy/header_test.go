package snappy_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"github.com/seed-2dd5877b/reqresp/snappy"
)

func TestMaxCompressedLen(t *testing.T) {
	t.Parallel()
	// 12,233,418 is the consensus specs' max_compressed_len(MAX_PAYLOAD_SIZE).
	for n, want := range map[int]int{0: 32, 5: 37, 6: 39, 8: 41, 84: 130, snappy.MaxPayloadSize: 12_233_418} {
		if got := snappy.MaxCompressedLen(n); got != want {
			t.Errorf("MaxCompressedLen(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		0: "00", 1: "01", 84: "54", 127: "7f", 128: "8001", 300: "ac02", 16384: "808001", snappy.MaxPayloadSize: "80808005",
	} {
		wire := snappy.AppendHeader([]byte{0xaa}, n)
		if !bytes.Equal(wire, unhex(t, "aa"+want)) {
			t.Errorf("AppendHeader(aa, %d) = %x, want aa%s", n, wire, want)
		}
		r := bytes.NewReader(append(wire[1:], 0xbb))
		got, err := snappy.ReadHeader(r, snappy.Bounds{Max: snappy.MaxPayloadSize})
		if got != n || err != nil {
			t.Errorf("ReadHeader(%s) = %d, %v, want %d", want, got, err, n)
		}
		if r.Len() != 1 {
			t.Errorf("ReadHeader(%s) left %d bytes, want 1", want, r.Len())
		}
	}
}

func TestReadHeaderRejects(t *testing.T) {
	t.Parallel()
	wide := snappy.Bounds{Max: math.MaxInt}
	for _, test := range []struct {
		name   string
		wire   string
		bounds snappy.Bounds
		want   error
	}{
		{"nothing", "", wide, io.EOF},
		{"end after one byte", "80", wide, io.ErrUnexpectedEOF},
		{"end after nine bytes", "ffffffffffffffffff", wide, io.ErrUnexpectedEOF},
		{"zero in two bytes", "8000", wide, snappy.ErrVarintNotMinimal},
		{"84 in two bytes", "d400", wide, snappy.ErrVarintNotMinimal},
		{"one in ten bytes", "81808080808080808000", wide, snappy.ErrVarintNotMinimal},
		{"eleven bytes", "8080808080808080808001", wide, snappy.ErrVarintOverflow},
		{"ten continued bytes", "ffffffffffffffffffff", wide, snappy.ErrVarintOverflow},
		{"65 bits", "80808080808080808002", wide, snappy.ErrVarintOverflow},
		{"64 bits", "ffffffffffffffffff01", wide, snappy.ErrTooLarge},
		{"2^32 above a small length", "d480808010", snappy.Bounds{Min: 84, Max: 84}, snappy.ErrTooLarge},
		{"above the payload size", "81808005", wide, snappy.ErrTooLarge},
		{"above the type", "55", snappy.Bounds{Min: 84, Max: 84}, snappy.ErrTooLarge},
		{"below the type", "53", snappy.Bounds{Min: 84, Max: 84}, snappy.ErrTooSmall},
		{"empty for a type of fixed size", "00", snappy.Bounds{Min: 8, Max: 8}, snappy.ErrTooSmall},
		{"one byte within zero bounds", "01", snappy.Bounds{}, snappy.ErrTooLarge},
		{"no length is within negative bounds", "00", snappy.Bounds{Min: -2, Max: -1}, snappy.ErrTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n, err := snappy.ReadHeader(bytes.NewReader(unhex(t, test.wire)), test.bounds)
			if !errors.Is(err, test.want) || n != 0 {
				t.Errorf("ReadHeader = %d, %v, want error %v", n, err, test.want)
			}
		})
	}
}

func TestReadHeaderTellsLengthAndBounds(t *testing.T) {
	t.Parallel()
	_, err := snappy.ReadHeader(bytes.NewReader(unhex(t, "ffffffffffffffffff01")), snappy.Bounds{Min: 4, Max: math.MaxInt})
	e, ok := errors.AsType[*snappy.LengthError](err)
	if !ok {
		t.Fatalf("got %v, want a *LengthError", err)
	}
	if want := (snappy.Bounds{Min: 4, Max: snappy.MaxPayloadSize}); e.Length != math.MaxUint64 || e.Bounds != want {
		t.Errorf("got length %d, bounds %+v, want %d, %+v", e.Length, e.Bounds, uint64(math.MaxUint64), want)
	}
	if errors.Is(err, snappy.ErrTooSmall) {
		t.Errorf("%v is ErrTooSmall too", err)
	}
	const text = "snappy: SSZ length above the bounds: 18446744073709551615, allowed are 4 to 10485760"
	if err.Error() != text {
		t.Errorf("got text %q, want %q", err, text)
	}
}

func TestReadHeaderStopsAfterTenBytes(t *testing.T) {
	t.Parallel()
	r := bytes.NewReader(bytes.Repeat([]byte{0x80}, 64))
	if _, err := snappy.ReadHeader(r, snappy.Bounds{Max: 8}); !errors.Is(err, snappy.ErrVarintOverflow) {
		t.Errorf("got %v, want %v", err, snappy.ErrVarintOverflow)
	}
	if read := 64 - r.Len(); read != 10 {
		t.Errorf("read %d bytes, want 10", read)
	}
}

func TestReadHeaderReturnsErrorsOfReader(t *testing.T) {
	t.Parallel()
	reset := errors.New("stream reset")
	r := bufio.NewReader(io.MultiReader(bytes.NewReader([]byte{0x80}), iotest.ErrReader(reset)))
	if _, err := snappy.ReadHeader(r, snappy.Bounds{Max: 8}); err != reset {
		t.Errorf("got %v, want %v as it is", err, reset)
	}
}
