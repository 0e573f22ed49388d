package reqresp_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A connection that ends is told from a reset on every muxer, by both sides, whoever
// closes it and wherever the exchange is.
func TestClosedConnectionIsADisconnect(t *testing.T) {
	for _, whose := range []string{"client's", "server's"} {
		t.Run(whose, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, _ transport, client, server host.Host) {
				closeConn := func() error { return client.Network().ClosePeer(server.ID()) }
				if whose == "server's" {
					closeConn = func() error { return server.Network().ClosePeer(client.ID()) }
				}
				for _, place := range disconnections() {
					t.Run(place.name, func(t *testing.T) { place.try(t, client, server, closeConn) })
				}
			})
		})
	}
}

// A disconnection is a place in an exchange at which its connection ends: when the caller
// and the handler have both come there.
type disconnection struct {
	name          string
	phase, served reqresp.Phase // of the caller and of the server
	request       Text
	hook          func(there func()) *reqresp.Trace
	handle        func(ctx context.Context, in *reqresp.Inbound) error
}

func disconnections() []disconnection {
	return []disconnection{{
		"request", reqresp.PhaseRequest, reqresp.PhaseRequest, Text(make([]byte, 16<<20)),
		func(there func()) *reqresp.Trace {
			return &reqresp.Trace{Phase: at(reqresp.PhaseRequest, there)}
		},
		func(context.Context, *reqresp.Inbound) error { return nil },
	}, {
		"first byte", reqresp.PhaseFirstByte, reqresp.PhaseHandle, "",
		func(there func()) *reqresp.Trace {
			return &reqresp.Trace{Phase: at(reqresp.PhaseFirstByte, there)}
		},
		received,
	}, {
		"next chunk", reqresp.PhaseResponse, reqresp.PhaseResponse, "",
		func(there func()) *reqresp.Trace {
			return &reqresp.Trace{Chunk: func(*reqresp.Exchange, int, int) { there() }}
		},
		func(ctx context.Context, in *reqresp.Inbound) error {
			return errors.Join(received(ctx, in), in.Send(ctx, new(Text("chunk"))))
		},
	}}
}

func (d disconnection) try(t *testing.T, client, server host.Host, closeConn func() error) {
	if err := client.Connect(t.Context(), peer.AddrInfo{ID: server.ID()}); err != nil {
		t.Fatal(err)
	}
	there, ended := make(chan struct{}, 2), make(chan reqresp.Result, 1)
	trace := &reqresp.Trace{Done: func(x *reqresp.Exchange) { ended <- x.Result }}
	srv := serve(t, server, &reqresp.ServerOptions{Trace: trace},
		handles(func(ctx context.Context, in *reqresp.Inbound) error {
			err := d.handle(ctx, in)
			there <- struct{}{}
			return errors.Join(err, waits(ctx))
		}))
	go func() {
		<-there
		<-there
		if err := closeConn(); err != nil {
			t.Error(err)
		}
	}()
	c := reqresp.NewClient(client, &reqresp.ClientOptions{Trace: d.hook(func() { there <- struct{}{} })})
	_, err := collect(paced.Call(t.Context(), c, server.ID(), &d.request))
	wantFailure(t, err, d.phase, reqresp.ErrDisconnected)
	if got := reqresp.ReasonOf(err); got != reqresp.ReasonDisconnected {
		t.Errorf("caller's reason is %v: %v", got, err)
	}
	result := <-ended
	wantFailure(t, result.Err, d.served, reqresp.ErrDisconnected)
	if got := reqresp.ReasonOf(result.Err); got != reqresp.ReasonDisconnected {
		t.Errorf("server's reason is %v: %v", got, result.Err)
	}
	simtest.WaitFor(t, "the connection to be gone", func() bool {
		return client.Network().Connectedness(server.ID()) != network.Connected &&
			server.Network().Connectedness(client.ID()) != network.Connected
	})
	if err := srv.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// While the protocol is negotiated too.
func TestClosedConnectionEndsTheNegotiation(t *testing.T) {
	eachTransport(t, func(t *testing.T, _ transport, client, server host.Host) {
		ended := make(chan struct{})
		t.Cleanup(func() { close(ended) })
		for name, h := range map[string]host.Host{"client's": client, "server's": server} {
			t.Run(name, func(t *testing.T) {
				if err := client.Connect(t.Context(), peer.AddrInfo{ID: server.ID()}); err != nil {
					t.Fatal(err)
				}
				other := client.ID()
				if h == client {
					other = server.ID()
				}
				simtest.WaitFor(t, "the peers to identify each other", func() bool {
					protocols, err := client.Peerstore().GetProtocols(server.ID())
					return err == nil && len(protocols) > 0
				})
				server.Network().SetStreamHandler(func(network.Stream) {
					_ = h.Network().ClosePeer(other)
					<-ended
				})
				_, err := echo.Call(t.Context(), reqresp.NewClient(client, nil), server.ID(), new(Text("")))
				wantFailure(t, err, reqresp.PhaseNegotiate, reqresp.ErrDisconnected)
				if got := reqresp.ReasonOf(err); got != reqresp.ReasonDisconnected {
					t.Errorf("reason is %v: %v", got, err)
				}
			})
		}
	})
}

// at returns a hook that calls f when an exchange enters a phase.
func at(p reqresp.Phase, f func()) func(*reqresp.Exchange, reqresp.Phase, time.Duration) {
	return func(x *reqresp.Exchange, _ reqresp.Phase, _ time.Duration) {
		if x.Phase == p {
			f()
		}
	}
}

// An exchange that waits learns at once that the connection is gone.
func TestWaitingHandlerLearnsOfDisconnect(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		s.Connect(t)
		client, server := s.Client, s.Server
		waiting, ended := make(chan struct{}), make(chan error, 1)
		srv := serve(t, server, nil, echo.Serve(func(ctx context.Context, _ peer.ID, req *Text) (*Text, error) {
			close(waiting)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, ctx.Err()
		}))
		go func() {
			<-waiting
			client.Network().ClosePeer(server.ID())
		}()
		start := time.Now()
		if _, err := echo.Call(t.Context(), reqresp.NewClient(client, nil), server.ID(), new(Text(""))); err == nil {
			t.Error("call succeeded")
		}
		if err := <-ended; !errors.Is(err, reqresp.ErrDisconnected) {
			t.Errorf("cause %v, want %v", err, reqresp.ErrDisconnected)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
		if n := len(srv.Streams()); n != 0 {
			t.Errorf("%d streams are still served", n)
		}
	})
}
