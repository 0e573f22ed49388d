package snappy_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/seed-2dd5877b/reqresp/internal/race"
	"github.com/seed-2dd5877b/reqresp/snappy"
)

// allocated returns how many bytes f allocates. Tests that use it must not run in
// parallel to others.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestReadPayloadAllocatesNothingForClaims(t *testing.T) {
	for _, test := range []struct {
		name  string
		wire  []byte
		limit uint64
	}{
		{"nothing", nil, 64 << 10},
		{"stream identifier", frames(), 64 << 10},
		{"header of the largest uncompressed chunk", frames(plain(noise(65536))[:8]), 128 << 10},
		{"header of the largest compressed chunk", frames([]byte{0x00, 0xce, 0x2a, 0x01}), 128 << 10},
		{"padding of 10 MiB", frames([]byte{0xfe, 0x00, 0x00, 0xa0}), 64 << 10},
		{"blocks that claim 64 KiB", frames(block(make([]byte, 65536), []byte("\x80\x80\x04\x00\x00"))), 64 << 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			var err error
			got := allocated(func() {
				var p snappy.Payload
				err = snappy.ReadPayload(bytes.NewReader(test.wire), snappy.MaxPayloadSize, &p)
			})
			if err == nil {
				t.Fatal("no error")
			}
			if got > test.limit {
				t.Errorf("allocated %d bytes for %d received, want at most %d", got, len(test.wire), test.limit)
			}
		})
	}
}

func TestReadPayloadAllocatesWhatWasReceived(t *testing.T) {
	for _, received := range []int{1, 3, 10, 40} {
		wire := snappy.AppendFrames(nil, make([]byte, received<<16))
		var err error
		got := allocated(func() {
			var p snappy.Payload
			err = snappy.ReadPayload(bytes.NewReader(wire), snappy.MaxPayloadSize, &p)
		})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		// Doubling from 64 KiB allocates less than four times the data in total.
		if limit := uint64(4 * (received<<16 + len(wire))); got > limit {
			t.Errorf("allocated %d bytes after %d of data, want at most %d", got, received<<16, limit)
		}
	}
}

func TestReadPayloadAllocatesLengthAtMost(t *testing.T) {
	data := noise(100 << 10)
	wire := snappy.AppendFrames(nil, data)
	var p snappy.Payload
	if err := snappy.ReadPayload(bytes.NewReader(wire), len(data), &p); err != nil {
		t.Fatal(err)
	}
	if cap(p.SSZ) > len(data) || cap(p.Frames) > snappy.MaxCompressedLen(len(data)) {
		t.Errorf("capacity %d of SSZ, %d of frames, for a payload of %d", cap(p.SSZ), cap(p.Frames), len(data))
	}
}

func TestAppendPayloadKeepsOneChunk(t *testing.T) {
	data := noise(1 << 20)
	wire := snappy.AppendFrames(nil, data)
	dst := make([]byte, 0, len(data))
	var err error
	got := allocated(func() { _, err = snappy.AppendPayload(dst, bytes.NewReader(wire), len(data)) })
	if err != nil || got > 128<<10 {
		t.Errorf("allocated %d bytes beside the data, %v", got, err)
	}
}

func TestAppendDecodedAllocatesNothingForClaims(t *testing.T) {
	wire := frames(plain(small))
	var err error
	got := allocated(func() { _, err = snappy.AppendDecoded(nil, wire, snappy.MaxPayloadSize) })
	if !errors.Is(err, io.ErrUnexpectedEOF) || got > 4<<10 {
		t.Errorf("allocated %d bytes, %v", got, err)
	}
}

func TestReusedBuffersAllocateNothing(t *testing.T) {
	data := sample(200_000)
	wire := snappy.AppendFrames(nil, data)
	header := snappy.AppendHeader(nil, 300)
	r := bytes.NewReader(nil)
	var p snappy.Payload
	ssz := make([]byte, 0, len(data))
	framed := make([]byte, 0, snappy.MaxCompressedLen(len(data))+32)
	pooled := map[string]bool{"AppendPayload": true, "ReadEnd": true}
	for name, f := range map[string]func() error{
		"ReadPayload": func() error {
			r.Reset(wire)
			return snappy.ReadPayload(r, len(data), &p)
		},
		"AppendPayload": func() error {
			r.Reset(wire)
			_, err := snappy.AppendPayload(ssz, r, len(data))
			return err
		},
		"ReadHeader": func() error {
			r.Reset(header)
			_, err := snappy.ReadHeader(r, snappy.Bounds{Max: 300})
			return err
		},
		"ReadEnd": func() error {
			r.Reset(nil)
			return snappy.ReadEnd(r, 0)
		},
		"AppendDecoded": func() error {
			_, err := snappy.AppendDecoded(ssz, wire, len(data))
			return err
		},
		"CheckFrames": func() error {
			_, err := snappy.CheckFrames(wire)
			return err
		},
		"AppendFrames": func() error {
			if out := snappy.AppendFrames(framed, data); &out[0] != &framed[:1][0] {
				return errors.New("buffer replaced")
			}
			return nil
		},
	} {
		if race.Enabled && pooled[name] {
			continue
		}
		var err error
		if n := testing.AllocsPerRun(20, func() { err = errors.Join(err, f()) }); n > 0 || err != nil {
			t.Errorf("%s: %v allocations, %v", name, n, err)
		}
	}
}

func TestAppendFramesNeedsDocumentedCapacity(t *testing.T) {
	for _, n := range []int{1, 8, 84, 65535, 65536, 65537, 131072, 131073, 200_000, snappy.MaxPayloadSize} {
		data := noise(n)
		dst := make([]byte, 3, 3+snappy.MaxCompressedLen(n)+32)
		if out := snappy.AppendFrames(dst, data); &out[0] != &dst[0] {
			t.Errorf("%d bytes: buffer replaced", n)
		}
	}
}
