package beacon_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestStopSaysGoodbye(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		srv := serve(t, server, devChain(), beacon.ServerOptions{})
		goodbyes := newLeaver(t, client)
		if _, err := ask(t, client, server, idStatusV2, payload(statusV2())); err != nil {
			t.Fatal(err)
		}
		if err := srv.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		nothingRuns(t)
		settle()
		if got := goodbyes.take(); !bytes.Equal(got, []byte{byte(beacon.GoodbyeClientShutdown)}) ||
			connected(client, server) {
			t.Errorf("goodbyes with reasons %d, connected %v", got, connected(client, server))
		}
		if _, err := client.NewStream(t.Context(), server.ID(), idPing); err == nil {
			t.Error("a stopped server takes streams")
		}
		if err := srv.Start(); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("Start after Stop: %v", err)
		}
	})
}

// nothingRuns checks that no goroutine but the test's own runs this module's code.
func nothingRuns(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if own := simtest.Goroutines("/protocols/"); len(own) > 0 {
		t.Errorf("%d goroutines still run, the first:\n%s", len(own), own[0])
	}
}

func TestStopWithPeersThatDoNotAnswer(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		srv := serve(t, server, devChain(), beacon.ServerOptions{})
		client.SetStreamHandler(idGoodbye, func(stream network.Stream) {
			_, _ = io.Copy(io.Discard, stream)
			time.Sleep(time.Minute)
			_ = stream.Reset()
		})
		if _, err := ask(t, client, server, idStatusV2, payload(statusV2())); err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				err := srv.Stop(ended)
				if took := time.Since(start); err != nil || took < 2*time.Second || took > 2100*time.Millisecond {
					t.Errorf("Stop returned %v after %v", err, took)
				}
				if connected(server, client) {
					t.Error("Stop returned with the peer still connected")
				}
			})
		}
		calls.Wait()
		time.Sleep(time.Minute)
	})
}

func TestStopDoesNotDialPeersThatLeft(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		srv := serve(t, server, devChain(), beacon.ServerOptions{Limiter: new(slowPacer)})
		connect(t, client, server)
		if _, err := ask(t, client, server, idStatusV2, payload(statusV2())); err != nil {
			t.Fatal(err)
		}
		stream := openRaw(t, client, server, idByRange)
		must(stream.Write(range63))
		must(0, stream.CloseWrite())
		dials := 0
		client.Network().Notify(&network.NotifyBundle{ConnectedF: func(network.Network, network.Conn) { dials++ }})
		time.AfterFunc(time.Second, func() { _ = client.Network().ClosePeer(server.ID()) })
		time.Sleep(500 * time.Millisecond) // the peer leaves while its request is drained
		_ = srv.Stop(t.Context())
		settle()
		if dials != 0 {
			t.Errorf("%d connections were made to say goodbye", dials)
		}
	})
}

// silent reads a request and answers nothing.
func silent(stream network.Stream) {
	_, _ = io.Copy(io.Discard, stream)
	time.Sleep(time.Minute)
	_ = stream.Reset()
}

func TestStopCancelsHandshakes(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		server.SetStreamHandler(idStatusV2, silent)
		srv := serve(t, client, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		time.Sleep(time.Second)
		start := time.Now()
		if err := srv.Stop(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		must(0, client.Network().ClosePeer(server.ID()))
		time.Sleep(time.Minute)
	})
}

// Who has asked for a handshake learns of the end as well, be it to a peer that does not answer.
func TestStopEndsHandshakesThatWereAskedFor(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		server.SetStreamHandler(idStatusV2, silent)
		srv := serve(t, client, devChain(), beacon.ServerOptions{})
		connect(t, server, client) // who dials greets
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				if _, err := srv.Handshake(t.Context(), server.ID()); !errors.Is(err, reqresp.ErrClosed) {
					t.Errorf("got %v, want ErrClosed", err)
				}
			})
		}
		time.Sleep(time.Second)
		start := time.Now()
		must(0, srv.Stop(t.Context()))
		calls.Wait()
		if took := time.Since(start); took > 0 {
			t.Errorf("they ended %v later", took)
		}
		must(0, client.Network().ClosePeer(server.ID()))
		time.Sleep(time.Minute)
	})
}

func TestStoppedServerShakesNoHands(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{})
		srv := serve(t, client, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		settle()
		must(0, srv.Stop(t.Context()))
		if _, err := srv.Handshake(t.Context(), server.ID()); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
		if conns := client.Network().ConnsToPeer(server.ID()); len(conns) != 0 {
			t.Errorf("there are %d connections again", len(conns))
		}
	})
}

func TestStartAndStopTwice(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		var tr trace
		serve(t, server, devChain(), tr.options())
		srv := serve(t, client, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		settle()
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		settle()
		if got := tr.take(); !slices.Equal(got, []protocol.ID{idStatusV2}) {
			t.Errorf("a server started twice asks for %q", got)
		}
		for range 2 {
			if err := srv.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
		connect(t, client, server)
		settle()
		if got := tr.take(); !slices.Equal(got, []protocol.ID{idGoodbye}) {
			t.Errorf("a server stopped twice asks for %q", got)
		}
	})
}

func TestStopLeavesNothingWithTheHost(t *testing.T) {
	h := newQuietHost()
	srv := beacon.NewServer(h, devNetwork(), devChain(), &beacon.ServerOptions{Now: devNow})
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	if len(h.handlers) != 15 || len(h.notifiees) == 0 {
		t.Errorf("started with %d handlers and %d notifiees", len(h.handlers), len(h.notifiees))
	}
	if err := srv.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if len(h.handlers) != 0 || len(h.notifiees) != 0 {
		t.Errorf("stopped with %d handlers and %d notifiees", len(h.handlers), len(h.notifiees))
	}
	if err := beacon.NewServer(h, devNetwork(), devChain(), nil).Stop(t.Context()); err != nil {
		t.Errorf("Stop without Start: %v", err)
	}
}
