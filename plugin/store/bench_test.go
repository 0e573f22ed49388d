package store_test

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/plugin/internal/pebble"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// benchmarkStore returns a store of 1024 blocks of 100 KiB in Pebble, compacted, so that blocks
// are read from tables, and the keys of the frames.
func benchmarkStore(b *testing.B) (*store.Store, ethdb.KeyValueStore, []*beacon.Block, [][]byte) {
	db := openPebble(b, b.TempDir())
	b.Cleanup(func() { _ = db.Close() })
	s := open(b, db)
	blocks := syntheticBlocks(1, 100<<10, slotsUntil(1024)...)
	for i := 0; i < len(blocks); i += 128 {
		must(b, s.Append(b.Context(), blocks[i:i+128]...))
	}
	must(b, db.Compact(nil, nil))
	keys := make([][]byte, len(blocks))
	for i, block := range blocks {
		keys[i] = binary.BigEndian.AppendUint64([]byte("f"), uint64(block.Slot))
	}
	return s, db, blocks, keys
}

// BenchmarkAppendFrames compares the store with the ways to read a value that the database has.
func BenchmarkAppendFrames(b *testing.B) {
	s, db, blocks, keys := benchmarkStore(b)
	dst := make([]byte, 0, 128<<10)
	size := int64(len(blocks[0].Frames))
	b.Run("store", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(size)
		for i := 0; b.Loop(); i++ {
			var err error
			if dst, err = s.AppendFrames(b.Context(), refOf(blocks[i%len(blocks)]), dst[:0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("iterator", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(size)
		for i := 0; b.Loop(); i++ {
			it := db.NewIterator(keys[i%len(keys)], nil)
			if !it.Next() {
				b.Fatal("no entry")
			}
			dst = append(dst[:0], it.Value()...)
			it.Release()
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(size)
		for i := 0; b.Loop(); i++ {
			value, err := db.Get(keys[i%len(keys)])
			if err != nil {
				b.Fatal(err)
			}
			dst = append(dst[:0], value...)
		}
	})
	b.Run("long iterator", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(size)
		it := db.NewIterator([]byte("f"), nil)
		for b.Loop() {
			if !it.Next() {
				it.Release()
				it = db.NewIterator([]byte("f"), nil)
				it.Next()
			}
			dst = append(dst[:0], it.Value()...)
		}
		it.Release()
	})
	b.Run("checksum", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(size)
		table := crc32.MakeTable(crc32.Castagnoli)
		for i := 0; b.Loop(); i++ {
			crc32.Checksum(blocks[i%len(blocks)].Frames, table)
		}
	})
}

func BenchmarkBlocksByRange(b *testing.B) {
	s, db, _, _ := benchmarkStore(b)
	for _, count := range []uint64{1, 64, 128, 1024} {
		b.Run(formatCount(count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := uint64(0)
				for _, err := range s.BlocksByRange(b.Context(), 1, count) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != count {
					b.Fatalf("%d blocks, want %d", n, count)
				}
			}
		})
	}
	b.Run("iterator/count=1024", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			it := db.NewIterator([]byte("r"), nil)
			for it.Next() {
				_ = it.Value()
			}
			it.Release()
		}
	})
}

