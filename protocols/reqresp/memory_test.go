package reqresp_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// sized answers with as many bytes as asked.
var sized = reqresp.NewStream[Count, Text](family, "sized", 1)

func sizes(_ context.Context, _ peer.ID, n *Count, send func(*Text) error) error {
	return send(new(Text(strings.Repeat("x", int(*n)))))
}

func text(n int) *Text { return new(Text(strings.Repeat("x", n))) }

// outcomes collects the results that a server's trace is told of.
func outcomes() (chan error, *reqresp.Trace) {
	done := make(chan error, 100)
	return done, &reqresp.Trace{Done: func(x *reqresp.Exchange) { done <- x.Err }}
}

func wantOverLimit(t *testing.T, what string, err error, causes ...error) {
	t.Helper()
	if got := reqresp.ReasonOf(err); got != reqresp.ReasonOverLimit {
		t.Errorf("%s: reason %v of %v, want over limit", what, got, err)
	}
	for _, c := range append(causes, reqresp.ErrRefused) {
		if !errors.Is(err, c) {
			t.Errorf("%s: %v does not wrap %v", what, err, c)
		}
	}
}

func TestMessagesBeyondTheMemoryAreRefused(t *testing.T) {
	const memory = 64 << 10
	tests := []struct {
		name  string
		call  func(ctx context.Context, c *reqresp.Client, to peer.ID) error
		phase reqresp.Phase // of the server's failure
	}{
		{"chunk", func(ctx context.Context, c *reqresp.Client, to peer.ID) error {
			_, err := collect(sized.Call(ctx, c, to, new(Count(memory))))
			return err
		}, reqresp.PhaseHandle},
		{"request", func(ctx context.Context, c *reqresp.Client, to peer.ID) error {
			_, err := echo.Call(ctx, c, to, text(memory))
			return err
		}, reqresp.PhaseRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				done, trace := outcomes()
				srv := serve(t, s.Server, &reqresp.ServerOptions{MaxMemory: memory, Trace: trace}, echo.Serve(echoed),
					sized.Serve(sizes))
				s.Connect(t)
				c := reqresp.NewClient(s.Client, nil)
				for n := range uint64(3) {
					err := tt.call(t.Context(), c, s.Server.ID())
					wantOverLimit(t, "client", err, remoteReset(network.StreamResourceLimitExceeded))
					err = <-done
					wantOverLimit(t, "server", err, network.ErrResourceLimitExceeded)
					wantFailure(t, err, tt.phase)
					if srv.Refused() != n+1 || srv.Memory() != 0 {
						t.Errorf("%d refused and %d bytes held, want %d and none", srv.Refused(), srv.Memory(), n+1)
					}
				}
				if _, err := echo.Call(t.Context(), c, s.Server.ID(), text(memory/4)); err != nil {
					t.Errorf("what there is memory for: %v", err)
				}
			})
		})
	}
}

// What is looked into and not sent is held while it is.
func TestFetchesAreHeldInMemory(t *testing.T) {
	const memory = 64 << 10
	simulate(t, func(t *testing.T, s *simulation) {
		var srv *reqresp.Server
		srv = serve(t, s.Server, &reqresp.ServerOptions{MaxMemory: memory},
			handles(func(ctx context.Context, in *reqresp.Inbound) error {
				if err := in.Receive(ctx, new(Text)); err != nil {
					return err
				}
				before := srv.Memory()
				err := in.Fetch(ctx, memory/2, func(dst []byte) ([]byte, error) {
					if got := srv.Memory(); got != before+memory/2 {
						t.Errorf("%d bytes held during a fetch of %d, %d before", got, memory/2, before)
					}
					return append(dst, "abc"...), nil
				})
				if got := srv.Memory(); err != nil || got != before {
					t.Errorf("%d bytes held after a fetch, want %d: %v", got, before, err)
				}
				err = in.Fetch(ctx, memory+1, func(dst []byte) ([]byte, error) {
					t.Error("fetched without memory")
					return dst, nil
				})
				wantOverLimit(t, "fetch", err, network.ErrResourceLimitExceeded)
				return nil
			}))
		if _, err := collect(paced.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(),
			new(Text("")))); err != nil {
			t.Error(err)
		}
	})
}

