package peers_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
)

const idBlocks protocol.ID = "/eth2/beacon_chain/req/beacon_blocks_by_range/2/ssz_snappy"

// trial is more than the time that a newcomer gets.
const trial = 35 * time.Second

// ask asks a node for some blocks. What comes is not read yet.
func ask(ctx context.Context, from host.Host, n *node, blocks uint64) (network.Stream, error) {
	stream, err := from.NewStream(network.WithNoDial(ctx, "asking"), n.ID(), idBlocks)
	if err != nil {
		return nil, err
	}
	req := make([]byte, 24)
	binary.LittleEndian.PutUint64(req, 900)
	binary.LittleEndian.PutUint64(req[8:], blocks)
	binary.LittleEndian.PutUint64(req[16:], 1)
	if _, err := stream.Write(snappy.AppendFrames(snappy.AppendHeader(nil, len(req)), req)); err != nil {
		return nil, err
	}
	return stream, stream.CloseWrite()
}

// fetch asks a node for some blocks and reads them. It fails if they do not all come.
func fetch(ctx context.Context, from host.Host, n *node, blocks uint64) error {
	stream, err := ask(ctx, from, n, blocks)
	if err != nil {
		return err
	}
	defer stream.Reset()
	got, err := io.Copy(io.Discard, stream)
	if want := int64(blocks) * n.chain.size.Load(); err == nil && got < want {
		return fmt.Errorf("%d bytes came, want at least %d", got, want)
	}
	return err
}

func mustFetch(t *testing.T, from host.Host, n *node, blocks uint64) {
	t.Helper()
	if err := fetch(t.Context(), from, n, blocks); err != nil {
		t.Fatal(err)
	}
}

// newBlockNode returns a node that has blocks.
func newBlockNode(t *testing.T, h host.Host, opts peers.Options) *node {
	t.Helper()
	opts.NoDial = true
	n := newNode(t, h, opts)
	n.chain.size.Store(16 << 10)
	n.chain.head.Store(uint64(afterFork))
	return n
}

// join has one more node dial a node.
func join(t *testing.T, h host.Host, n *node) *node {
	t.Helper()
	return joiners(t, []host.Host{h}, n)[0]
}

func joiners(t *testing.T, hosts []host.Host, n *node) (all []*node) {
	t.Helper()
	for _, h := range hosts {
		d := newNode(t, h, peers.Options{Config: peers.Config{NoDial: true}})
		d.chain.head.Store(uint64(afterFork))
		connect(t, d, n)
		time.Sleep(100 * time.Millisecond)
		all = append(all, d)
	}
	return all
}

func wantPeers(t *testing.T, n *node, what string, hosts ...host.Host) {
	t.Helper()
	if got := n.known(); !slices.Equal(got, byID(hosts...)) {
		t.Errorf("%s: peers %v, want %v", what, got, byID(hosts...))
	}
}

// Of peers that have had their time, the youngest that is of no use makes room for a newcomer, who is kept for some
// time, and longer if it was of use.
func TestNewcomerTakesTheSeatOfAnIdlePeer(t *testing.T) {
	for name, used := range map[string][]int{
		"nobody is of use": nil, "the youngest is of use": {4},
		"all but the oldest are": {2, 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, afterFork, 7, func(t *testing.T, hosts []host.Host) {
				n := newBlockNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 4}})
				joiners(t, hosts[1:5], n)
				for _, i := range used {
					mustFetch(t, hosts[i], n, 1)
				}
				time.Sleep(trial)
				idle := 4
				for slices.Contains(used, idle) {
					idle--
				}
				first := join(t, hosts[5], n)
				settle()
				want := append(slices.Delete(slices.Clone(hosts[1:5]), idle-1, idle), hosts[5])
				wantPeers(t, n, "with a newcomer", want...)
				mustFetch(t, first, n, 1)
				time.Sleep(trial)
				wantPeers(t, n, "after its time", want...)
			})
		})
	}
}

