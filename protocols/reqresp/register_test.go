package reqresp_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// knows reports whether a host was told that a peer supports a protocol.
func knows(h host.Host, other peer.ID, id protocol.ID) bool {
	ids, err := h.Peerstore().SupportsProtocols(other, id)
	return err == nil && len(ids) == 1
}

func TestRegisterAndUnregisterWhileRunning(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		release := make(chan struct{})
		status, id := version(1), version(1).Spec().Protocols()[0]
		srv := serve(t, s.Server, nil, echo.Serve(echoed))
		s.Connect(t)
		c := reqresp.NewClient(s.Client, nil)
		if knows(s.Client, s.Server.ID(), id) {
			t.Error("peers were told before Register")
		}
		method := status.Serve(func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			<-release
			return req, nil
		})
		for range 3 {
			srv.Register(method)
			time.Sleep(time.Second)
			if !knows(s.Client, s.Server.ID(), id) {
				t.Error("peers were not told of Register")
			}
			if specs := slices.Collect(srv.Specs()); len(specs) != 2 || specs[1] != method.Spec {
				t.Errorf("registered are %v", specs)
			}
			done := make(chan error)
			go func() {
				_, err := status.Call(t.Context(), c, s.Server.ID(), new(Text("under way")))
				done <- err
			}()
			time.Sleep(time.Second)
			srv.Unregister(method.Spec, counter.Spec())
			time.Sleep(time.Second)
			if knows(s.Client, s.Server.ID(), id) {
				t.Error("peers were not told of Unregister")
			}
			_, err := status.Call(t.Context(), c, s.Server.ID(), new(Text("too late")))
			wantFailure(t, err, reqresp.PhaseNegotiate, reqresp.ErrUnsupported)
			release <- struct{}{}
			if err := <-done; err != nil {
				t.Errorf("the exchange under way: %v", err)
			}
			if err := call(t.Context(), s, c); err != nil {
				t.Errorf("the other protocol: %v", err)
			}
		}
	})
}

func TestRegisterBeforeStartAndAfterStop(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		srv := reqresp.NewServer(s.Server, nil)
		srv.Register(echo.Serve(echoed), counter.Serve(counted))
		srv.Unregister(counter.Spec())
		if speaks(s.Server, echo.Spec().Protocols()[0]) {
			t.Error("served before Start")
		}
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		if !speaks(s.Server, echo.Spec().Protocols()[0]) || speaks(s.Server, counter.Spec().Protocols()[0]) {
			t.Error("want echo to be served, and it alone")
		}
		if err := srv.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		srv.Register(counter.Serve(counted))
		if speaks(s.Server, echo.Spec().Protocols()[0]) || speaks(s.Server, counter.Spec().Protocols()[0]) {
			t.Error("served after Stop")
		}
	})
}

func TestForeignProtocolIDs(t *testing.T) {
	agent := protocol.ID("/my-agent/1.0.0")
	bare := reqresp.Family{Codec: plainCodec{}}
	tests := []struct {
		name string
		p    reqresp.Unary[Text, Text]
		want []protocol.ID
	}{
		{"of another form", echo.WithProtocols(agent), []protocol.ID{agent}},
		{"several", echo.WithProtocols("/my-agent/2.0.0", agent), []protocol.ID{"/my-agent/2.0.0", agent}},
		{"no slash", echo.WithProtocols("agent"), []protocol.ID{"agent"}},
		{"empty prefix", reqresp.NewUnary[Text, Text](bare, "ping", 1), []protocol.ID{"/ping/1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				if got := tt.p.Spec().Protocols(); !slices.Equal(got, tt.want) {
					t.Fatalf("protocols are %q, want %q", got, tt.want)
				}
				var ids []protocol.ID
				serve(t, s.Server, told(&ids), tt.p.Serve(echoed))
				c := reqresp.NewClient(s.Client, nil)
				for range 2 {
					if got, err := tt.p.Call(t.Context(), c, s.Server.ID(), new(Text("hello"))); err != nil || *got != "hello" {
						t.Errorf("got %v, %v", got, err)
					}
				}
				if want := []protocol.ID{tt.want[0], tt.want[0]}; !slices.Equal(ids, want) {
					t.Errorf("negotiated %q, want %q", ids, want)
				}
			})
		})
	}
	if echo.Spec().Protocols()[0] != "/test/echo/1/text" {
		t.Error("WithProtocols changed the protocol that it was called on")
	}
}
