package era_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The file of the benchmarks is one of a mainnet era: 8192 slots, of which each hundredth is empty, with blocks of 60
// KiB of frames. Its blocks and its state are noise.
const (
	benchSlots = 8192
	benchBlock = 60 << 10
)

func benchFile(b *testing.B) (path string, first, end int64) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "bench-00001-00000000.era")
	file := must(os.Create(path))
	w := e2store.NewWriter(file, 0)
	must(w.Write(e2store.Version, nil))
	noise := make([]byte, benchBlock)
	random := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(noise); i += 8 {
		binary.LittleEndian.PutUint64(noise[i:], random.Uint64())
	}
	first = w.Offset()
	offsets := make([]int64, benchSlots)
	for slot := range offsets {
		if slot%100 != 99 {
			offsets[slot] = must(w.Write(e2store.CompressedSignedBeaconBlock, noise)).Offset
		}
	}
	end = w.Offset()
	state := must(w.Write(e2store.CompressedBeaconState, noise)).Offset
	index := new(builder)
	index.file = make([]byte, w.Offset())
	index.index(0, offsets...).index(benchSlots, state)
	must(file.Write(index.file[w.Offset():]))
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return path, first, end
}

func BenchmarkOpen(b *testing.B) {
	path, _, _ := benchFile(b)
	b.ReportAllocs()
	for b.Loop() {
		f, err := era.Open(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

// BenchmarkSequential reads all blocks of a file, and the same bytes by plain reads of 1 MiB.
func BenchmarkSequential(b *testing.B) {
	path, first, end := benchFile(b)
	b.Run("Blocks", func(b *testing.B) {
		f := open(b, path)
		b.SetBytes(end - first)
		b.ReportAllocs()
		for b.Loop() {
			for _, err := range f.Blocks(b.Context(), 0, benchSlots) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("pread", func(b *testing.B) {
		file := must(os.Open(path))
		defer file.Close()
		buf := make([]byte, 1<<20)
		b.SetBytes(end - first)
		b.ReportAllocs()
		for b.Loop() {
			for off := first; off < end; off += int64(len(buf)) {
				if _, err := file.ReadAt(buf[:min(int64(len(buf)), end-off)], off); err != nil && err != io.EOF {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkBlock reads single blocks, and the same bytes by plain reads.
func BenchmarkBlock(b *testing.B) {
	path, _, _ := benchFile(b)
	f := open(b, path)
	buf := make([]byte, 0, benchBlock+e2store.HeaderSize)
	b.Run("AppendFrames", func(b *testing.B) {
		b.SetBytes(benchBlock)
		b.ReportAllocs()
		for slot := ssz.Slot(0); b.Loop(); slot = (slot + 4099) % benchSlots {
			if _, err := f.AppendFrames(b.Context(), slot, buf); err != nil && !errors.Is(err, era.ErrEmptySlot) {
				b.Fatal(err)
			}
		}
	})
	b.Run("pread", func(b *testing.B) {
		file := must(os.Open(path))
		defer file.Close()
		var offsets []int64
		for _, off := range f.Groups()[0].Blocks() {
			offsets = append(offsets, off)
		}
		b.SetBytes(benchBlock)
		b.ReportAllocs()
		for i := 0; b.Loop(); i = (i + 4099) % len(offsets) {
			if _, err := file.ReadAt(buf[:benchBlock], offsets[i]+e2store.HeaderSize); err != nil {
				b.Fatal(err)
			}
		}
	})
}