// A peer that syncs from a node lags behind it, and any peer can claim a head: who reads has the seat of who does not.
func TestUseCountsMoreThanTheHead(t *testing.T) {
	simulate(t, afterFork, 4, func(t *testing.T, hosts []host.Host) {
		n := newBlockNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 2}})
		syncing := newNode(t, hosts[1], peers.Options{Config: peers.Config{NoDial: true}})
		connect(t, syncing, n)
		joiners(t, hosts[2:3], n)
		mustFetch(t, hosts[1], n, 1)
		time.Sleep(trial)
		join(t, hosts[3], n)
		settle()
		wantPeers(t, n, "with a newcomer", hosts[1], hosts[3])
	})
}

// A share of the room is for newcomers, not all of it: of those beyond it, those that came first make room.
func TestNewcomersShareTheirPartOfTheRoom(t *testing.T) {
	simulate(t, afterFork, 8, func(t *testing.T, hosts []host.Host) {
		n := newBlockNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 4}})
		joiners(t, hosts[1:5], n)
		time.Sleep(trial)
		joiners(t, hosts[5:8], n)
		settle()
		wantPeers(t, n, "of three newcomers", hosts[1], hosts[2], hosts[3], hosts[7])
	})
}

// A peer that has had its time and was of no use has no time again as it comes back soon.
func TestIdlePeerHasOneTrial(t *testing.T) {
	simulate(t, afterFork, 6, func(t *testing.T, hosts []host.Host) {
		n := newBlockNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 4}})
		idle := join(t, hosts[5], n)
		time.Sleep(trial)
		_ = idle.Network().ClosePeer(n.ID())
		joiners(t, hosts[1:5], n)
		time.Sleep(trial)
		connect(t, idle, n)
		settle()
		wantPeers(t, n, "as it is back", hosts[1:5]...)
		time.Sleep(10 * time.Minute)
		connect(t, idle, n)
		settle()
		wantPeers(t, n, "much later", hosts[1], hosts[2], hosts[3], hosts[5])
	})
}

// reader reads an answer at a rate, and returns how much came.
func reader(stream network.Stream, perSecond int) (got int, err error) {
	b := make([]byte, perSecond)
	for {
		k, err := io.ReadFull(stream, b)
		if got += k; err != nil {
			return got, err
		}
		time.Sleep(time.Second)
	}
}

// A peer that tells no status goes first, whatever it does.
func TestPeerWithoutAStatusHasNoSeat(t *testing.T) {
	simulate(t, afterFork, 4, func(t *testing.T, hosts []host.Host) {
		n := newBlockNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 2}})
		joiners(t, hosts[1:2], n)
		if err := hosts[2].Connect(t.Context(), infoOf(n)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second)
		mustFetch(t, hosts[2], n, 1)
		time.Sleep(4 * time.Second)
		if !connected(n, hosts[2]) {
			t.Fatal("the peer without a status was left already")
		}
		join(t, hosts[3], n)
		time.Sleep(11 * time.Second)
		settle()
		wantPeers(t, n, "with a newcomer", hosts[1], hosts[3])
	})
}

// No room is kept for a newcomer that behaves badly.
func TestNewcomerWithABadScoreHasNoSeat(t *testing.T) {
	simulate(t, afterFork, 6, func(t *testing.T, hosts []host.Host) {
		scores := new(scoreboard)
		scores.set(hosts[5].ID(), -1)
		n := newBlockNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 4}, Scores: scores})
		joiners(t, hosts[1:5], n)
		time.Sleep(trial)
		join(t, hosts[5], n)
		settle()
		wantPeers(t, n, "with a newcomer", hosts[1:5]...)
	})
}

// Of peers that are of no use yet, the one that reads an answer stays.
func TestReaderStays(t *testing.T) {
	simulate(t, afterFork, 4, func(t *testing.T, hosts []host.Host) {
		n := newBlockNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 2}})
		n.chain.size.Store(64 << 10)
		joiners(t, hosts[1:3], n)
		time.Sleep(trial)
		stream, err := ask(t.Context(), hosts[2], n, 64)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = reader(stream, 64<<10) })
		time.Sleep(time.Second)
		join(t, hosts[3], n)
		wg.Wait()
		settle()
		wantPeers(t, n, "after the answer", hosts[2], hosts[3])
	})
}

