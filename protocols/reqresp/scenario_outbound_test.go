package reqresp_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// The tests named Scenario follow rust-libp2p's request_response, in the order in which
// its tests stand, then what no test of it covers.

// blackHole is an address that nobody answers at.
var blackHole = multiaddr.StringCast("/ip4/1.2.3.4/udp/8000/quic-v1")

func TestScenario01RequestToAnOfflinePeerFailsToDial(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, _ := faces(t, s)
		offline := newPeerID(t)
		s.client.Peerstore().AddAddr(offline, blackHole, peerstore.PermanentAddrTTL)

		first := send(t, client, offline, "ping")
		wantFailure(t, wantOutboundFailure(t, client, offline, first, reqresp.ReasonDial), reqresp.PhaseDial)
		second := send(t, client, offline, "ping")
		if client.IsPendingOutbound(offline, first) || !client.IsPendingOutbound(offline, second) {
			t.Error("want the second request alone to be pending")
		}
		if client.IsPendingOutbound(s.server.ID(), second) {
			t.Error("request is pending with a peer that was not asked")
		}
		wantOutboundFailure(t, client, offline, second, reqresp.ReasonDial)
		wantQuiet(t, client)
	})
}

func TestScenario02SequentialPings(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		for i := range 99 {
			ping := Text("ping " + strconv.Itoa(i))
			id := send(t, client, s.server.ID(), ping)
			req := wantRequest(t, server, s.client.ID())
			if req.Request != ping {
				t.Fatalf("server got %q, want %q", req.Request, ping)
			}
			respond(t, server, req, "pong "+ping)
			wantSent(t, server, s.client.ID(), req.ID)
			if got := wantResponse(t, client, s.server.ID(), id); got != "pong "+ping {
				t.Fatalf("client got %q", got)
			}
		}
		wantQuiet(t, client)
		wantQuiet(t, server)
	})
}

func TestScenario03ExplicitAddresses(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		s.client.Peerstore().ClearAddrs(s.server.ID())

		// Without an address it fails at once, maybe before anybody can see it pending.
		id, err := client.SendRequest(t.Context(), s.server.ID(), "ping")
		if err != nil {
			t.Fatal(err)
		}
		wantOutboundFailure(t, client, s.server.ID(), id, reqresp.ReasonDial)
		id = sendWith(t, client, s.server.ID(), "ping", reqresp.CallOptions{Addrs: s.server.Addrs()})
		respond(t, server, wantRequest(t, server, s.client.ID()), "pong")
		if got := wantResponse(t, client, s.server.ID(), id); got != "pong" {
			t.Errorf("got %q", got)
		}
		if !client.IsConnected(s.server.ID()) {
			t.Error("not connected after a response")
		}
	})
}

// connected counts the connections that a host opens and is opened.
func connected(n network.Network) *atomic.Int64 {
	count := new(atomic.Int64)
	n.Notify(&network.NotifyBundle{ConnectedF: func(network.Network, network.Conn) { count.Add(1) }})
	return count
}

func TestScenario06ConcurrentRequestsShareOneDial(t *testing.T) {
	const requests = 99
	simulate(t, func(t *testing.T, s *simulation) {
		server := eventStyle(t, s.server, &requestresponse.Options{
			Server: &reqresp.ServerOptions{MaxStreams: 16 * requests, MaxStreamsPerPeer: requests},
		}, requestresponse.Unary(echo, requestresponse.SupportInbound))
		client := eventStyle(t, s.client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		dialed, accepted := connected(s.client.Network()), connected(s.server.Network())

		sent := make(map[requestresponse.OutboundRequestID]Text)
		for i := range requests {
			text := Text(strconv.Itoa(i))
			sent[send(t, client, s.server.ID(), text)] = text
		}
		for id := range sent {
			if !client.IsPendingOutbound(s.server.ID(), id) {
				t.Errorf("request %v is not pending while its peer is dialed", id)
			}
		}
		answer := serveEchoes(t, server, requests)
		for range requests {
			msg := next[textMsg](t, client)
			if want := sent[msg.Response.ID]; want == "" || msg.Response.Response != want {
				t.Errorf("request %v is answered %q, want %q", msg.Response.ID, msg.Response.Response, want)
			}
			delete(sent, msg.Response.ID)
		}
		<-answer
		if dialed.Load() != 1 || accepted.Load() != 1 {
			t.Errorf("%d connections were dialed and %d accepted, want 1", dialed.Load(), accepted.Load())
		}
		wantQuiet(t, client)
	})
}

func TestScenario07KnownAddressIsDialed(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		s.client.Peerstore().ClearAddrs(s.server.ID())
		addr := s.server.Addrs()[0]
		s.client.Peerstore().AddAddr(s.server.ID(), addr, peerstore.PermanentAddrTTL)

		id := send(t, client, s.server.ID(), "ping")
		respond(t, server, wantRequest(t, server, s.client.ID()), "pong")
		msg := next[textMsg](t, client)
		if msg.Response == nil || msg.Response.ID != id {
			t.Fatalf("got %+v", msg)
		}
		if got := msg.Conn.RemoteMultiaddr(); !got.Equal(addr) || msg.Conn.RemotePeer() != s.server.ID() {
			t.Errorf("connected to %v of %v, want %v", got, msg.Conn.RemotePeer(), addr)
		}
	})
}

