package plugin_test

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A mapChain is a beacon chain client's own chain: signed blocks as SSZ, by their roots, and which root is
// canonical in a slot. It does not change while it is served.
type mapChain struct {
	blocks    map[ssz.Root]*beacon.Block
	canonical map[ssz.Slot]ssz.Root
	head      *beacon.Block
}

func newMapChain(blocks []*beacon.Block) *mapChain {
	c := &mapChain{blocks: make(map[ssz.Root]*beacon.Block), canonical: make(map[ssz.Slot]ssz.Root)}
	for _, b := range blocks {
		c.blocks[b.Root], c.canonical[b.Slot], c.head = b, b.Root, b
	}
	return c
}

// Status tells the head and from where on the chain has every block. The fork digest is the server's to fill in.
func (c *mapChain) Status(context.Context) (beacon.Status, error) {
	return beacon.Status{
		FinalizedEpoch: devchain.FinalizedEpoch, FinalizedRoot: devchain.FinalizedRoot(),
		HeadSlot: c.head.Slot, HeadRoot: c.head.Root, EarliestAvailableSlot: devchain.FirstSlot,
	}, nil
}

func (c *mapChain) BlocksByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		if start < devchain.FirstSlot {
			yield(beacon.Ref{}, beacon.ErrUnavailable)
			return
		}
		for slot := start; uint64(slot-start) < count && slot <= c.head.Slot; slot++ {
			if root, ok := c.canonical[slot]; ok && !yield(c.ref(root), nil) {
				return
			}
		}
	}
}

func (c *mapChain) BlocksByRoot(_ context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, root := range roots {
			if c.blocks[root] != nil && !yield(c.ref(root), nil) {
				return
			}
		}
	}
}

func (c *mapChain) ref(root ssz.Root) beacon.Ref {
	b := c.blocks[root]
	return beacon.Ref{Slot: b.Slot, Root: root, Size: len(b.SSZ), FramesSize: len(b.SSZ) / 2}
}

func (*mapChain) Sources() beacon.Sources { return beacon.Sources{} }

func (c *mapChain) AppendFrames(_ context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	return snappy.AppendFrames(dst, c.blocks[ref.Root].SSZ), nil
}

// serve serves the chain as a service of a go-ethereum node.
func serve(chain beacon.Chain) (*node.Node, *plugin.Service, error) {
	stack, err := node.New(&node.Config{P2P: p2p.Config{NoDiscovery: true}})
	if err != nil {
		return nil, nil, err
	}
	service, err := plugin.New(stack, chain, plugin.Config{
		Network: devchain.Network(),
		Listen:  []string{"/ip4/127.0.0.1/udp/0/quic-v1"},
	})
	if err != nil {
		return nil, nil, err
	}
	return stack, service, stack.Start()
}

// ask is another peer, which exchanges statuses with the node and asks it for a block.
func ask(ctx context.Context, of host.Host, root ssz.Root) error {
	h, err := libp2p.New(libp2p.NoListenAddrs)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := h.Connect(ctx, *host.InfoFromHost(of)); err != nil {
		return err
	}
	network := devchain.Network()
	client := beacon.NewClient(h, beacon.NewFamily(network), nil)
	ours := beacon.Status{ForkDigest: network.DigestAt(network.EpochOf(network.SlotAt(time.Now())))} // and at genesis
	status, err := client.Status(ctx, of.ID(), ours)
	if err != nil {
		return err
	}
	fmt.Println("head is in slot", status.HeadSlot)
	for block, err := range client.BlocksByRoot(ctx, of.ID(), []ssz.Root{root}) {
		if err != nil {
			return err
		}
		fmt.Println("got the block of slot", block.Slot, "of", block.Fork)
	}
	return nil
}

// A beacon chain client implements beacon.Chain over what it has, registers it with a node, and serves: five methods,
// here over a map.
func Example() {
	blocks, err := devchain.Blocks()
	if err != nil {
		fmt.Println(err)
		return
	}
	stack, service, err := serve(newMapChain(blocks))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stack.Close()
	if err := ask(context.Background(), service.Host(), devchain.FinalizedRoot()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// head is in slot 142
	// got the block of slot 64 of fulu
}
