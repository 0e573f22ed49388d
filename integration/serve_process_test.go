package integration_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/config"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const (
	benchBatch          = 128 // MAX_REQUEST_BLOCKS_DENEB
	benchSize           = 100 << 10
	benchFirst ssz.Slot = 1000
	// plainProtocol is served by a stream handler that does nothing else.
	plainProtocol = "/reqresp-bench/plain/1"
)

// serveBench is the process that serves: it tells its address, and then, for
// each line it is sent, what it has used.
func serveBench(listen string) error {
	dir, err := os.MkdirTemp("", "reqresp-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	stack, service, err := benchNode(dir, listen, benchNow)
	if err != nil {
		return err
	}
	defer stack.Close()
	blocks := newBenchChain().batch()
	if err := finalizeBench(service.Store(), benchFirst+benchBatch); err != nil {
		return err
	}
	if err := service.Store().Append(context.Background(), blocks...); err != nil {
		return err
	}
	service.Host().SetStreamHandler(plainProtocol, plainHandler(blocks))
	return tell(service.Host(), nil)
}

// finalizeBench has the store take blocks up to a slot, or somewhat more, for history.
func finalizeBench(s *store.Store, slot ssz.Slot) error {
	n := devchain.Network()
	epoch := n.EpochOf(slot) + 1
	return s.SetSource(context.Background(), beacon.Status{
		HeadSlot: n.StartSlot(epoch), HeadRoot: benchRoot(n.StartSlot(epoch)),
		FinalizedEpoch: epoch, FinalizedRoot: benchRoot(n.StartSlot(epoch)),
	})
}

func benchNode(dir, listen string, now func() time.Time) (*node.Node, *plugin.Service, error) {
	stack, err := node.New(&node.Config{Name: "bench", DataDir: dir, P2P: p2p.Config{NoDiscovery: true, NoDial: true}})
	if err != nil {
		return nil, nil, err
	}
	plenty := limits.Rate{N: 1 << 30, Burst: 1 << 40}
	ample := limits.Quota{Requests: plenty, Items: plenty, Bytes: plenty}
	service, err := plugin.New(stack, nil, plugin.Config{
		Genesis: &store.Network{
			Config:                devchain.Config(),
			GenesisTime:           devchain.GenesisTime,
			GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
		},
		Listen: []string{listen},
		Preset: config.None,
		Limits: limits.Config{Node: ample, Default: limits.Method{Peer: ample}},
		Now:    now,
	})
	if err != nil {
		return nil, nil, err
	}
	return stack, service, stack.Start()
}

func benchNow() time.Time { return devchain.Network().TimeAt(benchFirst + 2*benchBatch) }

// tell tells where a host listens, and then, for each line, what the process has used, after it has run the command
// that the line names.
func tell(h host.Host, commands map[string]func() error) error {
	answer := json.NewEncoder(os.Stdout)
	if err := answer.Encode(peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}); err != nil {
		return err
	}
	for questions := bufio.NewScanner(os.Stdin); questions.Scan(); {
		if do := commands[questions.Text()]; do != nil {
			if err := do(); err != nil {
				return err
			}
		}
		if err := answer.Encode(currentUsage()); err != nil {
			return err
		}
	}
	return nil
}

func currentUsage() usage {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		panic(err)
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	u := usage{
		CPU:     time.Duration(ru.Utime.Nano() + ru.Stime.Nano()),
		Mallocs: mem.Mallocs,
		Bytes:   mem.TotalAlloc,
	}
	if text, err := os.ReadFile("/proc/self/io"); err == nil {
		_, read, _ := strings.Cut(string(text), "\nread_bytes: ")
		_, _ = fmt.Sscan(read, &u.Read)
	}
	return u
}

// plainHandler writes the same chunks from memory, one write each.
func plainHandler(blocks []*beacon.Block) network.StreamHandler {
	chunks := make([][]byte, len(blocks))
	for i, b := range blocks {
		chunk := append([]byte{0}, b.Digest[:]...)
		chunks[i] = append(snappy.AppendHeader(chunk, len(b.SSZ)), b.Frames...)
	}
	return func(stream network.Stream) {
		request := make([]byte, 64)
		for {
			if _, err := stream.Read(request); err != nil {
				break
			}
		}
		for _, chunk := range chunks {
			if _, err := stream.Write(chunk); err != nil {
				_ = stream.Reset()
				return
			}
		}
		_ = stream.CloseWrite()
		_ = stream.Close()
	}
}

// A benchChain makes a chain of blocks that nobody could verify, of a size and compressibility like mainnet's.
type benchChain struct {
	random *rand.Rand
	next   ssz.Slot
	parent ssz.Root
}

func newBenchChain() *benchChain {
	return &benchChain{random: rand.New(rand.NewChaCha8([32]byte{1})), next: benchFirst}
}

// batch makes the next blocks, one in each slot.
func (c *benchChain) batch() []*beacon.Block {
	n := devchain.Network()
	blocks := make([]*beacon.Block, benchBatch)
	for i := range blocks {
		b := &beacon.Block{
			Slot: c.next, Root: benchRoot(c.next), ParentRoot: c.parent,
			Fork: n.ForkAt(n.EpochOf(c.next)), Digest: n.DigestAt(n.EpochOf(c.next)), SSZ: make([]byte, benchSize),
		}
		fillBlock(b, c.random)
		b.Frames = snappy.AppendFrames(nil, b.SSZ)
		blocks[i], c.parent = b, b.Root
		c.next++
	}
	debug.FreeOSMemory()
	return blocks
}

func benchRoot(slot ssz.Slot) (root ssz.Root) {
	binary.BigEndian.PutUint64(root[:], uint64(slot))
	return root
}

// fillBlock writes a block's header and, for its body, stretches of noise
// between zeros.
func fillBlock(b *beacon.Block, random *rand.Rand) {
	binary.LittleEndian.PutUint32(b.SSZ, 100)
	binary.LittleEndian.PutUint64(b.SSZ[100:], uint64(b.Slot))
	copy(b.SSZ[116:], b.ParentRoot[:])
	binary.LittleEndian.PutUint32(b.SSZ[180:], 84)
	for i := 184; i < len(b.SSZ); i++ {
		if i%1024 < 614 {
			b.SSZ[i] = byte(random.Uint32())
		}
	}
}