func BenchmarkBlocksByRoot(b *testing.B) {
	s, _, blocks, _ := benchmarkStore(b)
	b.ReportAllocs()
	roots := make([]ssz.Root, 1)
	for i := 0; b.Loop(); i++ {
		roots[0] = blocks[i%len(blocks)].Root
		for _, err := range s.BlocksByRoot(b.Context(), roots) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkAppend measures blocks of 100 KiB, most of which is the sync unless batches are large.
func BenchmarkAppend(b *testing.B) {
	for _, count := range []uint64{1, 64} {
		b.Run(formatCount(count), func(b *testing.B) {
			db := openPebble(b, b.TempDir())
			b.Cleanup(func() { _ = db.Close() })
			s := open(b, db)
			blocks := syntheticBlocks(2, 100<<10, slotsUntil(int(count))...)
			b.ReportAllocs()
			b.SetBytes(int64(count) * int64(len(blocks[0].Frames)))
			for b.Loop() {
				must(b, s.Append(b.Context(), blocks...))
				b.StopTimer()
				must(b, s.Truncate(b.Context(), 0))
				b.StartTimer()
			}
		})
	}
}

// BenchmarkStoring measures what a bulk sync of final blocks costs beside one write and one checksum of the same
// frames: 4096 blocks of 100 KiB, in batches of 64, each of which is synced. Blocks that are followed come four at a
// time, and are final two epochs later.
func BenchmarkStoring(b *testing.B) {
	const count, batch = 4096, 64
	blocks := syntheticBlocks(3, 100<<10, slotsUntil(count)...)
	size := int64(0)
	for _, block := range blocks {
		size += int64(len(block.Frames))
	}
	ways := map[string]func(b *testing.B){
		"store": func(b *testing.B) {
			db, err := pebble.Open(b.TempDir(), 64, 64)
			must(b, err)
			s := open(b, db)
			must(b, s.SetNetwork(b.Context(), realNetwork))
			must(b, s.SetAnchor(b.Context(), everything))
			for some := range slices.Chunk(blocks, batch) {
				must(b, s.Append(b.Context(), some...))
			}
			must(b, db.Close())
		},
		"store, followed": func(b *testing.B) {
			db, err := pebble.Open(b.TempDir(), 64, 64)
			must(b, err)
			s := open(b, db)
			must(b, s.SetNetwork(b.Context(), realNetwork))
			for some := range slices.Chunk(blocks, 4) {
				must(b, s.Append(b.Context(), some...))
				if slot := some[0].Slot; slot%32 == 1 && slot > 64 {
					must(b, s.SetSource(b.Context(), beacon.Status{FinalizedEpoch: ssz.Epoch(slot/32 - 2)}))
				}
			}
			must(b, db.Close())
		},
		"write and checksum": func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "file"))
			must(b, err)
			for some := range slices.Chunk(blocks, batch) {
				for _, block := range some {
					crc32.Checksum(block.Frames, crc32.MakeTable(crc32.Castagnoli))
					_, err := f.Write(block.Frames)
					must(b, err)
				}
				must(b, f.Sync())
			}
			must(b, f.Close())
		},
	}
	for name, store := range ways {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			cpu, written := resources(b)
			for b.Loop() {
				store(b)
			}
			cpuAfter, writtenAfter := resources(b)
			b.ReportMetric(float64((cpuAfter-cpu).Microseconds())/float64(b.N*count), "cpu-µs/block")
			b.ReportMetric(float64(writtenAfter-written)/float64(int64(b.N)*size), "written/stored")
		})
	}
}

// resources returns how much processor time this process has used, and how many bytes it has had written to disks.
func resources(b *testing.B) (cpu time.Duration, written int64) {
	b.Helper()
	var usage syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "write_bytes: %d", &written)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), written
}

var benchmarkBlocks = flag.Int("blocks", 10_000_000, "how many `BLOCKS` the store of BenchmarkOpen has")

// BenchmarkOpen opens a store of very many blocks, whose index it makes, and looks up its head.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	head := largeIndex(b, dir, uint64(*benchmarkBlocks))
	debug.FreeOSMemory()
	before, after := resident(b), int64(0)
	for b.Loop() {
		db, err := pebble.Open(dir, 64, 64)
		must(b, err)
		s, err := store.Open(db, filepath.Join(dir, "segments"))
		must(b, err)
		if refs, err := byRoot(s, head); err != nil || len(refs) != 1 {
			b.Fatalf("the head is not found: %v", err)
		}
		after = max(after, resident(b))
		must(b, s.Close())
		must(b, db.Close())
	}
	b.ReportMetric(float64(after-before)/1024, "MiB")
}

// resident returns how much memory the process has, in KiB.
func resident(b *testing.B) (kib int64) {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d", &kib)
	}
	return kib
}

// largeIndex makes the index of a chain that is in segment files, which it does not make, and returns the head's root.
func largeIndex(b *testing.B, dir string, blocks uint64) ssz.Root {
	b.Helper()
	db, err := pebble.Open(dir, 64, 64)
	must(b, err)
	s := open(b, db)
	must(b, s.SetNetwork(b.Context(), realNetwork))
	must(b, s.SetAnchor(b.Context(), everything))
	must(b, s.Append(b.Context(), syntheticBlocks(4, 1000, 1)...))
	var root ssz.Root
	batch := db.NewBatch()
	for slot := uint64(1); slot <= blocks; slot++ {
		payload := binary.BigEndian.AppendUint64(nil, slot)
		parent := root
		root = sha256.Sum256(payload)
		payload = append(append(payload, root[:]...), parent[:]...)
		payload = append(payload, make([]byte, 22+68)...)
		must(b, batch.Put(slotKey("r", ssz.Slot(slot)), sealed(payload)))
		must(b, batch.Put(indexKey(root), sealed(binary.BigEndian.AppendUint64(nil, slot))))
		if batch.ValueSize() > 16<<20 || slot == blocks {
			must(b, batch.Write())
			batch.Reset()
		}
	}
	damage(b, db, []byte("c"), func(value []byte) []byte {
		record := regexp.MustCompile(`"head":\{[^}]*\}`).ReplaceAllString(string(value[4:]),
			fmt.Sprintf(`"head":{"slot":%d,"root":%q}`, blocks, root))
		return sealed([]byte(record))
	})
	must(b, db.Close())
	return root
}
