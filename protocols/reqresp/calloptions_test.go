package reqresp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestCallWithAddresses(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		s.Client.Peerstore().ClearAddrs(s.Server.ID())
		c := reqresp.NewClient(s.Client, nil)
		_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseDial)
		with := c.With(reqresp.CallOptions{Addrs: s.Server.Addrs()})
		if _, err := echo.Call(t.Context(), with, s.Server.ID(), new(Text(""))); err != nil {
			t.Error(err)
		}
		_, err = echo.Call(network.WithNoDial(t.Context(), "test"), with, newPeerID(t), new(Text("")))
		wantFailure(t, err, reqresp.PhaseDial, network.ErrNoConn)
	})
}

func TestCallWithProtocols(t *testing.T) {
	tests := []struct {
		name   string
		choice []protocol.ID
		want   protocol.ID // empty for a failure
	}{
		{"none", nil, "/test/status/3/text"},
		{"none of a list", []protocol.ID{}, "/test/status/3/text"},
		{"one", []protocol.ID{"/test/status/1/text"}, "/test/status/1/text"},
		{"another order", []protocol.ID{"/test/status/2/text", "/test/status/3/text"}, "/test/status/2/text"},
		{"not the descriptor's", []protocol.ID{"/test/echo/1/text", "/test/status/1/text"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				var ids []protocol.ID
				status := reqresp.NewUnary[Text, Text](family, "status", 3, 2, 1)
				srv := serve(t, s.Server, told(&ids), status.Serve(echoed), echo.Serve(echoed))
				c := reqresp.NewClient(s.Client, nil).With(reqresp.CallOptions{Protocols: tt.choice})
				for range 2 {
					_, err := status.Call(t.Context(), c, s.Server.ID(), new(Text("")))
					if tt.want == "" {
						wantFailure(t, err, reqresp.PhaseQueue)
						f, _ := errors.AsType[*reqresp.Failure](err)
						if f.Protocol != tt.choice[0] || len(s.Client.Network().Conns()) != 0 {
							t.Errorf("failed with %v, want the protocol that was preferred, and no dial", err)
						}
					} else if err != nil {
						t.Error(err)
					}
				}
				if err := srv.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
				if tt.want != "" && (len(ids) != 2 || ids[0] != tt.want || ids[1] != tt.want) {
					t.Errorf("negotiated %s, want %s", ids, tt.want)
				}
			})
		})
	}
}

func TestCallWithProtocolsOfSeveralSpecs(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, version(1).Serve(echoed), version(2).Serve(echoed))
		c := reqresp.NewClient(s.Client, nil).With(reqresp.CallOptions{Protocols: version(1).Spec().Protocols()})
		v2, v1 := version(2).Spec(), version(1).Spec()
		out, err := c.Open(t.Context(), s.Server.ID(), v2, v1)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if out.Spec() != v1 {
			t.Errorf("negotiated %s, want version 1", out.Protocol())
		}
	})
}

// A call's own timeouts are shorter or longer than its protocol's, each phase by itself.
func TestCallWithTimeouts(t *testing.T) {
	for _, tt := range stalls() {
		for _, bound := range []time.Duration{2 * time.Second, 25 * time.Second} {
			t.Run(tt.name+" "+bound.String(), func(t *testing.T) {
				simulate(t, func(t *testing.T, s *simulation) {
					to := tt.setup(t, s)
					limits := stalled
					*tt.bound(&limits.Timeouts) = 10 * time.Second
					var o reqresp.CallOptions
					*tt.bound(&o.Timeouts) = bound
					spec := reqresp.NewStream[Text, Text](family, "stall", 1).WithLimits(limits).Spec()
					began, err := lastStep(t.Context(), reqresp.NewClient(s.Client, nil).With(o), to, spec, tt.request)
					want := tt.takes(bound)
					if tt.name == "dial" && bound > 10*time.Second {
						// libp2p gives up an address by itself.
						wantFailure(t, err, reqresp.PhaseDial)
						want = 0
					} else {
						wantFailure(t, err, tt.phase, reqresp.ErrTimeout)
					}
					if tt.name == "first chunk" {
						want += roundTrip
					}
					if took := time.Since(began).Truncate(time.Millisecond); want != 0 && took != want {
						t.Errorf("took %v, want %v", took, want)
					}
				})
			})
		}
	}
}

func TestCallWithATotalTimeout(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		quick := reqresp.NewUnary[Text, Text](family,
			"quick", 1).WithLimits(reqresp.Limits{Timeouts: reqresp.Timeouts{Total: 5 * time.Second}})
		serveRaw(t, s.Server, quick.Spec().Protocols()[0], drain)
		s.Connect(t)
		c := reqresp.NewClient(s.Client, nil)
		for _, total := range []time.Duration{time.Second, 20 * time.Second} {
			start := time.Now()
			with := c.With(reqresp.CallOptions{Timeouts: reqresp.Timeouts{Total: total, FirstByte: time.Minute}})
			_, err := quick.Call(t.Context(), with, s.Server.ID(), new(Text("")))
			wantFailure(t, err, reqresp.PhaseFirstByte, reqresp.ErrTimeout)
			if took := time.Since(start); took.Truncate(time.Millisecond) != total {
				t.Errorf("took %v, want %v", took, total)
			}
		}
	})
}

