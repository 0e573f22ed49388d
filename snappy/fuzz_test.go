package snappy_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"

	gsnappy "github.com/golang/snappy"

	"github.com/seed-2dd5877b/reqresp/snappy"
)

func FuzzReadHeader(f *testing.F) {
	for _, n := range []uint64{0, 1, 84, 127, 128, 300, 10 << 20, 10<<20 + 1, 1 << 63} {
		f.Add(binary.AppendUvarint(nil, n), 0, snappy.MaxPayloadSize)
	}
	f.Add([]byte{0x80, 0x00}, 0, 8)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, -1, -1)
	f.Fuzz(func(t *testing.T, wire []byte, low, high int) {
		r := bytes.NewReader(wire)
		n, err := snappy.ReadHeader(r, snappy.Bounds{Min: low, Max: high})
		read := len(wire) - r.Len()
		if read > binary.MaxVarintLen64 {
			t.Fatalf("read %d bytes", read)
		}
		v, k := binary.Uvarint(wire)
		minimal := k > 0 && len(binary.AppendUvarint(nil, v)) == k
		inside := high >= 0 && v <= uint64(min(high, snappy.MaxPayloadSize)) && (low <= 0 || v >= uint64(low))
		if (err == nil) != (minimal && inside) {
			t.Fatalf("got %d, %v for %d in %d bytes", n, err, v, k)
		}
		if err == nil && (uint64(n) != v || !bytes.Equal(snappy.AppendHeader(nil, n), wire[:read])) {
			t.Fatalf("got %d in %d bytes, want %d", n, read, v)
		}
		if errors.Is(err, io.EOF) && len(wire) > 0 {
			t.Fatal("io.EOF within the header")
		}
	})
}

// addFrames seeds f with the frames of the tables, but for long ones, on whose
// minimization a fuzzer would spend all of its time.
func addFrames(f *testing.F, add func(frames []byte, n int)) {
	all := add
	add = func(frames []byte, n int) {
		if len(frames) <= 256 {
			all(frames, n)
		}
	}
	for _, test := range valid {
		add(test.frames, len(test.ssz))
	}
	for _, test := range corrupt {
		add(test.frames, test.n)
	}
	for _, test := range golden {
		wire := unhex(f, test.wire)
		add(wire[1:], int(wire[0]))
	}
}

// mend writes the right checksums into frames, as far as these can be decoded. A
// fuzzer would hardly ever find them.
func mend(frames []byte) {
	for len(frames) >= 8 {
		size := int(binary.LittleEndian.Uint32(frames) >> 8)
		if size < 4 || len(frames) < 4+size {
			return
		}
		kind, body, rest := frames[0], frames[4:4+size], frames[4+size:]
		data := body[4:]
		if n, err := gsnappy.DecodedLen(data); kind == 0x00 && err == nil && n <= 1<<16 {
			data, _ = gsnappy.Decode(nil, data)
		}
		if kind <= 0x01 {
			copy(body, sum(data))
		}
		frames = rest
	}
}

func FuzzReadPayload(f *testing.F) {
	addFrames(f, func(frames []byte, n int) {
		f.Add(frames, n, false)
		f.Add(frames, n, true)
	})
	f.Fuzz(func(t *testing.T, wire []byte, n int, mended bool) {
		if mended {
			wire = bytes.Clone(wire)
			mend(wire)
		}
		r := bytes.NewReader(wire)
		var p snappy.Payload
		err := snappy.ReadPayload(r, n, &p)
		read := len(wire) - r.Len()
		if n >= 0 && n <= snappy.MaxPayloadSize && read > snappy.MaxCompressedLen(n) {
			t.Fatalf("read %d bytes for a payload of %d", read, n)
		}
		ssz, err2 := snappy.AppendPayload(nil, bytes.NewReader(wire), n)
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("ReadPayload: %v, AppendPayload: %v", err, err2)
		}
		if err != nil {
			return
		}
		if len(p.SSZ) != n || !bytes.Equal(ssz, p.SSZ) {
			t.Fatalf("got %d and %d bytes, want %d", len(p.SSZ), len(ssz), n)
		}
		checkCanonical(t, p.Frames, p.SSZ)
		if other, err := readStream(wire[:read]); err == nil && !bytes.Equal(other, p.SSZ) {
			t.Fatal("golang/snappy decodes other bytes")
		}
		again := snappy.AppendFrames(nil, p.SSZ)
		checkCanonical(t, again, p.SSZ)
	})
}

