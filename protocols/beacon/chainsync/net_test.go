package chainsync_test

import (
	"context"
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/marcopolo/simnet"

	"github.com/seed-2dd5877b/reqresp/internal/race"
	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// netNetwork is a network whose slots are all of Deneb.
var netNetwork = sync.OnceValue(func() *ssz.Network {
	cfg := ssz.DefaultConfig(ssz.MinimalPreset)
	for f := range ssz.Deneb + 1 {
		cfg.Forks[f].Epoch = 0
	}
	n, err := ssz.NewNetwork(cfg, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), ssz.Root{1})
	if err != nil {
		panic(err)
	}
	return n
})

// template is a block of about 100 KiB that snappy cannot compress.
var template = sync.OnceValue(func() []byte {
	noise := make([]byte, 100<<10)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(noise)
	block := beacontest.Object("SignedBeaconBlock", ssz.Deneb)
	beacontest.Set(block, "Message.Body.ExecutionPayload.Transactions", [][]byte{noise})
	return beacontest.Encode(block)
})

// A netChain has a block in each slot, which it makes as it is asked for.
type netChain struct {
	parents  []ssz.Root // by slot, from 1 on
	forged   ssz.Slot   // from which on the blocks are others; zero is none
	earliest ssz.Slot
}

// A netLink is a chain behind a link, which delays what is sent as a link does that has room for all of it. (That of
// the simulated network drops packets, so that QUIC gets three quarters of it.)
type netLink struct {
	beacon.Chain
	perSec float64 // bytes

	mu   sync.Mutex
	free time.Time
}

func (l *netLink) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	l.mu.Lock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(ref.FramesSize) / l.perSec * float64(time.Second)))
	wait := time.Until(l.free)
	l.mu.Unlock()
	if err := sleep(ctx, wait); err != nil {
		return nil, err
	}
	return l.Chain.AppendFrames(ctx, ref, dst)
}

// netChainOf makes a chain, or one that is another from a slot on.
func netChainOf(base *netChain, last, forged ssz.Slot) *netChain {
	c := &netChain{parents: []ssz.Root{{}, {}}, forged: forged}
	if base != nil {
		c.parents = slices.Clone(base.parents[:forged+1])
	}
	for slot := ssz.Slot(len(c.parents) - 1); slot <= last; slot++ {
		root, err := netNetwork().BlockRoot(ssz.Deneb, c.block(slot))
		if err != nil {
			panic(err)
		}
		c.parents = append(c.parents, root)
	}
	return c
}

func (c *netChain) last() ssz.Slot { return ssz.Slot(len(c.parents) - 2) }

func (c *netChain) root(slot ssz.Slot) ssz.Root { return c.parents[slot+1] }

// block returns the SSZ of a block: its message follows the offset and the signature.
func (c *netChain) block(slot ssz.Slot) []byte {
	b := slices.Clone(template())
	binary.LittleEndian.PutUint64(b[100:], uint64(slot))
	copy(b[116:], c.parents[slot][:])
	if c.forged > 0 && slot >= c.forged {
		b[148] = 1
	}
	return b
}

func (c *netChain) Status(context.Context) (beacon.Status, error) {
	return beacon.Status{
		HeadSlot: c.last(), HeadRoot: c.root(c.last()), EarliestAvailableSlot: c.earliest,
	}, nil
}

func (c *netChain) BlocksByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for slot := max(start, 1); slot < start+ssz.Slot(count) && slot <= c.last(); slot++ {
			size := len(template())
			if !yield(beacon.Ref{Slot: slot, Root: c.root(slot), Size: size, FramesSize: size}, nil) {
				return
			}
		}
	}
}

func (c *netChain) BlocksByRoot(context.Context, []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return func(func(beacon.Ref, error) bool) {}
}

func (c *netChain) Sources() beacon.Sources { return beacon.Sources{} }

func (c *netChain) AppendFrames(_ context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	return snappy.AppendFrames(dst, c.block(ref.Slot)), nil
}

// A stalling chain never comes to its first block.
type stallingChain struct{ *netChain }

func (c stallingChain) BlocksByRange(ctx context.Context, _ ssz.Slot, _ uint64) iter.Seq2[beacon.Ref, error] {
	return func(func(beacon.Ref, error) bool) { <-ctx.Done() }
}

// A rootSink checks that what is stored is the chain.
type rootSink struct {
	t     *testing.T
	chain *netChain
	last  ssz.Slot
}

func (s *rootSink) Store(_ context.Context, blocks []*beacon.Block) error {
	for _, b := range blocks {
		if b.Slot != s.last+1 || b.Root != s.chain.root(b.Slot) {
			s.t.Errorf("stored %v in slot %d after slot %d", b.Root, b.Slot, s.last)
		}
		s.last = b.Slot
	}
	return nil
}

// A netPeer is a peer of the simulated network.
type netPeer struct {
	chain  beacon.Chain
	mbit   int
	leaves bool // at random times
}

// perPeer is how many blocks a good peer is asked for, which bounds what a simulation costs.
const perPeer = 500

