package reqresp_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestStreamsBeyondTheBoundsAreReset(t *testing.T) {
	tests := []struct {
		name string
		opts reqresp.ServerOptions
		want int // how many of five are served
	}{
		{"per peer", reqresp.ServerOptions{MaxStreamsPerPeer: 3}, 3},
		{"in all", reqresp.ServerOptions{MaxStreams: 3}, 1},
		{"of those left", reqresp.ServerOptions{MaxStreams: 34}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				srv := serve(t, s.Server, &tt.opts, echo.Serve(func(ctx context.Context, _ peer.ID, req *Text) (*Text, error) {
					time.Sleep(time.Second)
					return req, nil
				}))
				c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{MaxCallsPerPeer: 10})
				s.Connect(t)
				results := make(chan error)
				for range 5 {
					go func() {
						_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
						results <- err
					}()
				}
				time.Sleep(100 * time.Millisecond)
				if got := srv.Streams()[s.Client.ID()]; got != tt.want || srv.Refused() != uint64(5-tt.want) {
					t.Errorf("%d streams served and %d refused, want %d and %d", got, srv.Refused(), tt.want, 5-tt.want)
				}
				refused := 0
				for range 5 {
					if err := <-results; err != nil {
						refused++
						wantFailure(t, err, reqresp.PhaseFirstByte, remoteReset(network.StreamResourceLimitExceeded))
					}
				}
				if refused != 5-tt.want {
					t.Errorf("%d calls refused, want %d", refused, 5-tt.want)
				}
				if _, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text(""))); err != nil {
					t.Errorf("after all is over: %v", err)
				}
			})
		})
	}
}

func TestPendingExchangesProtectTheConnection(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		guarded := func() [2]bool {
			return [2]bool{
				s.Client.ConnManager().IsProtected(s.Server.ID(), ""),
				s.Server.ConnManager().IsProtected(s.Client.ID(), ""),
			}
		}
		serve(t, s.Server, nil, echo.Serve(func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			n, _ := strconv.Atoi(string(*req))
			time.Sleep(time.Duration(n) * time.Second)
			return req, nil
		}))
		s.Connect(t)
		c := reqresp.NewClient(s.Client, nil)
		done := make(chan struct{})
		for _, seconds := range []Text{"1", "3"} {
			go func() {
				_, _ = echo.Call(t.Context(), c, s.Server.ID(), &seconds)
				done <- struct{}{}
			}()
		}
		time.Sleep(500 * time.Millisecond)
		if guarded() != [2]bool{true, true} {
			t.Errorf("both pending: protected %v", guarded())
		}
		<-done
		if guarded() != [2]bool{true, true} {
			t.Errorf("one pending: protected %v", guarded())
		}
		<-done
		time.Sleep(time.Second)
		if guarded() != [2]bool{false, false} {
			t.Errorf("none pending: protected %v", guarded())
		}
	})
}

func TestEmptyAnswerToARequestForNothing(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		var result error
		serve(t, s.Server, nil, counter.Serve(func(_ context.Context, _ peer.ID, req *Count, send func(*Text) error) error {
			time.Sleep(5 * time.Second)
			if *req < 0 {
				return send(new(Text("surplus")))
			}
			return result
		}))
		c := reqresp.NewClient(s.Client, nil)
		if got, err := collect(counter.Call(t.Context(), c, s.Server.ID(), new(Count(0)))); err != nil || len(got) != 0 {
			t.Errorf("got %v, %v", got, err)
		}
		result = reqresp.Errorf(reqresp.CodeInvalidRequest, "count is zero")
		_, err := collect(counter.Call(t.Context(), c, s.Server.ID(), new(Count(0))))
		wantVerdict(t, "zero", err, reqresp.Error{Code: 1, Message: "count is zero"})
		_, err = collect(counter.Call(t.Context(), c, s.Server.ID(), new(Count(-1))))
		wantFailure(t, err, reqresp.PhaseResponse, reqresp.ErrTooManyChunks)
	})
}

func TestUnaryIgnoresTheRequestsBound(t *testing.T) {
	p := reqresp.NewUnary[Count, Text](family, "bounded", 1)
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, p.Serve(func(context.Context, peer.ID, *Count) (*Text, error) { return new(Text("a")), nil }))
		if got, err := p.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Count(0))); err != nil ||
			*got != "a" {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestUnaryHandlerSendsOnce(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, reqresp.Handler{
			Spec: echo.Spec(),
			Serve: func(ctx context.Context, in *reqresp.Inbound) error {
				if err := errors.Join(received(ctx, in), in.Send(ctx, new(Text("a")))); err != nil {
					t.Error(err)
				}
				if in.Send(ctx, new(Text("b"))) == nil {
					t.Error("sent a second response")
				}
				return nil
			},
		})
		if _, err := echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text(""))); err != nil {
			t.Error(err)
		}
	})
}
