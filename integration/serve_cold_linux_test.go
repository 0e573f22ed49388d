package integration_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"golang.org/x/sys/unix"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The chain that is served cold is 17,920 blocks, whose frames are more than 1 GiB: several times the caches of a
// service.
const (
	coldBatches          = 140
	coldBlocks           = coldBatches * benchBatch
	coldHead    ssz.Slot = benchFirst + coldBlocks - 1
	coldFrames           = "frames"  // a file with the frames of all blocks
	coldLengths          = "lengths" // a file with their lengths

	coldServer = "REQRESP_BENCH_COLD_SERVER" // set to the setup, as benchServer to the address
	drop       = "drop"                      // the command by which the server drops the pages of all files
)

func init() { servers[coldServer] = serveCold }

// BenchmarkServeCold is BenchmarkServe with a chain that is larger than all caches: before each pass over the whole
// chain, the pages of all files are dropped. The bare stream handler reads the same frames from a file, with one pread
// for each block. One operation is one pass of each.
//
// It reports besides how many bytes of each block were read from disk.
func BenchmarkServeCold(b *testing.B) {
	dir := b.TempDir()
	if err := fillCold(b, dir); err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct{ name, listen string }{
		{"tcp", "/ip4/127.0.0.1/tcp/0"},
		{"quic", "/ip4/127.0.0.1/udp/0/quic-v1"},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkServeCold(b, coldSetup{dir, bench.listen}) })
	}
}

// A coldSetup is passed to the process that serves.
type coldSetup struct{ Dir, Listen string }

func benchmarkServeCold(b *testing.B, setup coldSetup) {
	text, err := json.Marshal(setup)
	if err != nil {
		b.Fatal(err)
	}
	server := startServer(b, coldServer, string(text))
	client := newBenchClient(b, server, coldNow)
	store := &contender{name: "store", id: storeProtocol}
	plain := &contender{name: "plain", id: plainProtocol}
	store.run(b, client, server, coldBatches) // a database may have to tidy up
	*store = contender{name: store.name, id: store.id, size: store.size}
	// The order alternates: pages that have just been dropped are cheaper to fill than those that the host has back.
	for order := []*contender{plain, store}; b.Loop(); slices.Reverse(order) {
		for _, c := range order {
			server.do(b, drop)
			c.run(b, client, server, coldBatches)
		}
	}
	if store.size != plain.size {
		b.Fatalf("store served %d bytes, plain streams %d", store.size, plain.size)
	}
	reportBoth(b, plain, store)
	b.ReportMetric(plain.perBlock(plain.used.Read), "plain-read-B/block")
	b.ReportMetric(store.perBlock(store.used.Read), "store-read-B/block")
}

func coldNow() time.Time { return devchain.Network().TimeAt(coldHead + 2) }

// fillCold writes the chain to a service's store and, for the bare handler, to a file. The service then ends.
func fillCold(b *testing.B, dir string) (err error) {
	stack, service, err := benchNode(dir, "/ip4/127.0.0.1/tcp/0", coldNow)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	if err := finalizeBench(service.Store(), coldHead); err != nil {
		return err
	}
	return appendCold(b, dir, service.Store())
}

func appendCold(b *testing.B, dir string, s *store.Store) error {
	frames, err := os.Create(filepath.Join(dir, coldFrames))
	if err != nil {
		return err
	}
	defer frames.Close()
	var lengths []byte
	for chain := newBenchChain(); chain.next <= coldHead; {
		blocks := chain.batch()
		if err := s.Append(b.Context(), blocks...); err != nil {
			return err
		}
		for _, block := range blocks {
			if _, err := frames.Write(block.Frames); err != nil {
				return err
			}
			lengths = binary.BigEndian.AppendUint32(lengths, uint32(len(block.Frames)))
		}
	}
	return os.WriteFile(filepath.Join(dir, coldLengths), lengths, 0o600)
}

// serveCold is the process that serves.
func serveCold(text string) error {
	var setup coldSetup
	if err := json.Unmarshal([]byte(text), &setup); err != nil {
		return err
	}
	stack, service, err := benchNode(setup.Dir, setup.Listen, coldNow)
	if err != nil {
		return err
	}
	defer stack.Close()
	plain, err := openColdFile(setup.Dir)
	if err != nil {
		return err
	}
	defer plain.frames.Close()
	service.Host().SetStreamHandler(plainProtocol, plain.handle)
	return tell(service.Host(), map[string]func() error{drop: func() error { return dropPages(setup.Dir) }})
}

// dropPages drops the pages of all files below a directory from the system's cache. A database may delete files
// meanwhile.
func dropPages(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer file.Close()
		if err := file.Sync(); err != nil { // pages that are dirty are not dropped
			return err
		}
		return unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

// A coldFile is the frames of all blocks.
type coldFile struct {
	frames  *os.File
	offsets []int64 // of each block, and behind the last
}

func openColdFile(dir string) (*coldFile, error) {
	lengths, err := os.ReadFile(filepath.Join(dir, coldLengths))
	if err != nil {
		return nil, err
	}
	f := &coldFile{offsets: []int64{0}}
	for i := 0; i < len(lengths); i += 4 {
		f.offsets = append(f.offsets, f.offsets[i/4]+int64(binary.BigEndian.Uint32(lengths[i:])))
	}
	f.frames, err = os.Open(filepath.Join(dir, coldFrames))
	return f, err
}

// handle answers a request for a range with chunks that are read from the file, one read and one write each.
func (f *coldFile) handle(stream network.Stream) {
	if f.answer(stream) != nil {
		_ = stream.Reset()
		return
	}
	_ = stream.CloseWrite()
	_ = stream.Close()
}

func (f *coldFile) answer(stream network.Stream) error {
	r := bufio.NewReader(stream)
	size, err := snappy.ReadHeader(r, snappy.Bounds{Max: 64})
	if err != nil {
		return err
	}
	message, err := snappy.AppendPayload(nil, r, size)
	if err != nil {
		return err
	}
	var request ssz.BeaconBlocksByRangeRequest
	if err := request.UnmarshalSSZ(message); err != nil {
		return err
	}
	var chunk []byte
	for slot := request.StartSlot; slot < request.StartSlot+ssz.Slot(request.Count); slot++ {
		digest := devchain.Network().DigestAt(devchain.Network().EpochOf(slot))
		chunk = snappy.AppendHeader(append(append(chunk[:0], 0), digest[:]...), benchSize)
		begin, end, header := f.offsets[slot-benchFirst], f.offsets[slot-benchFirst+1], len(chunk)
		chunk = append(chunk, make([]byte, end-begin)...)
		if _, err := f.frames.ReadAt(chunk[header:], begin); err != nil {
			return err
		}
		if _, err := stream.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}
