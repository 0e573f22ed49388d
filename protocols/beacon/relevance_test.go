package beacon_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A greeting is what a peer says in its status, and whether it is relevant to a node of the
// test chain.
type greeting struct {
	name     string
	change   func(*beacon.Status)
	relevant bool
}

func greetings() []greeting {
	return []greeting{
		{"same chain", func(*beacon.Status) {}, true},
		{"other head", func(s *beacon.Status) { s.HeadRoot, s.HeadSlot = ssz.Root{1}, 100 }, true},
		{"nothing finalized", func(s *beacon.Status) { s.FinalizedRoot, s.FinalizedEpoch = ssz.Root{}, 0 }, true},
		{"finalized later", func(s *beacon.Status) { s.FinalizedRoot, s.FinalizedEpoch = ssz.Root{1}, 3 }, true},
		{
			"finalized in the far future", func(s *beacon.Status) { s.FinalizedRoot, s.FinalizedEpoch = ssz.Root{1}, 1<<64-1 },
			true,
		},
		{
			"finalized before what we hold", func(s *beacon.Status) { s.FinalizedRoot, s.FinalizedEpoch = ssz.Root{1}, 1 },
			true,
		},
		{"other finalized root", func(s *beacon.Status) { s.FinalizedRoot[0] ^= 1 }, false},
		{"digest of the fork before", func(s *beacon.Status) { s.ForkDigest = devBlock(44).Digest }, false},
		{"digest of another network", func(s *beacon.Status) { s.ForkDigest = ssz.Mainnet().DigestAt(0) }, false},
	}
}

func (g greeting) status() beacon.Status {
	var s beacon.Status
	must(0, s.UnmarshalSSZ(statusV2()))
	g.change(&s)
	return s
}

// What can be told of a finalized checkpoint depends on what a node holds.
func TestRelevanceDependsOnWhatIsHeld(t *testing.T) {
	root := func(slot ssz.Slot) ssz.Root { return devBlock(slot).Root }
	chain := func(epoch ssz.Epoch, root ssz.Root, blocks *memoryChain) *memoryChain {
		blocks.status.FinalizedEpoch, blocks.status.FinalizedRoot = epoch, root
		return blocks
	}
	genesis := *devBlock(44)
	genesis.Slot = 0
	fromGenesis := newMemoryChain(beacon.Status{}, append([]*beacon.Block{&genesis}, devBlocks()...))
	tests := []struct {
		name     string
		ours     *memoryChain
		epoch    ssz.Epoch
		root     ssz.Root
		relevant bool
	}{
		{"a block of ours that is not final", chain(1, ssz.Root{1}, devChain()), 2, ssz.Root{2}, true},
		{"our checkpoint before an empty slot", chain(2, root(63), gapChain(64)), 2, root(63), true},
		{"not our checkpoint", chain(2, root(63), gapChain(64)), 2, root(62), false},
		{"an older checkpoint", chain(3, ssz.Root{1}, devChain()), 2, root(64), true},
		{"not our older checkpoint", chain(3, ssz.Root{1}, devChain()), 2, root(63), false},
		{"an older checkpoint that cannot be told", chain(3, ssz.Root{1}, gapChain(64)), 2, root(62), true},
		{"genesis", chain(2, root(64), fromGenesis), 0, ssz.Root{}, true},
	}
	simulate(t, func(t *testing.T, client, server host.Host) {
		for _, tt := range tests {
			srv := serve(t, server, tt.ours, beacon.ServerOptions{})
			theirs := beacon.Status{ForkDigest: devBlock(headSlot).Digest, FinalizedEpoch: tt.epoch, FinalizedRoot: tt.root}
			connect(t, client, server)
			if _, err := ask(t, client, server, idStatusV2, payload(must(theirs.MarshalSSZ()))); err != nil {
				t.Fatal(err)
			}
			settle()
			if connected(client, server) != tt.relevant {
				t.Errorf("%s: connected is %v", tt.name, !tt.relevant)
			}
			must(0, srv.Stop(t.Context()))
			settle()
		}
	})
}

// A leaver notes the goodbyes that a host is told, and answers them.
type leaver struct {
	mu      sync.Mutex
	reasons []byte // the lowest byte of each
}