// One exchange of a peer may take all the memory there is, two of them no more than its share.
func TestPeersShareOfTheMemory(t *testing.T) {
	const memory = 1 << 20
	simulate(t, func(t *testing.T, s *simulation) {
		held := make(chan struct{})
		blocked := reqresp.NewUnary[Text, Text](family, "blocked", 1)
		srv := serve(t, s.Server, &reqresp.ServerOptions{MaxMemory: memory}, echo.Serve(echoed), blocked.Serve(
			func(_ context.Context, _ peer.ID, _ *Text) (*Text, error) {
				<-held
				return new(Text("")), nil
			}))
		s.Connect(t)
		c := reqresp.NewClient(s.Client, nil)
		first := make(chan error)
		go func() {
			_, err := blocked.Call(t.Context(), c, s.Server.ID(), text(memory/4))
			first <- err
		}()
		time.Sleep(time.Second)
		if got := srv.Memory(); got < memory/4 || got > memory/2 {
			t.Errorf("%d bytes held for a request of %d", got, memory/4)
		}
		_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
		wantOverLimit(t, "second exchange", err)
		close(held)
		if err := <-first; err != nil {
			t.Errorf("first exchange: %v", err)
		}
		if _, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text(""))); err != nil || srv.Memory() != 0 {
			t.Errorf("after it: %v, %d bytes held", err, srv.Memory())
		}
	})
}

// A ledgerHost counts what is reserved in the scopes of streams.
type ledgerHost struct {
	host.Host
	reserved, released, balance atomic.Int64
	services                    atomic.Int64
}

func (h *ledgerHost) SetStreamHandler(id protocol.ID, handler network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(stream network.Stream) { handler(&ledgerStream{stream, h}) })
}

type ledgerStream struct {
	network.Stream
	host *ledgerHost
}

func (s *ledgerStream) Scope() network.StreamScope { return &ledgerScope{host: s.host} }

type ledgerScope struct {
	network.NullScope
	host *ledgerHost
}

func (s *ledgerScope) SetService(name string) error {
	if name == reqresp.ServiceName {
		s.host.services.Add(1)
	}
	return nil
}

func (s *ledgerScope) ReserveMemory(n int, _ uint8) error {
	s.host.reserved.Add(1)
	s.host.balance.Add(int64(n))
	return nil
}

func (s *ledgerScope) ReleaseMemory(n int) {
	s.host.released.Add(1)
	s.host.balance.Add(-int64(n))
}

func TestMemoryIsReleasedOnceHoweverAnExchangeEnds(t *testing.T) {
	panics := func(context.Context, *reqresp.Inbound) error { panic("bug") }
	methods := map[string]reqresp.HandlerFunc{
		"answer":       answers,
		"verdict":      returns(reqresp.Errorf(reqresp.CodeServerError, "no")),
		"refusal":      returns(reqresp.ErrRefused),
		"nothing read": func(context.Context, *reqresp.Inbound) error { return nil },
		"panic":        panics,
		"panic in fill": func(ctx context.Context, in *reqresp.Inbound) error {
			return errors.Join(received(ctx, in), in.SendAppend(ctx, 0, func([]byte) ([]byte, error) { panic("bug") }))
		},
		"failing fill": func(ctx context.Context, in *reqresp.Inbound) error {
			return errors.Join(received(ctx, in), in.SendAppend(ctx, 0, func([]byte) ([]byte, error) { return nil, errCodec }))
		},
		"expected": func(ctx context.Context, in *reqresp.Inbound) error {
			return errors.Join(received(ctx, in), in.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 1 << 20}),
				in.Send(ctx, text(2<<20)))
		},
		"far too much expected": func(ctx context.Context, in *reqresp.Inbound) error {
			return errors.Join(received(ctx, in), in.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 1 << 63}), in.Send(ctx, text(1)))
		},
	}
	for name, method := range methods {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				ledger := &ledgerHost{Host: s.Server}
				srv := serve(t, ledger, nil, reqresp.Handler{Spec: echo.Spec(), Serve: method})
				_, _ = echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), text(100_000))
				time.Sleep(time.Second)
				if srv.Memory() != 0 || ledger.balance.Load() != 0 {
					t.Errorf("%d bytes held, %d reserved", srv.Memory(), ledger.balance.Load())
				}
				if read := name != "panic" && name != "nothing read"; (ledger.reserved.Load() > 0) != read ||
					(ledger.released.Load() == 1) != read {
					t.Errorf("%d reservations, %d releases", ledger.reserved.Load(), ledger.released.Load())
				}
				if ledger.services.Load() != 1 {
					t.Errorf("stream joined the service %d times", ledger.services.Load())
				}
			})
		})
	}
}

