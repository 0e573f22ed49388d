package rangesync_test

import (
	"bufio"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const (
	idByRange protocol.ID = "/eth2/beacon_chain/req/beacon_blocks_by_range/2/ssz_snappy"
	oneWay                = simtest.OneWay
	// slack is what an exchange takes besides waiting.
	slack = 100 * time.Millisecond
	// clockSlot is the slot of the development chain at which simulations begin.
	clockSlot ssz.Slot = 2000
	// beforeGenesis has a simulation begin when the bubble does, at midnight of
	// 2000-01-01.
	beforeGenesis ssz.Slot = math.MaxUint64
)

// simulate runs f with two hosts on a simulated network, which are connected, in a
// bubble of virtual time. The bubble's clock is at a slot of the development chain.
func simulate(t *testing.T, at ssz.Slot, f func(t *testing.T, client, server host.Host)) {
	t.Helper()
	simulateServers(t, at, 1, func(t *testing.T, client host.Host, servers []host.Host) { f(t, client, servers[0]) })
}

// simulateServers is simulate with a client that is connected to several servers.
func simulateServers(t *testing.T, at ssz.Slot, n int, f func(t *testing.T, client host.Host, servers []host.Host)) {
	t.Helper()
	o := simtest.Options{Hosts: 1 + n}
	if at != beforeGenesis {
		o.At = devchain.Network().TimeAt(at)
	}
	simtest.Run(t, o, func(t *testing.T, n *simtest.Network) {
		client, servers := n.Hosts[0], n.Hosts[1:]
		simtest.Introduce(client, servers...)
		for _, server := range servers {
			must(t, client.Connect(t.Context(), peer.AddrInfo{ID: server.ID()}))
		}
		time.Sleep(time.Second) // Let them identify each other.
		f(t, client, servers)
	})
}

// A request is one that a scripted peer got.
type request struct {
	n     int // counts from 0
	at    time.Duration
	start ssz.Slot
	count uint64
}

func (r request) String() string { return fmt.Sprintf("%d+%d", r.start, r.count) }

// An answer is what a scripted peer does. The zero answer is an empty response.
type answer struct {
	blocks []*beacon.Block
	raw    []byte               // what follows them
	end    func(network.Stream) // nil closes the stream
}

// A scriptedPeer answers requests by range as its script says.
type scriptedPeer struct {
	chain  []*beacon.Block
	script func(request) *answer // nil, for all or for a request, is to answer from chain

	mu       sync.Mutex
	began    time.Time
	requests []request
}

// serve has a host answer until the test ends.
func (p *scriptedPeer) serve(t *testing.T, h host.Host) {
	ended := make(chan struct{})
	var handlers sync.WaitGroup
	p.began = time.Now()
	h.SetStreamHandler(idByRange, func(stream network.Stream) {
		handlers.Add(1)
		defer handlers.Done()
		a, err := p.answer(stream)
		if err != nil {
			t.Error(err)
			_ = stream.Reset()
			return
		}
		for _, b := range a.blocks {
			_, _ = stream.Write(chunk(b))
		}
		_, _ = stream.Write(a.raw)
		if a.end != nil {
			a.end(stream)
		} else {
			_ = stream.Close()
			return
		}
		<-ended
		_ = stream.Reset()
	})
	t.Cleanup(func() {
		h.RemoveStreamHandler(idByRange)
		close(ended)
		handlers.Wait()
	})
}

func (p *scriptedPeer) answer(stream network.Stream) (*answer, error) {
	br := bufio.NewReader(stream)
	n, err := snappy.ReadHeader(br, snappy.Bounds{Min: 24, Max: 24})
	if err != nil {
		return nil, err
	}
	b, err := snappy.AppendPayload(nil, br, n)
	if err != nil {
		return nil, err
	}
	var msg ssz.BeaconBlocksByRangeRequest
	if err := msg.UnmarshalSSZ(b); err != nil {
		return nil, err
	}
	p.mu.Lock()
	req := request{len(p.requests), time.Since(p.began), msg.StartSlot, msg.Count}
	p.requests = append(p.requests, req)
	p.mu.Unlock()
	if p.script != nil {
		if a := p.script(req); a != nil {
			return a, nil
		}
	}
	return &answer{blocks: p.of(req)}, nil
}

// of returns the chain's blocks that a request is for.
func (p *scriptedPeer) of(r request) []*beacon.Block { return within(p.chain, r) }

func within(chain []*beacon.Block, r request) (found []*beacon.Block) {
	for _, b := range chain {
		if b.Slot >= r.start && uint64(b.Slot-r.start) < r.count {
			found = append(found, b)
		}
	}
	return found
}

func (p *scriptedPeer) got() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// status is what a peer with the chain tells, without finality.
func (p *scriptedPeer) status() (s beacon.Status) {
	if len(p.chain) > 0 {
		head := p.chain[len(p.chain)-1]
		s.HeadSlot, s.HeadRoot = head.Slot, head.Root
	}
	return s
}

func newClient(h host.Host) *beacon.Client {
	return beacon.NewClient(h, beacon.NewFamily(devchain.Network()), nil)
}

func source(client, server host.Host, status beacon.Status) rangesync.Source {
	return rangesync.Source{Client: newClient(client), Peer: server.ID(), Status: status}
}

// chunk is a response chunk with a block.
func chunk(b *beacon.Block) []byte {
	c := append([]byte{0}, b.Digest[:]...)
	return append(snappy.AppendHeader(c, len(b.SSZ)), b.Frames...)
}

// verdict is a response chunk with an error.
func verdict(code reqresp.Code, text string) []byte {
	return snappy.AppendFrames(snappy.AppendHeader([]byte{byte(code)}, len(text)), []byte(text))
}

// trickle writes a byte a second, so that a response goes on without end.
func trickle(response []byte) func(network.Stream) {
	return func(s network.Stream) {
		for _, b := range response {
			if _, err := s.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
}

// hold leaves a stream as it is.
func hold(network.Stream) {}

func resetWith(code network.StreamErrorCode) func(network.Stream) {
	return func(s network.Stream) { _ = s.ResetWithError(code) }
}
