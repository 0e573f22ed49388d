package reqresp_test

import (
	"context"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A connection over a relay is used only for calls whose context allows it.
func TestLimitedConnection(t *testing.T) {
	client, server, addr := relayed(t)
	serve(t, server, nil, echo.Serve(echoed))
	c := reqresp.NewClient(client, nil).With(reqresp.CallOptions{
		Addrs: []multiaddr.Multiaddr{addr},
	})
	allowed := network.WithAllowLimitedConn(t.Context(), "test")
	if got, err := echo.Call(allowed, c, server.ID(), new(Text("hello"))); err != nil || *got != "hello" {
		t.Fatalf("got %v, %v", got, err)
	}
	if got := client.Network().Connectedness(server.ID()); got != network.Limited {
		t.Fatalf("connection is %v, want a limited one", got)
	}
	// libp2p would wait for a direct one.
	_, err := echo.Call(t.Context(), c, server.ID(), new(Text("hello")))
	wantFailure(t, err, reqresp.PhaseDial, network.ErrLimitedConn)
	if r := reqresp.ReasonOf(err); r != reqresp.ReasonDial {
		t.Errorf("reason %v, want %v", r, reqresp.ReasonDial)
	}
	for name, tt := range map[string]struct {
		ctx  context.Context
		want bool
	}{"allowed": {allowed, true}, "not allowed": {t.Context(), false}} {
		_, err := echo.Call(network.WithNoDial(tt.ctx, "test"), c, server.ID(), new(Text("hello")))
		if (err == nil) != tt.want {
			t.Errorf("%s, without a dial: %v", name, err)
		}
		if !tt.want {
			wantFailure(t, err, reqresp.PhaseDial, network.ErrLimitedConn)
		}
	}
	// Nor is what has just been dialed used.
	if err := client.Network().ClosePeer(server.ID()); err != nil {
		t.Fatal(err)
	}
	_, err = echo.Call(t.Context(), c, server.ID(), new(Text("hello")))
	wantFailure(t, err, reqresp.PhaseDial, network.ErrLimitedConn)
}