// TestSimulatedNetwork syncs from servers over QUIC, each of which sends 100 Mbit/s at a round trip of 100 ms. It is
// compared to what one of them gives to plain requests, two at a time.
func TestSimulatedNetwork(t *testing.T) {
	if testing.Short() || race.Enabled {
		t.Skip("simulates gigabytes")
	}
	const last ssz.Slot = 8 * perPeer
	chain := netChainOf(nil, last, 0)
	forged := netChainOf(chain, last, last/4)
	recent := *chain
	recent.earliest = last + 1 - 64
	good := netPeer{chain: chain, mbit: 100}
	stalling := netPeer{chain: stallingChain{chain}, mbit: 100}
	lying := netPeer{chain: forged, mbit: 100}
	slow := netPeer{chain: chain, mbit: 1}
	leaving := netPeer{chain: chain, mbit: 100, leaves: true}
	empty := netPeer{chain: &recent, mbit: 100}
	single := plainSpeed(t, chain)
	for name, tc := range map[string]struct {
		peers []netPeer
		last  ssz.Slot
		good  float64 // peers
		part  float64 // of what they have
		liar  int     // its index, or -1
	}{
		"eight good peers": {[]netPeer{good, good, good, good, good, good, good, good}, last, 8, .9, -1},
		"a peer that stalls, one that lies, a slow one, and one that leaves": {
			[]netPeer{good, stalling, good, lying, slow, leaving, good, good}, last, 4, .8, 3,
		},
		"three peers of which one has history": {[]netPeer{empty, good, empty}, last / 4, 1, .8, -1},
	} {
		t.Run(name, func(t *testing.T) {
			netRun(t, last, func(t *testing.T, n *simtest.Network) {
				client := n.Hosts[0]
				var peers []chainsync.Peer
				for _, p := range tc.peers {
					peers = append(peers, join(t, n, client, p))
				}
				time.Sleep(time.Second) // Let them identify each other.
				blamed := make(map[peer.ID]bool)
				cfg := &chainsync.Config{
					Client: beacon.NewClient(client, beacon.NewFamily(netNetwork()), nil), Network: netNetwork(),
					Peers: func() []chainsync.Peer { return peers }, Batch: 64,
					Blame: func(b chainsync.Blame) { blamed[b.Peer] = true },
				}
				began, sink := time.Now(), &rootSink{t: t, chain: chain, last: last - tc.last}
				if _, err := chainsync.Forward(t.Context(), cfg, chainsync.Anchor{Slot: last - tc.last}, sink); err != nil {
					t.Fatal(err)
				}
				speed := float64(tc.last) / time.Since(began).Seconds()
				t.Logf("%.0f blocks/s from %v good peers, %.0f from one by plain requests", speed, tc.good, single)
				if speed < tc.part*tc.good*single {
					t.Errorf("%.2f of what the good peers have, want %.2f", speed/single/tc.good, tc.part)
				}
				if sink.last != last {
					t.Errorf("stored up to slot %d, want %d", sink.last, last)
				}
				for i, p := range peers {
					if blamed[p.ID] != (i == tc.liar) {
						t.Errorf("peer %d blamed: %v", i, blamed[p.ID])
					}
				}
			})
		})
	}
}

// netRun simulates a network with a client, whose link is fast, after a slot.
func netRun(t *testing.T, after ssz.Slot, f func(t *testing.T, n *simtest.Network)) {
	simtest.Run(t, simtest.Options{
		Hosts: 1, BitsPerSecond: 10_000_000_000, At: netNetwork().TimeAt(after + 1),
		Latency: func(*simnet.Packet) time.Duration { return 50 * time.Millisecond },
	}, f)
}

// plainSpeed returns the blocks a second that a good peer gives to two requests at a time.
func plainSpeed(t *testing.T, chain *netChain) (perSecond float64) {
	netRun(t, chain.last(), func(t *testing.T, n *simtest.Network) {
		p := join(t, n, n.Hosts[0], netPeer{chain: chain, mbit: 100})
		time.Sleep(time.Second) // Let them identify each other.
		client := beacon.NewClient(n.Hosts[0], beacon.NewFamily(netNetwork()), nil)
		var next atomic.Uint64
		var askers sync.WaitGroup
		began := time.Now()
		for range 2 {
			askers.Go(func() {
				for {
					first := next.Add(64) - 63
					if first > perPeer {
						return
					}
					count := min(64, perPeer-first+1)
					for _, err := range client.BlocksByRange(t.Context(), p.ID, ssz.Slot(first), count) {
						if err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		askers.Wait()
		perSecond = perPeer / time.Since(began).Seconds()
	})
	return perSecond
}

// join has a peer join the network and connects the client to it.
func join(t *testing.T, n *simtest.Network, client host.Host, p netPeer) chainsync.Peer {
	t.Helper()
	h, err := n.NewHost()
	if err != nil {
		t.Fatal(err)
	}
	link := &netLink{Chain: p.chain, perSec: float64(p.mbit) * mbit}
	server := beacon.NewServer(h, netNetwork(), link, nil)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var leaving sync.WaitGroup
	if p.leaves {
		leaving.Go(func() { leave(ctx, h) })
	}
	t.Cleanup(func() {
		cancel()
		leaving.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Stop(ctx)
		_ = h.Close()
	})
	simtest.Introduce(client, h)
	if err := client.Connect(t.Context(), peer.AddrInfo{ID: h.ID()}); err != nil {
		t.Fatal(err)
	}
	status, _ := p.chain.Status(t.Context())
	return chainsync.Peer{ID: h.ID(), Status: status}
}

// leave closes the connections of a host at random times.
func leave(ctx context.Context, h host.Host) {
	r := rand.New(rand.NewPCG(1, 2))
	for sleep(ctx, time.Duration(r.IntN(1500))*time.Millisecond) == nil {
		for _, conn := range h.Network().Conns() {
			_ = conn.Close()
		}
	}
}
