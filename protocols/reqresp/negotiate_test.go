package reqresp_test

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// told is a middleware which notes the protocols that were negotiated.
func told(ids *[]protocol.ID) *reqresp.ServerOptions {
	return &reqresp.ServerOptions{Middleware: []reqresp.Middleware{func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
		return func(ctx context.Context, in *reqresp.Inbound) error {
			*ids = append(*ids, in.Protocol())
			return next(ctx, in)
		}
	}}}
}

func TestBothSidesLearnTheVersion(t *testing.T) {
	tests := []struct {
		name   string
		client []int
		server []int
		want   protocol.ID
	}{
		{"both", []int{2, 1}, []int{2, 1}, "/test/status/2/text"},
		{"caller prefers the old", []int{1, 2}, []int{2, 1}, "/test/status/1/text"},
		{"old server", []int{3, 2, 1}, []int{1}, "/test/status/1/text"},
		{"old client", []int{1}, []int{2, 1}, "/test/status/1/text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				var ids []protocol.ID
				serve(t, s.Server, told(&ids), reqresp.NewUnary[Text, Text](family, "status", tt.server...).Serve(echoed))
				status := reqresp.NewUnary[Text, Text](family, "status", tt.client...)
				c := reqresp.NewClient(s.Client, nil)
				for range 2 { // negotiated in full, then along with the request
					out, err := c.Open(t.Context(), s.Server.ID(), status.Spec())
					if err != nil {
						t.Fatal(err)
					}
					if _, err := status.Exchange(out, new(Text(""))); err != nil {
						t.Fatal(err)
					}
					if out.Protocol() != tt.want {
						t.Errorf("negotiated %s, want %s", out.Protocol(), tt.want)
					}
					out.Close()
				}
				if len(ids) != 2 || ids[0] != tt.want || ids[1] != tt.want {
					t.Errorf("server was told %s, want %s", ids, tt.want)
				}
			})
		})
	}
}

func TestRequestIsChosenByTheSpecThatWon(t *testing.T) {
	v2 := reqresp.NewUnary[Text, Text](family, "status", 2)
	v1 := reqresp.NewUnary[Count, Count](family, "status", 1)
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil,
			v1.Serve(func(_ context.Context, _ peer.ID, req *Count) (*Count, error) { return new(*req + 1), nil }))
		out, err := reqresp.NewClient(s.Client, nil).Open(t.Context(), s.Server.ID(), v2.Spec(), v1.Spec())
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if out.Spec() != v1.Spec() {
			t.Fatalf("got the spec of %s, want that of version 1", out.Spec().Protocols())
		}
		got, err := v1.Exchange(out, new(Count(41)))
		if err != nil || *got != 42 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestUnsupported(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		s.Connect(t)
		c := reqresp.NewClient(s.Client, nil)
		_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseNegotiate, reqresp.ErrUnsupported)

		srv := serve(t, s.Server, nil, echo.Serve(echoed))
		if _, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text(""))); err != nil {
			t.Fatal(err)
		}
		if err := srv.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the peer announces what it supports
		_, err = echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseNegotiate, reqresp.ErrUnsupported)
	})
}

func TestUnsupportedIsFoundLate(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		s.Connect(t)
		c := reqresp.NewClient(s.Client, nil)
		for range 50 {
			// What was true once: the request is sent without waiting for an answer.
			if err := s.Client.Peerstore().AddProtocols(s.Server.ID(), echo.Spec().Protocols()...); err != nil {
				t.Fatal(err)
			}
			_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("hello")))
			wantFailure(t, err, reqresp.PhaseFirstByte, reqresp.ErrUnsupported)
		}
		// It is not taken for true any more.
		_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("hello")))
		wantFailure(t, err, reqresp.PhaseNegotiate, reqresp.ErrUnsupported)
	})
}

func TestNothingToOpenPanics(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		wantPanic(t, "no protocol", func() { _, _ = reqresp.NewClient(s.Client, nil).Open(t.Context(), s.Server.ID()) })
	})
}

func wantPanic(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: did not panic", name)
		}
	}()
	f()
}
