package beacon_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A trace notes the protocols that a peer asks for, in order.
type trace struct {
	mu  sync.Mutex
	ids []protocol.ID
}

func (tr *trace) middleware(next reqresp.HandlerFunc) reqresp.HandlerFunc {
	return func(ctx context.Context, in *reqresp.Inbound) error {
		tr.note(in.Protocol())
		return next(ctx, in)
	}
}

func (tr *trace) note(id protocol.ID) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.ids = append(tr.ids, id)
}

func (tr *trace) take() []protocol.ID {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	ids := tr.ids
	tr.ids = nil
	return ids
}

func (tr *trace) options() beacon.ServerOptions {
	return beacon.ServerOptions{Middleware: []reqresp.Middleware{tr.middleware}}
}

// settle lets everything happen that will happen soon.
func settle() {
	time.Sleep(4 * time.Second)
	synctest.Wait()
}

func connected(from, to host.Host) bool {
	return from.Network().Connectedness(to.ID()) == network.Connected
}

func TestDialersTellTheirStatus(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		var atDialer, atListener trace
		partial := newMemoryChain(beacon.Status{}, devBlocks()[:10])
		dialer := serve(t, client, partial, atDialer.options())
		listener := serve(t, server, devChain(), atListener.options())
		connect(t, client, server)
		settle()
		if got := atListener.take(); !slices.Equal(got, []protocol.ID{idStatusV2}) {
			t.Errorf("the listener was asked for %q", got)
		}
		if got := atDialer.take(); len(got) != 0 {
			t.Errorf("the dialer was asked for %q", got)
		}
		want := must(listener.Status(t.Context()))
		if got, ok := dialer.PeerStatus(server.ID()); !ok || got != want {
			t.Errorf("the dialer recorded %+v, %v, want %+v", got, ok, want)
		}
		want = must(dialer.Status(t.Context()))
		if got, ok := listener.PeerStatus(client.ID()); !ok || got != want {
			t.Errorf("the listener recorded %+v, %v, want %+v", got, ok, want)
		}
		if want.HeadSlot != 53 || want.EarliestAvailableSlot != 53 || want.ForkDigest != devBlock(84).Digest {
			t.Errorf("the dialer's status is %+v", want)
		}

		must(0, client.Network().ClosePeer(server.ID()))
		settle()
		if n, m := len(dialer.PeerStatuses()), len(listener.PeerStatuses()); n+m != 0 {
			t.Errorf("%d and %d statuses are left after the connection", n, m)
		}
	})
}

func TestPeersDialedBeforeStartAreGreeted(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		settle()
		dialer := serve(t, client, devChain(), beacon.ServerOptions{})
		settle()
		if _, ok := dialer.PeerStatus(server.ID()); !ok {
			t.Error("no status was exchanged")
		}
	})
}

func TestStatusFallsBackToItsFirstVersion(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		var asked []byte
		answerRaw(t, server, idStatusV1, func(request []byte) []byte {
			asked = request
			return result(0, statusV1())
		})
		dialer := serve(t, client, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		settle()
		if !bytes.Equal(asked, payload(statusV1())) {
			t.Errorf("asked with %x", asked)
		}
		got, ok := dialer.PeerStatus(server.ID())
		if !ok || got.HeadSlot != headSlot || got.EarliestAvailableSlot != 0 {
			t.Errorf("recorded %+v, %v", got, ok)
		}
	})
}

// A slowPacer withholds every chunk for longer than a goodbye takes.
type slowPacer struct{ notingPacer }

func (p *slowPacer) Admit(context.Context, peer.ID, *reqresp.Spec) (reqresp.Admission, error) {
	return p, nil
}

func (p *slowPacer) Reserve(ctx context.Context, _ reqresp.Cost) error {
	time.Sleep(5 * time.Second)
	return ctx.Err()
}

func TestStatusIsAnsweredBeforeGoodbye(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{Limiter: new(slowPacer)})
		goodbyes := newLeaver(t, client)
		theirs := greetings()[7].status()
		answer, err := ask(t, client, server, idStatusV2, payload(must(theirs.MarshalSSZ())))
		if err != nil || !bytes.Equal(answer, success(payload(statusV2()))) {
			t.Errorf("answered with %x, %v", answer, err)
		}
		settle()
		if got := goodbyes.take(); len(got) != 1 || connected(client, server) {
			t.Errorf("goodbyes %d, connected %v", got, connected(client, server))
		}
	})
}

func TestPeersAreLeftOnceAtATime(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{})
		goodbyes := 0
		client.SetStreamHandler(idGoodbye, func(stream network.Stream) {
			goodbyes++
			_, _ = io.Copy(io.Discard, stream)
			time.Sleep(10 * time.Second) // and no answer
			_ = stream.Reset()
		})
		theirs := greetings()[8].status()
		for range 20 {
			if _, err := ask(t, client, server, idStatusV2, payload(must(theirs.MarshalSSZ()))); err != nil {
				t.Fatal(err)
			}
		}
		settle()
		if goodbyes != 1 || connected(client, server) {
			t.Errorf("%d goodbyes, connected %v", goodbyes, connected(client, server))
		}
		time.Sleep(10 * time.Second)
	})
}

func TestPeersThatHungUpAreNotDialedForAGoodbye(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		dials := 0
		client.Network().Notify(&network.NotifyBundle{ConnectedF: func(network.Network, network.Conn) { dials++ }})
		serve(t, server, devChain(), beacon.ServerOptions{Limiter: new(slowPacer)})
		connect(t, client, server)
		stream := openRaw(t, client, server, idStatusV2)
		theirs := greetings()[8].status()
		must(stream.Write(payload(must(theirs.MarshalSSZ()))))
		must(0, stream.CloseWrite())
		time.Sleep(time.Second)
		must(0, client.Network().ClosePeer(server.ID()))
		time.Sleep(20 * time.Second)
		if dials != 1 || connected(client, server) {
			t.Errorf("%d connections were made, connected %v", dials, connected(client, server))
		}
	})
}

func TestGoodbyeIsAnsweredAndForgetsThePeer(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		srv := serve(t, server, devChain(), beacon.ServerOptions{})
		if _, err := ask(t, client, server, idStatusV2, payload(statusV2())); err != nil {
			t.Fatal(err)
		}
		if _, ok := srv.PeerStatus(client.ID()); !ok {
			t.Fatal("no status was recorded")
		}
		answer, err := ask(t, client, server, idGoodbye, goodbye3)
		if err != nil || !bytes.Equal(answer, success(goodbye3)) {
			t.Errorf("answered with %x, %v", answer, err)
		}
		if _, ok := srv.PeerStatus(client.ID()); ok {
			t.Error("the status was not forgotten")
		}
	})
}