func TestScenario23DialFailureFailsEveryQueuedRequest(t *testing.T) {
	const requests = 10
	simulate(t, func(t *testing.T, s *simulation) {
		client, _ := faces(t, s)
		offline := newPeerID(t)
		s.client.Peerstore().AddAddr(offline, blackHole, peerstore.PermanentAddrTTL)
		pending := make(map[requestresponse.OutboundRequestID]bool)
		for range requests {
			pending[send(t, client, offline, "ping")] = true
			time.Sleep(100 * time.Millisecond) // they join a dial under way
		}
		for range requests {
			f := next[requestresponse.OutboundFailure](t, client)
			if !pending[f.ID] || f.Peer != offline || f.Reason != reqresp.ReasonDial || f.Conn != nil || f.Protocol != "" {
				t.Errorf("got %+v, want a dial failure of a request that is pending", f)
			}
			delete(pending, f.ID)
		}
		wantQuiet(t, client)
	})
}

// A request that brings a better address joins the dial under way and saves all that
// wait for it, where rust-libp2p fails them.
func TestScenario23ParallelDialSavesQueuedRequests(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		s.client.Peerstore().ClearAddrs(s.server.ID())
		s.client.Peerstore().AddAddr(s.server.ID(), blackHole, peerstore.PermanentAddrTTL)

		ids := []requestresponse.OutboundRequestID{send(t, client, s.server.ID(), "a"), send(t, client, s.server.ID(), "b")}
		time.Sleep(time.Second)
		ids = append(ids, sendWith(t, client, s.server.ID(), "c", reqresp.CallOptions{Addrs: s.server.Addrs()}))
		answer := serveEchoes(t, server, len(ids))
		for range ids {
			if msg := next[textMsg](t, client); msg.Response == nil {
				t.Errorf("got %+v", msg)
			}
		}
		<-answer
		wantQuiet(t, client)
	})
}

func TestRequestToSelfFailsToDial(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, _ := faces(t, s)
		id := send(t, client, s.client.ID(), "ping")
		wantOutboundFailure(t, client, s.client.ID(), id, reqresp.ReasonDial)
	})
}

func TestScenario24ClosingOneOfTwoConnectionsFailsOnlyItsRequests(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		conns := connectTwice(t, s)

		ids := make(map[network.Conn]requestresponse.OutboundRequestID)
		asked := make(map[requestresponse.OutboundRequestID]*requestresponse.RequestMessage[Text, Text])
		for i, conn := range conns {
			prefer(t, conn, i+1)
			id := send(t, client, s.server.ID(), Text(conn.ID()))
			ids[conn] = id
			asked[id] = wantRequest(t, server, s.client.ID())
		}
		if err := conns[0].Close(); err != nil {
			t.Fatal(err)
		}
		f := next[requestresponse.OutboundFailure](t, client)
		if f.ID != ids[conns[0]] || f.Conn != conns[0] || f.Reason != reqresp.ReasonDisconnected {
			t.Errorf("got %+v, want the request on the closed connection to fail", f)
		}
		wantInboundFailure(t, server, s.client.ID(), asked[f.ID].ID, reqresp.ReasonDisconnected)

		survivor := ids[conns[1]]
		if !client.IsPendingOutbound(s.server.ID(), survivor) || !client.IsConnected(s.server.ID()) {
			t.Error("the request on the other connection is not pending any more")
		}
		respond(t, server, asked[survivor], "pong")
		wantSent(t, server, s.client.ID(), asked[survivor].ID)
		wantResponse(t, client, s.server.ID(), survivor)
	})
}

// connectTwice has the hosts dial each other at the same time, and returns both
// connections as the client sees them.
func connectTwice(t *testing.T, s *simulation) []network.Conn {
	t.Helper()
	s.server.Peerstore().AddAddrs(s.client.ID(), s.client.Addrs(), peerstore.PermanentAddrTTL)
	done := make(chan error)
	go func() { done <- s.client.Connect(t.Context(), peer.AddrInfo{ID: s.server.ID()}) }()
	go func() { done <- s.server.Connect(t.Context(), peer.AddrInfo{ID: s.client.ID()}) }()
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(10 * time.Second)
	conns := s.client.Network().ConnsToPeer(s.server.ID())
	if len(conns) != 2 {
		t.Fatalf("%d connections, want 2", len(conns))
	}
	return conns
}

// prefer makes libp2p choose a connection, that with the most streams.
func prefer(t *testing.T, conn network.Conn, streams int) {
	t.Helper()
	for range 5 * streams {
		stream, err := conn.NewStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = stream.Reset() })
	}
}
