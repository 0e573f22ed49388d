package reqresp_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestStopDrains(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		srv := serve(t, s.Server, nil, echo.Serve(func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			time.Sleep(5 * time.Second)
			return req, nil
		}))
		c := reqresp.NewClient(s.Client, nil)
		s.Connect(t)
		result := make(chan error, 1)
		go func() {
			_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
			result <- err
		}()
		time.Sleep(time.Second)

		start := time.Now()
		if err := srv.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 4*time.Second || took > 4*time.Second+roundTrip {
			t.Errorf("drained after %v, want 4s", took)
		}
		if err := <-result; err != nil {
			t.Errorf("the call under way failed: %v", err)
		}
		if err := srv.Start(); !errors.Is(err, reqresp.ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("start after stop: %v, want ErrClosed", err)
		}
	})
}

// Places in which an exchange may be when the server is stopped.
var places = []struct {
	name   string
	pacer  *ledger
	wire   string // what the peer writes, and half-closes unless it is empty
	handle func(ctx context.Context, in *reqresp.Inbound) error
}{
	{"before the request", nil, "", received},
	{"in admit", &ledger{admit: waits}, "\x00", received},
	{"in reserve", &ledger{reserve: waits}, "\x00", func(ctx context.Context, in *reqresp.Inbound) error {
		return errors.Join(received(ctx, in), in.Send(ctx, new(Text("abc"))))
	}},
	{"in the handler", nil, "\x00", func(ctx context.Context, in *reqresp.Inbound) error {
		return errors.Join(received(ctx, in), waits(ctx))
	}},
	{"in a write", nil, "\x00", func(ctx context.Context, in *reqresp.Inbound) error {
		return errors.Join(received(ctx, in), in.Send(ctx, new(Text(make([]byte, 3<<20)))))
	}},
}

func received(ctx context.Context, in *reqresp.Inbound) error { return in.Receive(ctx, new(Text)) }

func TestStopCutsOff(t *testing.T) {
	for _, tt := range places {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				var opts reqresp.ServerOptions
				if tt.pacer != nil {
					opts.Limiter = tt.pacer
				}
				var cause, result error
				srv := serve(t, s.Server, &opts, handles(func(ctx context.Context, in *reqresp.Inbound) error {
					result = tt.handle(ctx, in)
					cause = context.Cause(ctx)
					return result
				}))
				s.Connect(t)
				stream := openRaw(t, s.Client, s.Server, paced.Spec().Protocols()[0])
				_, _ = stream.Write([]byte(tt.wire))
				if tt.wire != "" {
					_ = stream.CloseWrite()
				}
				time.Sleep(time.Second)

				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				start := time.Now()
				if err := srv.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the context's error", err)
				}
				if took := time.Since(start); took != 2*time.Second {
					t.Errorf("stopped after %v, want 2s", took)
				}
				if result == nil || !errors.Is(cause, reqresp.ErrClosed) {
					t.Errorf("handler got %v, cause %v, want ErrClosed", result, cause)
				}
				time.Sleep(time.Second)
				if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, remoteReset(network.StreamShutdown)) {
					t.Errorf("peer sees %v, want a reset with the shutdown code", err)
				}
			})
		})
	}
}

func TestStopWaitsForHandlersThatIgnoreIt(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		ended := false
		srv := serve(t, s.Server, nil, echo.Serve(func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			time.Sleep(time.Minute)
			ended = true
			return req, nil
		}))
		go func() { _, _ = echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text(""))) }()
		time.Sleep(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := srv.Stop(ctx); !errors.Is(err, context.Canceled) || !ended {
			t.Errorf("got %v, handler ended: %t", err, ended)
		}
	})
}

func TestStopOfAnIdleServer(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			idle := reqresp.NewServer(s.Server, nil)
			idle.Register(echo.Serve(echoed))
			if err := idle.Start(); err != nil {
				t.Fatal(err)
			}
			if err := idle.Start(); err != nil {
				t.Errorf("second start: %v", err)
			}
			if err := idle.Stop(ctx); err != nil {
				t.Errorf("nothing was reset, but got %v", err)
			}
		}
		fresh := reqresp.NewServer(s.Server, nil)
		if err := fresh.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := fresh.Start(); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	})
}

func TestStopTwiceAtOnce(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		srv := serve(t, s.Server, nil, echo.Serve(func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			time.Sleep(5 * time.Second)
			return req, nil
		}))
		go func() { _, _ = echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text(""))) }()
		time.Sleep(time.Second)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := srv.Stop(t.Context()); err != nil || len(srv.Streams()) != 0 {
					t.Errorf("got %v, %d streams left", err, len(srv.Streams()))
				}
			})
		}
		wg.Wait()
	})
}

func TestStreamNegotiatedBeforeStopIsReset(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		held := &heldHost{Host: s.Server}
		srv := reqresp.NewServer(held, nil)
		srv.Register(echo.Serve(echoed))
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		stream := openRaw(t, s.Client, s.Server, echo.Spec().Protocols()[0])
		_, _ = stream.Write([]byte{0})
		time.Sleep(time.Second)
		if err := srv.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		held.release()
		if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, remoteReset(network.StreamShutdown)) {
			t.Errorf("peer sees %v, want a reset with the shutdown code", err)
		}
	})
}

// A heldHost holds streams back before they reach their handler.
type heldHost struct {
	host.Host
	held chan struct{}
}

func (h *heldHost) SetStreamHandler(id protocol.ID, handler network.StreamHandler) {
	h.held = make(chan struct{})
	h.Host.SetStreamHandler(id, func(stream network.Stream) {
		<-h.held
		handler(stream)
	})
}

func (h *heldHost) release() { close(h.held) }