// Whatever refuses a stream, a caller learns the same, as far as the muxer tells it.
func TestRefusalsOfTheResourceManager(t *testing.T) {
	echoID, sizedID := echo.Spec().Protocols()[0], sized.Spec().Protocols()[0]
	forEcho := func(l rcmgr.ResourceLimits) map[protocol.ID]rcmgr.ResourceLimits {
		return map[protocol.ID]rcmgr.ResourceLimits{echoID: l}
	}
	none := rcmgr.ResourceLimits{StreamsInbound: rcmgr.BlockAllLimit}
	small := rcmgr.ResourceLimits{Memory: 100_000}
	tests := []struct {
		name   string
		limits rcmgr.PartialLimitConfig
		sees   bool // the engine is who refuses
		large  bool // only what is large is refused
	}{
		{"streams of the host", rcmgr.PartialLimitConfig{System: none}, false, false},
		{"streams in negotiation", rcmgr.PartialLimitConfig{Transient: none}, false, false},
		{"streams of the peer", rcmgr.PartialLimitConfig{PeerDefault: none}, false, false},
		{"streams of the protocol", rcmgr.PartialLimitConfig{Protocol: forEcho(none)}, false, false},
		{"peer's streams of the protocol", rcmgr.PartialLimitConfig{ProtocolPeer: forEcho(none)}, false, false},
		{
			"streams of the service",
			rcmgr.PartialLimitConfig{Service: map[string]rcmgr.ResourceLimits{reqresp.ServiceName: none}},
			true, false,
		},
		{
			"peer's streams of the service",
			rcmgr.PartialLimitConfig{ServicePeer: map[string]rcmgr.ResourceLimits{reqresp.ServiceName: none}},
			true, false,
		},
		{
			"memory of the service",
			rcmgr.PartialLimitConfig{Service: map[string]rcmgr.ResourceLimits{reqresp.ServiceName: small}},
			true, true,
		},
		{
			"peer's memory of the protocol",
			rcmgr.PartialLimitConfig{ProtocolPeer: map[protocol.ID]rcmgr.ResourceLimits{echoID: small, sizedID: small}},
			true,
			true,
		},
		{"memory of the stream", rcmgr.PartialLimitConfig{Stream: small}, true, true},
	}
	for _, tr := range transports {
		for _, tt := range tests {
			t.Run(tr.Name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				client, server := tr.Host(t), tr.Limited(t, tt.limits)
				done, trace := outcomes()
				srv := serve(t, server, &reqresp.ServerOptions{Trace: trace}, echo.Serve(echoed), sized.Serve(sizes))
				connect(t, client, server)
				c := reqresp.NewClient(client, nil)
				calls := []func() error{func() error {
					_, err := echo.Call(t.Context(), c, server.ID(), text(100_000))
					return err
				}}
				if tt.large {
					calls = append(calls, func() error {
						_, err := collect(sized.Call(t.Context(), c, server.ID(), new(Count(100_000))))
						return err
					})
				}
				for _, call := range calls {
					err := call()
					if tr.Codes {
						wantOverLimit(t, "client", err, remoteReset(network.StreamResourceLimitExceeded))
					} else if got := reqresp.ReasonOf(err); got != reqresp.ReasonReset && got != reqresp.ReasonDisconnected {
						t.Errorf("client: reason %v of %v", got, err)
					}
					if tt.sees {
						wantOverLimit(t, "server", <-done, network.ErrResourceLimitExceeded)
					}
					if !tr.Breaks {
						reconnect(t, client, server)
					}
				}
				if want := uint64(len(calls)); tt.sees && srv.Refused() != want {
					t.Errorf("%d streams refused, want %d", srv.Refused(), want)
				}
				if tt.large {
					if _, err := echo.Call(t.Context(), c, server.ID(), new(Text("small"))); err != nil {
						t.Errorf("what is small: %v", err)
					}
				}
				wantNothingHeld(t, tr, client, server)
			})
		}
	}
}
