package beacon_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A memoryChain is a Chain of blocks held in memory.
type memoryChain struct {
	status beacon.Status
	bySlot map[ssz.Slot]*beacon.Block
	byRoot map[ssz.Root]*beacon.Block
}

// newMemoryChain returns a chain of blocks, which ascend by slot.
func newMemoryChain(finalized beacon.Status, blocks []*beacon.Block) *memoryChain {
	c := &memoryChain{
		status: finalized,
		bySlot: make(map[ssz.Slot]*beacon.Block),
		byRoot: make(map[ssz.Root]*beacon.Block),
	}
	for _, b := range blocks {
		c.bySlot[b.Slot], c.byRoot[b.Root] = b, b
		c.status.HeadSlot, c.status.HeadRoot = b.Slot, b.Root
	}
	c.status.EarliestAvailableSlot = blocks[0].Slot
	return c
}

func (c *memoryChain) Status(context.Context) (beacon.Status, error) { return c.status, nil }

func (c *memoryChain) BlocksByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		if start < c.status.EarliestAvailableSlot {
			yield(beacon.Ref{}, beacon.ErrUnavailable)
			return
		}
		for slot := start; slot <= c.status.HeadSlot && uint64(slot-start) < count; slot++ {
			if b := c.bySlot[slot]; b != nil && !yield(refOf(b), nil) {
				return
			}
		}
	}
}

func (c *memoryChain) BlocksByRoot(_ context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, root := range roots {
			if b := c.byRoot[root]; b != nil && !yield(refOf(b), nil) {
				return
			}
		}
	}
}

func (*memoryChain) Sources() beacon.Sources { return beacon.Sources{} }

func (c *memoryChain) AppendFrames(_ context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	return append(dst, c.byRoot[ref.Root].Frames...), nil
}

func refOf(b *beacon.Block) beacon.Ref {
	return beacon.Ref{Slot: b.Slot, Root: b.Root, Size: len(b.SSZ), FramesSize: len(b.Frames)}
}

// A node that has a libp2p host and a chain takes part in the Req/Resp domain with
// a Server. What it serves, a node without a chain asks for.
func ExampleNewServer() {
	network, chain := devNetwork(), newMemoryChain(beacon.Status{}, devBlocks())
	listen := libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0")
	host, err := libp2p.New(listen, libp2p.DisableMetrics())
	if err != nil {
		panic(err)
	}
	defer host.Close()

	server := beacon.NewServer(host, network, chain, nil)
	if err := server.Start(); err != nil {
		panic(err)
	}
	defer server.Stop(context.Background())

	other, err := libp2p.New(listen, libp2p.DisableMetrics())
	if err != nil {
		panic(err)
	}
	defer other.Close()
	ctx := context.Background()
	asker := beacon.NewServer(other, network, beacon.NoChain, nil)
	if err := asker.Start(); err != nil {
		panic(err)
	}
	defer asker.Stop(ctx)
	if err := other.Connect(ctx, peer.AddrInfo{ID: host.ID(), Addrs: host.Addrs()}); err != nil {
		panic(err)
	}
	for block, err := range asker.Client().BlocksByRange(ctx, host.ID(), 63, 2) {
		if err != nil {
			panic(err)
		}
		fmt.Println(block.Slot, block.Fork, block.Root)
	}
	// Output:
	// 63 electra 0x39c03cf1f96ba95f84797088aa5ef860ec642c33e66a6563c3fec2bc3e36e4e3
	// 64 fulu 0x39a3346090864d4f2f0f1e65525e03be57e4ce9b8a8c09a0e1eebe72cb1f6c87
}