// Clients that differ in their options share their bounds and IDs.
func TestClientsWithOptionsShareTheirBounds(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{MaxCallsPerPeer: 1})
		with := c.With(reqresp.CallOptions{Timeouts: reqresp.Timeouts{Total: time.Minute}})
		first, err := c.Open(t.Context(), s.Server.ID(), echo.Spec())
		if err != nil {
			t.Fatal(err)
		}
		if got := with.Pending()[s.Server.ID()]; got != 1 {
			t.Errorf("%d pending, want 1", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = with.Open(ctx, s.Server.ID(), echo.Spec())
		wantFailure(t, err, reqresp.PhaseQueue, context.DeadlineExceeded)
		first.Close()
		second, err := with.Open(t.Context(), s.Server.ID(), echo.Spec())
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		if first.ID() != 1 || second.ID() != 3 {
			t.Errorf("IDs are %v and %v, want 1 and 3", first.ID(), second.ID())
		}
	})
}

// MaxConcurrent bounds calls to all peers together, MaxQueue those that wait.
func TestBoundOnAllCalls(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed), version(1).Serve(echoed))
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{MaxCalls: 2, MaxCallsPerPeer: 5, MaxQueued: 2})
		open := func(ctx context.Context, spec *reqresp.Spec) (*reqresp.Outbound, error) {
			return c.Open(ctx, s.Server.ID(), spec)
		}
		var held []*reqresp.Outbound
		for _, spec := range []*reqresp.Spec{echo.Spec(), version(1).Spec()} {
			out, err := open(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, out)
		}
		done := make(chan error, 3)
		for range 2 {
			go func() {
				out, err := open(t.Context(), echo.Spec())
				if err == nil {
					out.Close()
				}
				done <- err
			}()
		}
		time.Sleep(time.Second)
		if len(done) != 0 {
			t.Error("a third exchange is under way")
		}
		// A peer that cannot be reached waits for its turn all the same.
		_, err := c.Open(t.Context(), newPeerID(t), echo.Spec())
		wantFailure(t, err, reqresp.PhaseQueue, reqresp.ErrTooManyPending)
		if got := c.Pending(); got[s.Server.ID()] != 4 || len(got) != 1 {
			t.Errorf("pending are %v, want 4 with one peer", got)
		}
		for _, out := range held {
			out.Close()
		}
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
		if got := c.Pending(); len(got) != 0 {
			t.Errorf("pending are %v after all is over", got)
		}
	})
}

// Other connections of a peer are not counted to MaxStreamsPerConn.
func TestBoundOnStreamsOfAConnection(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		release := make(chan struct{})
		srv := serve(t, s.Server, &reqresp.ServerOptions{MaxStreamsPerConn: 2},
			echo.Serve(func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
				<-release
				return req, nil
			}))
		conns := connectTwice(t, s)
		c := reqresp.NewClient(s.Client, nil)
		done := make(chan error, 6)
		for i, conn := range conns {
			prefer(t, conn, i+1)
			for range 3 {
				go func() { done <- call(t.Context(), s, c) }()
			}
			time.Sleep(time.Second)
			if got := srv.Streams()[s.Client.ID()]; got != 2*(i+1) || srv.Refused() != uint64(i+1) {
				t.Errorf("%d streams served and %d refused after connection %d", got, srv.Refused(), i+1)
			}
		}
		close(release)
		for range 6 {
			if err := <-done; err != nil && !errors.Is(err, reqresp.ErrRefused) {
				t.Error(err)
			}
		}
	})
}

func TestOptionsOfCallsMerge(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		v1 := version(1)
		both := reqresp.NewUnary[Text, Text](family, "status", 2, 1)
		serve(t, s.Server, nil, v1.Serve(func(ctx context.Context, _ peer.ID, req *Text) (*Text, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		s.Client.Peerstore().ClearAddrs(s.Server.ID())
		c := reqresp.NewClient(s.Client, nil).
			With(reqresp.CallOptions{Addrs: s.Server.Addrs(), Timeouts: reqresp.Timeouts{
				FirstByte: time.Hour,
				Total:     time.Hour,
			}}).
			With(reqresp.CallOptions{Protocols: v1.Spec().Protocols()}).
			With(reqresp.CallOptions{Timeouts: reqresp.Timeouts{FirstByte: 3 * time.Second}})
		start := time.Now()
		_, err := both.Call(t.Context(), c, s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseFirstByte, reqresp.ErrTimeout)
		if took := time.Since(start).Truncate(time.Second); took != 3*time.Second {
			t.Errorf("took %v, want the timeout given last", took)
		}
	})
}

// A context that forbids to dial is obeyed, and changes nothing for a peer that
// is connected.
func TestNoDial(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		c := reqresp.NewClient(s.Client, nil)
		ctx := network.WithNoDial(t.Context(), "test")
		_, err := echo.Call(ctx, c, s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseDial, network.ErrNoConn)
		if len(s.Client.Network().Conns()) != 0 {
			t.Error("peer was dialed")
		}
		s.Connect(t)
		if _, err := echo.Call(ctx, c, s.Server.ID(), new(Text(""))); err != nil {
			t.Error(err)
		}
	})
}
