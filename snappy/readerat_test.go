package snappy_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/seed-2dd5877b/reqresp/snappy"
)

func TestReaderAtReadsWhatTheFramesHold(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 48, 1 << 16, 1<<16 + 1, 200_000} {
		ssz := make([]byte, size)
		for i := range ssz {
			ssz[i] = byte(random.IntN(4))
		}
		frames := snappy.AppendFrames(nil, ssz)
		r, err := snappy.NewReaderAt(frames)
		if err != nil || r.Size() != int64(size) {
			t.Fatalf("%d bytes: size %d, %v", size, r.Size(), err)
		}
		if err := iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), ssz); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		for range 20 {
			at := random.IntN(size)
			p := make([]byte, random.IntN(size-at)+1)
			if n, err := r.ReadAt(p, int64(at)); n != len(p) || err != nil || !bytes.Equal(p, ssz[at:at+len(p)]) {
				t.Errorf("%d of %d bytes at %d: %d, %v", len(p), size, at, n, err)
			}
		}
	}
}

func TestReaderAtDecodesOnlyTheChunksAskedFor(t *testing.T) {
	t.Parallel()
	ssz := bytes.Repeat([]byte("chunks "), 40_000) // five chunks
	frames := snappy.AppendFrames(nil, ssz)
	frames[len(frames)-1] ^= 1 // in the last
	r, err := snappy.NewReaderAt(frames)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 100)
	if _, err := r.ReadAt(p, 100_000); err != nil || !bytes.Equal(p, ssz[100_000:100_100]) {
		t.Errorf("in front of the damage: %q, %v", p, err)
	}
	if _, err := r.ReadAt(p, r.Size()-100); !errors.Is(err, snappy.ErrCorrupt) && !errors.Is(err, snappy.ErrChecksum) {
		t.Errorf("in the damage: %v", err)
	}
	if _, err := r.ReadAt(p, 0); err != nil || !bytes.Equal(p, ssz[:100]) {
		t.Errorf("after the damage was found: %q, %v", p, err)
	}
}

func TestNewReaderAtRefusesWhatIsNoFrames(t *testing.T) {
	t.Parallel()
	frames := snappy.AppendFrames(nil, make([]byte, 1000))
	for cut := 1; cut < len(frames); cut++ {
		if _, err := snappy.NewReaderAt(frames[:cut]); err == nil && cut != 10 { // a stream identifier alone is whole
			t.Errorf("%d of %d bytes are accepted", cut, len(frames))
		}
	}
}

func FuzzReaderAt(f *testing.F) {
	addFrames(f, func(frames []byte, n int) { f.Add(frames, int64(n/2), 8) })
	f.Fuzz(func(t *testing.T, frames []byte, at int64, n int) {
		r, err := snappy.NewReaderAt(frames)
		if err != nil {
			return
		}
		p := make([]byte, min(max(n, 0), 1<<18))
		got, err := r.ReadAt(p, at)
		whole, decodeErr := snappy.AppendDecoded(nil, frames, int(r.Size()))
		if decodeErr != nil {
			return
		}
		want := whole[min(max(at, 0), r.Size()):]
		if at < 0 {
			want = nil
		}
		want = want[:min(len(want), len(p))]
		if !bytes.Equal(p[:got], want) || (err == nil) != (got == len(p)) {
			t.Fatalf("%d bytes, %v, want %d", got, err, len(want))
		}
	})
}
