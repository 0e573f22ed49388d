package peers_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The protocol IDs, as the consensus specs spell them.
const (
	idStatusV1 protocol.ID = "/eth2/beacon_chain/req/status/1/ssz_snappy"
	idStatusV2 protocol.ID = "/eth2/beacon_chain/req/status/2/ssz_snappy"
	idGoodbye  protocol.ID = "/eth2/beacon_chain/req/goodbye/1/ssz_snappy"
	idPing     protocol.ID = "/eth2/beacon_chain/req/ping/1/ssz_snappy"
	idMetaData protocol.ID = "/eth2/beacon_chain/req/metadata/3/ssz_snappy"
)

// afterFork is a slot of the development chain long after its fork.
const afterFork ssz.Slot = 1000

// A headChain is a chain that has a head, and blocks of noise in every slot if they have a size.
type headChain struct {
	head  atomic.Uint64
	size  atomic.Int64 // of a block
	delay atomic.Int64 // before each, a time.Duration
}

func (c *headChain) Status(context.Context) (beacon.Status, error) {
	return beacon.Status{HeadSlot: ssz.Slot(c.head.Load())}, nil
}

func (c *headChain) BlocksByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	size := int(c.size.Load())
	return func(yield func(beacon.Ref, error) bool) {
		for slot := start; size > 0 && slot < start+ssz.Slot(count); slot++ {
			time.Sleep(time.Duration(c.delay.Load()))
			if !yield(beacon.Ref{Slot: slot, Size: size, FramesSize: size}, nil) {
				return
			}
		}
	}
}

func (*headChain) BlocksByRoot(context.Context, []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return func(func(beacon.Ref, error) bool) {}
}

func (*headChain) Sources() beacon.Sources { return beacon.Sources{} }

func (*headChain) AppendFrames(_ context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	noise := make([]byte, ref.Size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	return snappy.AppendFrames(dst, noise), nil
}

// An asked is what one peer was asked for.
type asked struct {
	mu  sync.Mutex
	ids []protocol.ID
}

func (a *asked) middleware(next reqresp.HandlerFunc) reqresp.HandlerFunc {
	return func(ctx context.Context, in *reqresp.Inbound) error {
		a.mu.Lock()
		a.ids = append(a.ids, in.Protocol())
		a.mu.Unlock()
		return next(ctx, in)
	}
}

// count returns how often a protocol was asked for.
func (a *asked) count(id protocol.ID) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, got := range a.ids {
		if got == id {
			n++
		}
	}
	return n
}

func (a *asked) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids = nil
}

// simulate runs f with so many hosts on a simulated network, which do not know of each other. The bubble's clock is at
// a slot of the development chain.
func simulate(t *testing.T, at ssz.Slot, count int, f func(t *testing.T, hosts []host.Host)) {
	t.Helper()
	o := simtest.Options{Hosts: count, At: devchain.Network().TimeAt(at)}
	simtest.Run(t, o, func(t *testing.T, n *simtest.Network) { f(t, n.Hosts) })
}

// A node is a host with a server and a manager.
type node struct {
	host.Host
	server  *beacon.Server
	manager *peers.Manager
	chain   headChain
	asked   asked
	seq     atomic.Uint64 // of its metadata
	stop    func()
}

// newNode starts a node, which ends with the test.
func newNode(t *testing.T, h host.Host, opts peers.Options) *node {
	t.Helper()
	return newNodeAt(t, h, opts, time.Now)
}

// newNodeAt starts a node with a clock of its own.
func newNodeAt(t *testing.T, h host.Host, opts peers.Options, now func() time.Time) *node {
	t.Helper()
	if opts.Addr == nil {
		opts.Addr = func(peer.ID) netip.Addr { return netip.Addr{} } // The simulated network has one prefix.
	}
	manager, err := peers.New(h, &opts)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Host: h, manager: manager}
	n.server = beacon.NewServer(h, devchain.Network(), &n.chain, &beacon.ServerOptions{
		Middleware: []reqresp.Middleware{n.asked.middleware},
		PeerTrace:  manager.Trace(),
		MetaData:   func() ssz.MetaDataV3 { return ssz.MetaDataV3{SeqNumber: n.seq.Load(), CustodyGroupCount: 4} },
		Now:        now,
		Logger:     opts.Logger,
	})
	if err := n.server.Start(); err != nil {
		t.Fatal(err)
	}
	manager.Start(n.server)
	n.stop = sync.OnceFunc(func() {
		manager.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = n.server.Stop(ctx)
	})
	t.Cleanup(n.stop)
	return n
}

func infoOf(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

func infosOf(hosts []host.Host) (infos []peer.AddrInfo) {
	for _, h := range hosts {
		infos = append(infos, infoOf(h))
	}
	return infos
}

func connect(t *testing.T, from, to host.Host) {
	t.Helper()
	if err := from.Connect(t.Context(), infoOf(to)); err != nil {
		t.Fatal(err)
	}
}

func connected(a, b host.Host) bool {
	return a.Network().Connectedness(b.ID()) == network.Connected
}

// settle lets everything happen that happens within some seconds.
func settle() {
	time.Sleep(6 * time.Second)
	synctest.Wait()
}

// known returns the IDs of the connected peers that have told a status.
func (n *node) known() (ids []peer.ID) {
	for _, info := range n.manager.Peers() {
		if info.Status != nil {
			ids = append(ids, info.ID)
		}
	}
	return ids
}

// byID returns the hosts' IDs in the order of Manager.Peers.
func byID[H host.Host](hosts ...H) (ids []peer.ID) {
	for _, h := range hosts {
		ids = append(ids, h.ID())
	}
	slices.Sort(ids)
	return ids
}

// A leaver is a raw peer that notes the goodbyes it is told and answers them.
func notesGoodbyes(h host.Host) *goodbyes {
	g := new(goodbyes)
	h.SetStreamHandler(idGoodbye, func(stream network.Stream) {
		defer stream.Close()
		b := make([]byte, 64)
		n := 0
		for n < len(b) {
			k, err := stream.Read(b[n:])
			n += k
			if err != nil {
				break
			}
		}
		g.note(b[max(n-8, 0)])
	})
	return g
}

type goodbyes struct {
	mu      sync.Mutex
	reasons []beacon.GoodbyeReason
}

func (g *goodbyes) note(reason byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reasons = append(g.reasons, beacon.GoodbyeReason(reason))
}

func (g *goodbyes) get() []beacon.GoodbyeReason {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.reasons)
}