func newLeaver(t testing.TB, h host.Host) *leaver {
	l := new(leaver)
	answerRaw(t, h, idGoodbye, func(request []byte) []byte {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.reasons = append(l.reasons, request[len(request)-8])
		return success(request)
	})
	return l
}

func (l *leaver) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	reasons := l.reasons
	l.reasons = nil
	return reasons
}

func TestIrrelevantPeersAreAnsweredAndLeft(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		srv := serve(t, server, devChain(), beacon.ServerOptions{})
		goodbyes := newLeaver(t, client)
		for _, g := range greetings() {
			connect(t, client, server)
			theirs := g.status()
			answer, err := ask(t, client, server, idStatusV2, payload(must(theirs.MarshalSSZ())))
			if err != nil || !bytes.Equal(answer, success(payload(statusV2()))) {
				t.Errorf("%s: answered with %x, %v", g.name, answer, err)
			}
			settle()
			checkLeft(t, g, goodbyes.take(), connected(client, server))
			if got, ok := srv.PeerStatus(client.ID()); ok != g.relevant || ok && got != theirs {
				t.Errorf("%s: recorded %+v, %v", g.name, got, ok)
			}
			must(0, client.Network().ClosePeer(server.ID()))
			settle()
		}
	})
}

// An irrelevant peer has a second for reading the answer and hanging up itself, and no more.
func TestIrrelevantPeersHaveTimeToReadTheAnswer(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		srv := serve(t, server, devChain(), beacon.ServerOptions{})
		goodbyes := newLeaver(t, client)
		theirs := greetings()[8].status()
		send := func() {
			connect(t, client, server)
			must(ask(t, client, server, idStatusV2, payload(must(theirs.MarshalSSZ()))))
			time.Sleep(500 * time.Millisecond)
			if len(goodbyes.take()) != 1 || !connected(client, server) {
				t.Fatal("want one goodbye, and the connection")
			}
		}
		send()
		time.Sleep(time.Second)
		if connected(client, server) {
			t.Error("connected still")
		}
		send()
		must(0, client.Network().ClosePeer(server.ID()))
		send() // nobody waits for a peer that has hung up
		begin := time.Now()
		must(0, srv.Stop(t.Context()))
		if waited := time.Since(begin); waited > 0 || connected(server, client) {
			t.Errorf("Stop took %v", waited)
		}
	})
}

func checkLeft(t *testing.T, g greeting, goodbyes []byte, connected bool) {
	t.Helper()
	want := []byte{byte(beacon.GoodbyeIrrelevantNetwork)}
	if g.relevant {
		want = nil
	}
	if !bytes.Equal(goodbyes, want) {
		t.Errorf("%s: goodbyes with reasons %d, want %d", g.name, goodbyes, want)
	}
	if connected != g.relevant {
		t.Errorf("%s: connected is %v", g.name, connected)
	}
}

func TestIrrelevantPeersThatWereDialedAreLeft(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		dialer := serve(t, client, devChain(), beacon.ServerOptions{})
		goodbyes := newLeaver(t, server)
		for _, g := range greetings() {
			theirs := g.status()
			answerRaw(t, server, idStatusV2, func([]byte) []byte { return success(payload(must(theirs.MarshalSSZ()))) })
			connect(t, client, server)
			settle()
			checkLeft(t, g, goodbyes.take(), connected(client, server))
			if got, ok := dialer.PeerStatus(server.ID()); ok != g.relevant || ok && got != theirs {
				t.Errorf("%s: recorded %+v, %v", g.name, got, ok)
			}
			must(0, client.Network().ClosePeer(server.ID()))
			settle()
		}
	})
}

func TestHandshakeTellsWhyAPeerWasLeft(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		dialer := serve(t, client, devChain(), beacon.ServerOptions{})
		theirs := greetings()[6].status()
		answerRaw(t, server, idStatusV2, func([]byte) []byte { return success(payload(must(theirs.MarshalSSZ()))) })
		got, err := dialer.Handshake(t.Context(), server.ID())
		if !errors.Is(err, beacon.ErrIrrelevant) || got != theirs {
			t.Errorf("got %+v, %v", got, err)
		}
		settle()
		if connected(client, server) {
			t.Error("still connected")
		}
	})
}