// Whoever has to go, the answer that it reads is not cut off.
func TestNobodyIsLeftInTheMiddleOfAnAnswer(t *testing.T) {
	simulate(t, afterFork, 4, func(t *testing.T, hosts []host.Host) {
		n := newBlockNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 2}})
		n.chain.size.Store(64 << 10)
		joiners(t, hosts[1:3], n)
		time.Sleep(trial)
		var wg sync.WaitGroup
		for _, h := range hosts[1:3] {
			stream, err := ask(t.Context(), h, n, 64)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				if got, err := reader(stream, 64<<10); err != io.ErrUnexpectedEOF || got < 64*64<<10 {
					t.Errorf("an answer ended after %d bytes: %v", got, err)
				}
			})
		}
		time.Sleep(time.Second)
		join(t, hosts[3], n)
		time.Sleep(20 * time.Second)
		wantPeers(t, n, "while they read", hosts[1:4]...)
		wg.Wait()
		time.Sleep(10 * time.Second)
		settle()
		wantPeers(t, n, "after their answers", hosts[1], hosts[3])
	})
}

// An answer that hardly moves does not keep a seat.
func TestSlowAnswerKeepsNoSeat(t *testing.T) {
	simulate(t, afterFork, 4, func(t *testing.T, hosts []host.Host) {
		n := newBlockNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 2}})
		n.chain.size.Store(4 << 10)
		n.chain.delay.Store(int64(6 * time.Second))
		joiners(t, hosts[1:3], n)
		time.Sleep(trial)
		for _, h := range hosts[1:3] {
			if _, err := ask(t.Context(), h, n, 128); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		join(t, hosts[3], n)
		time.Sleep(10 * time.Second)
		wantPeers(t, n, "for some time", hosts[1:4]...)
		time.Sleep(10 * time.Second)
		wantPeers(t, n, "then", hosts[1], hosts[3])
	})
}

func TestPrefixHasAPartOfTheRoom(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts peers.Options
		want int // of seven peers of one prefix
	}{
		{"by default two of fifteen", peers.Options{Config: peers.Config{Target: 15}}, 2},
		{"by default an eighth", peers.Options{Config: peers.Config{Target: 24}}, 3},
		{"as many as are allowed", peers.Options{Config: peers.Config{MaxPerPrefix: 5}}, 5},
		{"as many as the target has room for", peers.Options{Config: peers.Config{Target: 3, MaxPerPrefix: 2}}, 2},
		{"no bound", peers.Options{Config: peers.Config{MaxPerPrefix: -1}}, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, afterFork, 9, func(t *testing.T, hosts []host.Host) {
				tt.opts.NoDial = true
				tt.opts.Addr = func(id peer.ID) netip.Addr {
					if id == hosts[8].ID() {
						return netip.MustParseAddr("198.51.100.1")
					}
					return netip.MustParseAddr("203.0.113.7")
				}
				n := newBlockNode(t, hosts[0], tt.opts)
				joiners(t, hosts[1:9], n)
				settle()
				if got := len(n.known()); got != tt.want+1 || !connected(n, hosts[8]) {
					t.Errorf("%d peers, want %d of one prefix and the other, whose connection is %v", got, tt.want,
						connected(n, hosts[8]))
				}
			})
		})
	}
}

func TestTheBestOfAPrefixStay(t *testing.T) {
	for _, worst := range []int{1, 2, 3} {
		simulate(t, afterFork, 4, func(t *testing.T, hosts []host.Host) {
			scores := new(scoreboard)
			scores.set(hosts[worst].ID(), -1)
			n := newBlockNode(t, hosts[0], peers.Options{
				Config: peers.Config{MaxPerPrefix: 2}, Scores: scores,
				Addr: func(peer.ID) netip.Addr { return netip.MustParseAddr("203.0.113.7") },
			})
			joiners(t, hosts[1:4], n)
			settle()
			wantPeers(t, n, "of three of a prefix", slices.Delete(slices.Clone(hosts[1:4]), worst-1, worst)...)
		})
	}
}

