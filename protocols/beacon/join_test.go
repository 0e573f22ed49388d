package beacon_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A handshake that is asked for while the greeting is under way is the greeting.
func TestHandshakeJoinsTheGreeting(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		var atListener trace
		serve(t, server, devChain(), atListener.options())
		dialer := serve(t, client, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		abandoned, abandon := context.WithCancel(t.Context())
		abandon()
		if _, err := dialer.Handshake(abandoned, server.ID()); err == nil {
			t.Error("a handshake without time succeeded")
		}
		status, err := dialer.Handshake(t.Context(), server.ID())
		if err != nil || status.HeadSlot != headSlot {
			t.Errorf("status %+v, %v", status, err)
		}
		settle()
		if got := atListener.take(); !slices.Equal(got, []protocol.ID{idStatusV2}) {
			t.Errorf("the listener was asked for %q, want one status", got)
		}
	})
}

// A lateChain has its status once it is closed.
type lateChain struct {
	*memoryChain
	known chan struct{}
}

func (c lateChain) Status(ctx context.Context) (beacon.Status, error) {
	<-c.known
	return c.memoryChain.Status(ctx)
}

// leaveBeforeGreeting connects a server with such a chain to a peer, and hangs up again before it has
// told the peer a status. What is done meanwhile comes first.
func leaveBeforeGreeting(t *testing.T, client, server host.Host, meanwhile func(dialer *beacon.Server)) {
	t.Helper()
	chain := lateChain{devChain(), make(chan struct{})}
	serve(t, server, devChain(), beacon.ServerOptions{})
	dialer := serve(t, client, chain, beacon.ServerOptions{})
	connect(t, client, server)
	meanwhile(dialer)
	must(0, client.Network().ClosePeer(server.ID()))
	close(chain.known)
	settle()
}

func TestGreetingDoesNotDial(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		leaveBeforeGreeting(t, client, server, func(*beacon.Server) {})
		if conns := client.Network().ConnsToPeer(server.ID()); len(conns) != 0 {
			t.Errorf("a peer that was left has %d connections again", len(conns))
		}
	})
}

// Who asks for a handshake gets it, even if it joined a greeting that found its peer gone.
func TestHandshakeDialsAfterTheGreeting(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		ended := make(chan error, 1)
		leaveBeforeGreeting(t, client, server, func(dialer *beacon.Server) {
			go func() {
				_, err := dialer.Handshake(t.Context(), server.ID())
				ended <- err
			}()
			settle()
		})
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A peer that keeps one waiting in vain keeps the others waiting no longer.
func TestHandshakeWithAPeerThatDoesNotNegotiateFailsForAllAtOnce(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		server.Network().SetStreamHandler(func(stream network.Stream) {
			time.Sleep(time.Minute)
			_ = stream.Reset()
		})
		srv := serve(t, client, devChain(), beacon.ServerOptions{})
		connect(t, server, client) // who dials greets
		start := time.Now()
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				_, err := srv.Handshake(t.Context(), server.ID())
				if took := time.Since(start); !errors.Is(err, reqresp.ErrTimeout) || took > reqresp.DefaultNegotiateTimeout {
					t.Errorf("got %v after %v", err, took)
				}
			})
		}
		calls.Wait()
		must(0, client.Network().ClosePeer(server.ID()))
		time.Sleep(time.Minute)
	})
}