// checkCanonical verifies that frames are canonical and decode to ssz.
func checkCanonical(t *testing.T, frames, ssz []byte) {
	t.Helper()
	if n, err := snappy.CheckFrames(frames); n != len(ssz) || err != nil {
		t.Fatalf("CheckFrames = %d, %v, want %d", n, err, len(ssz))
	}
	if got, err := snappy.AppendDecoded(nil, frames, len(ssz)); !bytes.Equal(got, ssz) || err != nil {
		t.Fatalf("frames decode to %d bytes, %v, want %d", len(got), err, len(ssz))
	}
	if got, err := readStream(frames); !bytes.Equal(got, ssz) || err != nil {
		t.Fatalf("golang/snappy decodes %d bytes, %v, want %d", len(got), err, len(ssz))
	}
}

// streamReaders keeps the 140 KiB that every stream decoder takes.
var streamReaders = sync.Pool{New: func() any { return gsnappy.NewReader(nil) }}

// readStream decodes frames with golang/snappy's own stream decoder.
func readStream(frames []byte) ([]byte, error) {
	r := streamReaders.Get().(*gsnappy.Reader)
	defer streamReaders.Put(r)
	r.Reset(bytes.NewReader(frames))
	return io.ReadAll(r)
}

func FuzzAppendDecoded(f *testing.F) {
	addFrames(f, func(frames []byte, _ int) {
		f.Add(frames, false)
		f.Add(frames, true)
	})
	f.Fuzz(func(t *testing.T, frames []byte, mended bool) {
		if mended {
			frames = bytes.Clone(frames)
			mend(frames)
		}
		n, lenErr := snappy.DecodedLen(frames)
		ssz, err := snappy.AppendDecoded(nil, frames, n)
		if lenErr != nil {
			err = lenErr
		}
		if n > 22*len(frames) {
			t.Fatalf("%d bytes of frames claim %d", len(frames), n)
		}
		// golang/snappy has no limit of the whole, but one of skippable chunks.
		want, streamErr := readStream(frames)
		switch {
		case streamErr == nil && err != nil && !errors.Is(err, snappy.ErrTooLarge):
			t.Fatalf("got %v where golang/snappy decodes %d bytes", err, len(want))
		case streamErr != nil && err == nil && !errors.Is(streamErr, gsnappy.ErrUnsupported):
			t.Fatalf("decoded %d bytes where golang/snappy has %v", len(ssz), streamErr)
		case streamErr == nil && err == nil && !bytes.Equal(ssz, want):
			t.Fatal("golang/snappy decodes other bytes")
		}
		m, checkErr := snappy.CheckFrames(frames)
		if checkErr == nil && m != n {
			t.Fatalf("CheckFrames = %d, DecodedLen = %d", m, n)
		}
		if checkErr != nil || err != nil {
			return
		}
		r := bytes.NewReader(frames)
		var p snappy.Payload
		if err := snappy.ReadPayload(r, n, &p); err != nil || r.Len() > 0 {
			t.Fatalf("canonical frames: %v, %d bytes left", err, r.Len())
		}
		if !bytes.Equal(p.Frames, frames) || !bytes.Equal(p.SSZ, ssz) {
			t.Fatal("canonical frames were changed")
		}
	})
}

func FuzzAppendFrames(f *testing.F) {
	f.Add([]byte(nil), uint16(0))
	f.Add([]byte("eight by"), uint16(1))
	f.Add([]byte("sixteen bytes .."), uint16(4096))
	f.Add(noise(64), uint16(1025))
	f.Fuzz(func(t *testing.T, data []byte, times uint16) {
		if len(data)*int(times) <= 1<<18 {
			data = bytes.Repeat(data, int(times))
		}
		frames := snappy.AppendFrames(nil, data)
		if !bytes.Equal(frames, streamWriter(t, data)) {
			t.Fatal("golang/snappy writes other frames")
		}
		checkCanonical(t, frames, data)
	})
}
