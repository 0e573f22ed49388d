package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// peerTransports are what the peer of a command listens on.
var peerTransports = map[string][]libp2p.Option{
	"yamux": {libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Muxer(yamux.ID, yamux.DefaultTransport)},
	"mplex": {libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Muxer(mplex.ID, mplex.DefaultTransport)},
	"quic":  {libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1")},
}

// A claimedChain has a head, but no blocks.
type claimedChain struct{ beacon.Chain }

func (claimedChain) Status(context.Context) (beacon.Status, error) {
	return beacon.Status{HeadSlot: 142, HeadRoot: devchain.HeadRoot(), EarliestAvailableSlot: 1}, nil
}

// startPeer starts a peer of the development chain's network and returns its multiaddr. Hook is called before each
// request is served.
func startPeer(t *testing.T, transport string, hook func(*beacon.Server, *reqresp.Inbound)) string {
	t.Helper()
	h, err := libp2p.New(append(peerTransports[transport], libp2p.DisableMetrics())...)
	if err != nil {
		t.Fatal(err)
	}
	var server *beacon.Server
	server = beacon.NewServer(h, devchain.Network(), claimedChain{beacon.NoChain}, &beacon.ServerOptions{
		Middleware: []reqresp.Middleware{func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
			return func(ctx context.Context, in *reqresp.Inbound) error {
				hook(server, in)
				return next(ctx, in)
			}
		}},
	})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Stop(ctx)
		_ = h.Close()
	})
	return multiaddrOf(h)
}

func multiaddrOf(h host.Host) string { return fmt.Sprintf("%s/p2p/%s", h.Addrs()[0], h.ID()) }

// protocolOf returns the name of the protocol that is asked for.
func protocolOf(in *reqresp.Inbound) string { return in.Spec().Name() }

// What a peer asks in turn is answered before a call hangs up: as when a ping makes it ask for metadata.
func TestCallAnswersWhatThePeerAsksInTurn(t *testing.T) {
	t.Parallel()
	for transport := range peerTransports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			answered := make(chan error, 2)
			addr := startPeer(t, transport, func(server *beacon.Server, in *reqresp.Inbound) {
				if protocolOf(in) != "ping" {
					return
				}
				from := in.Peer()
				go func() {
					// The answer to the ping goes out first.
					time.Sleep(100 * time.Millisecond)
					_, err := server.Client().MetaData(t.Context(), from)
					answered <- err
					_, err = server.Client().Ping(t.Context(), from, 3)
					answered <- err
				}()
			})
			succeed(t, append([]string{"call", addr, "ping"}, devNetwork(t)...)...)
			for range 2 {
				if err := <-answered; err != nil {
					t.Errorf("the peer's own request: %v", err)
				}
			}
		})
	}
}

// A peer that never stops asking does not keep a call from its end.
func TestCallDoesNotWaitForAPeerThatAsksOn(t *testing.T) {
	t.Parallel()
	addr := startPeer(t, "yamux", func(server *beacon.Server, in *reqresp.Inbound) {
		if protocolOf(in) != "ping" {
			return
		}
		from := in.Peer()
		go func() {
			for {
				if _, err := server.Client().Ping(t.Context(), from, 0); err != nil {
					return
				}
			}
		}()
	})
	start := time.Now()
	succeed(t, append([]string{"call", addr, "ping"}, devNetwork(t)...)...)
	if took := time.Since(start); took > patience/2 {
		t.Errorf("the call took %v", took)
	}
}

// A goodbye after which there is nothing to ask ends a command at once, and is said in words, at the default verbosity.
func TestGoodbyeEndsACommand(t *testing.T) {
	t.Parallel()
	reasons := map[beacon.GoodbyeReason]string{
		beacon.GoodbyeBanned:       "the peer says goodbye: banned (reason 251)",
		beacon.GoodbyeTooManyPeers: "the peer says goodbye: too many peers (reason 129)",
	}
	commands := map[string]func(addr string) []string{
		"sync":    func(addr string) []string { return []string{"--datadir", t.TempDir(), addr} },
		"call":    func(addr string) []string { return []string{addr, "blocks-by-range", "--start-slot", "1"} },
		"conform": func(addr string) []string { return []string{addr} },
	}
	for reason, want := range reasons {
		for command, args := range commands {
			t.Run(fmt.Sprint(command, " ", reason), func(t *testing.T) {
				t.Parallel()
				done := make(chan struct{})
				defer close(done)
				var once sync.Once
				addr := startPeer(t, "quic", func(server *beacon.Server, in *reqresp.Inbound) {
					if name := protocolOf(in); name == "status" || name == "goodbye" {
						return
					}
					once.Do(func() { _ = server.Client().Goodbye(t.Context(), in.Peer(), reason) })
					<-done // Nothing is answered any more.
				})
				start := time.Now()
				o := runCLI(t, append(append([]string{command}, args(addr)...), devNetwork(t)...)...)
				if o.code != exitFailed || !strings.Contains(o.stderr, want) || strings.Count(o.stderr, "goodbye") > 1 {
					t.Errorf("exit code %d: %s, want %q", o.code, o.stderr, want)
				}
				if took := time.Since(start); took > patience/2 {
					t.Errorf("ended after %v", took)
				}
			})
		}
	}
}

// A goodbye after which a peer may be asked again is said beside what the command has failed with.
func TestGoodbyeForAFaultIsSaidBesideTheFailure(t *testing.T) {
	t.Parallel()
	addr := startPeer(t, "quic", func(server *beacon.Server, in *reqresp.Inbound) {
		if protocolOf(in) == "beacon_blocks_by_range" {
			_ = server.Client().Goodbye(t.Context(), in.Peer(), beacon.GoodbyeFault)
		}
	})
	const want = `"what was asked for is not available"; the peer says goodbye: fault or error (reason 3)`
	args := []string{"call", addr, "blocks-by-range", "--start-slot", "1"}
	fail(t, exitFailed, want, append(args, devNetwork(t)...)...)
}