// An attacker keeps dialing the node as soon as it was left.
func attack(ctx context.Context, wg *sync.WaitGroup, from host.Host, n *node, greedy bool) {
	server := beacon.NewServer(from, n.server.Family().Network(), &headChain{}, nil)
	_ = server.Start()
	wg.Go(func() {
		defer server.Stop(context.WithoutCancel(ctx))
		for ctx.Err() == nil {
			pause := time.Second
			if from.Connect(ctx, infoOf(n)) == nil && greedy {
				_ = fetch(ctx, from, n, 2)
				pause = time.Second
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	})
}

// TestNewcomersAreServedAmongManyIdentities has ten attackers for every honest peer, which comes, asks for some
// seconds and goes.
func TestNewcomersAreServedAmongManyIdentities(t *testing.T) {
	const honest, attackers, waves = 2, 20, 5
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	for _, greedy := range []bool{false, true} {
		for _, prefixes := range []int{1, attackers} {
			t.Run(fmt.Sprintf("greedy %v, prefixes %d", greedy, prefixes), func(t *testing.T) {
				simulate(t, afterFork, 1+attackers+honest*waves, func(t *testing.T, hosts []host.Host) {
					addrs := make(map[peer.ID]netip.Addr)
					for i, h := range hosts[1:] {
						addrs[h.ID()] = netip.AddrFrom4([4]byte{203, 0, byte(i), 7})
						if i < attackers {
							addrs[h.ID()] = netip.AddrFrom4([4]byte{198, 51, byte(i % prefixes), 7})
						}
					}
					n := newBlockNode(t, hosts[0], peers.Options{
						Config: peers.Config{Target: 8},
						Addr:   func(id peer.ID) netip.Addr { return addrs[id] },
					})
					ctx, cancel := context.WithCancel(t.Context())
					var wg sync.WaitGroup
					defer wg.Wait()
					defer cancel()
					for _, h := range hosts[1 : 1+attackers] {
						attack(ctx, &wg, h, n, greedy)
					}
					time.Sleep(40 * time.Second)
					var mu sync.Mutex
					asked, failed := 0, make(map[string]int)
					var newcomers sync.WaitGroup
					for i, h := range hosts[1+attackers:] {
						d := newNode(t, h, peers.Options{Config: peers.Config{NoDial: true}})
						newcomers.Go(func() {
							time.Sleep(time.Duration(i/honest) * 8 * time.Second)
							err := d.Connect(t.Context(), infoOf(n))
							for range 8 {
								if err == nil {
									time.Sleep(500 * time.Millisecond)
									err = fetch(t.Context(), d, n, 8)
								}
								mu.Lock()
								if asked++; err != nil {
									failed[err.Error()]++
								}
								mu.Unlock()
							}
							_ = d.Network().ClosePeer(n.ID())
						})
					}
					newcomers.Wait()
					lost := 0
					for _, k := range failed {
						lost += k
					}
					if lost*20 > asked {
						t.Errorf("%d of %d requests of newcomers failed: %v", lost, asked, failed)
					}
					t.Logf("%d of %d requests of newcomers failed", lost, asked)
				})
			})
		}
	}
}

// A peer that makes room is told why, and there is always room for a static one.
func TestPeersThatMakeRoomAreToldWhy(t *testing.T) {
	simulate(t, afterFork, 5, func(t *testing.T, hosts []host.Host) {
		n := newNode(t, hosts[0], peers.Options{Config: peers.Config{Target: 2, MaxPerPrefix: -1}})
		dialers(t, n, hosts[1:2])
		dialers(t, n, hosts[2:3])
		told := notesGoodbyes(hosts[2])
		time.Sleep(trial)
		dialers(t, n, hosts[3:4])
		settle()
		if got := told.get(); !slices.Equal(got, []beacon.GoodbyeReason{beacon.GoodbyeTooManyPeers}) ||
			connected(n, hosts[2]) {
			t.Errorf("goodbyes %v, connected %v", got, connected(n, hosts[2]))
		}
		time.Sleep(trial)
		if err := n.manager.AddStatic(infoOf(hosts[4])); err != nil {
			t.Fatal(err)
		}
		newNode(t, hosts[4], peers.Options{})
		time.Sleep(trial)
		wantPeers(t, n, "with a static one", hosts[1], hosts[4])
	})
}
