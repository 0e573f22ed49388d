package reqresp_test

import (
	"context"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// relayed returns two hosts of which the second is reached over a relay alone, and its
// address there.
func relayed(t *testing.T) (client, server host.Host, addr multiaddr.Multiaddr) {
	t.Helper()
	newHost := func(options ...libp2p.Option) host.Host {
		h, err := libp2p.New(append(options, libp2p.DisableMetrics())...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		return h
	}
	relay := newHost(libp2p.ListenAddrStrings(tcpAddr), libp2p.EnableRelayService(), libp2p.ForceReachabilityPublic())
	client, server = newHost(libp2p.NoListenAddrs, libp2p.EnableRelay()), newHost(libp2p.NoListenAddrs, libp2p.EnableRelay())
	at := peer.AddrInfo{ID: relay.ID(), Addrs: relay.Addrs()}
	simtest.WaitFor(t, "the relay to serve", func() bool { return speaks(relay, proto.ProtoIDv2Hop) })
	if err := server.Connect(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if _, err := circuit.Reserve(t.Context(), server, at); err != nil {
		t.Fatal(err)
	}
	via, err := peer.AddrInfoToP2pAddrs(&at)
	if err != nil {
		t.Fatal(err)
	}
	return client, server, via[0].Encapsulate(multiaddr.StringCast("/p2p-circuit"))
}

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
	face := eventStyle(t, client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
	if face.IsConnected(server.ID()) {
		t.Error("a limited connection counts as one")
	}
	if id, err := face.SendRequest(allowed, server.ID(), "hello"); err != nil {
		t.Error(err)
	} else if got := wantResponse(t, face, server.ID(), id); got != "hello" {
		t.Errorf("got %q", got)
	}
}
