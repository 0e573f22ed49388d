package requestresponse_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
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
		s.Client.Peerstore().AddAddr(offline, blackHole, peerstore.PermanentAddrTTL)

		first := send(t, client, offline, "ping")
		wantFailure(t, wantOutboundFailure(t, client, offline, first, reqresp.ReasonDial), reqresp.PhaseDial)
		second := send(t, client, offline, "ping")
		if client.IsPendingOutbound(offline, first) || !client.IsPendingOutbound(offline, second) {
			t.Error("want the second request alone to be pending")
		}
		if client.IsPendingOutbound(s.Server.ID(), second) {
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
			id := send(t, client, s.Server.ID(), ping)
			req := wantRequest(t, server, s.Client.ID())
			if req.Request != ping {
				t.Fatalf("server got %q, want %q", req.Request, ping)
			}
			respond(t, server, req, "pong "+ping)
			wantSent(t, server, s.Client.ID(), req.ID)
			if got := wantResponse(t, client, s.Server.ID(), id); got != "pong "+ping {
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
		s.Client.Peerstore().ClearAddrs(s.Server.ID())

		// Without an address it fails at once, maybe before anybody can see it pending.
		id, err := client.SendRequest(t.Context(), s.Server.ID(), "ping")
		if err != nil {
			t.Fatal(err)
		}
		wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonDial)
		id = sendWith(t, client, s.Server.ID(), "ping", reqresp.CallOptions{Addrs: s.Server.Addrs()})
		respond(t, server, wantRequest(t, server, s.Client.ID()), "pong")
		if got := wantResponse(t, client, s.Server.ID(), id); got != "pong" {
			t.Errorf("got %q", got)
		}
		if !client.IsConnected(s.Server.ID()) {
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
		server := eventStyle(t, s.Server, &requestresponse.Options{
			Server: &reqresp.ServerOptions{MaxStreams: 16 * requests, MaxStreamsPerPeer: requests},
		}, requestresponse.Unary(echo, requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		dialed, accepted := connected(s.Client.Network()), connected(s.Server.Network())

		sent := make(map[requestresponse.OutboundRequestID]Text)
		for i := range requests {
			text := Text(strconv.Itoa(i))
			sent[send(t, client, s.Server.ID(), text)] = text
		}
		for id := range sent {
			if !client.IsPendingOutbound(s.Server.ID(), id) {
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
		s.Client.Peerstore().ClearAddrs(s.Server.ID())
		addr := s.Server.Addrs()[0]
		s.Client.Peerstore().AddAddr(s.Server.ID(), addr, peerstore.PermanentAddrTTL)

		id := send(t, client, s.Server.ID(), "ping")
		respond(t, server, wantRequest(t, server, s.Client.ID()), "pong")
		msg := next[textMsg](t, client)
		if msg.Response == nil || msg.Response.ID != id {
			t.Fatalf("got %+v", msg)
		}
		if got := msg.Conn.RemoteMultiaddr(); !got.Equal(addr) || msg.Conn.RemotePeer() != s.Server.ID() {
			t.Errorf("connected to %v of %v, want %v", got, msg.Conn.RemotePeer(), addr)
		}
	})
}

func TestScenario23DialFailureFailsEveryQueuedRequest(t *testing.T) {
	const requests = 10
	simulate(t, func(t *testing.T, s *simulation) {
		client, _ := faces(t, s)
		offline := newPeerID(t)
		s.Client.Peerstore().AddAddr(offline, blackHole, peerstore.PermanentAddrTTL)
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
		s.Client.Peerstore().ClearAddrs(s.Server.ID())
		s.Client.Peerstore().AddAddr(s.Server.ID(), blackHole, peerstore.PermanentAddrTTL)

		ids := []requestresponse.OutboundRequestID{send(t, client, s.Server.ID(), "a"), send(t, client, s.Server.ID(), "b")}
		time.Sleep(time.Second)
		ids = append(ids, sendWith(t, client, s.Server.ID(), "c", reqresp.CallOptions{Addrs: s.Server.Addrs()}))
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
		id := send(t, client, s.Client.ID(), "ping")
		wantOutboundFailure(t, client, s.Client.ID(), id, reqresp.ReasonDial)
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
			id := send(t, client, s.Server.ID(), Text(conn.ID()))
			ids[conn] = id
			asked[id] = wantRequest(t, server, s.Client.ID())
		}
		if err := conns[0].Close(); err != nil {
			t.Fatal(err)
		}
		f := next[requestresponse.OutboundFailure](t, client)
		if f.ID != ids[conns[0]] || f.Conn != conns[0] || f.Reason != reqresp.ReasonDisconnected {
			t.Errorf("got %+v, want the request on the closed connection to fail", f)
		}
		wantInboundFailure(t, server, s.Client.ID(), asked[f.ID].ID, reqresp.ReasonDisconnected)

		survivor := ids[conns[1]]
		if !client.IsPendingOutbound(s.Server.ID(), survivor) || !client.IsConnected(s.Server.ID()) {
			t.Error("the request on the other connection is not pending any more")
		}
		respond(t, server, asked[survivor], "pong")
		wantSent(t, server, s.Client.ID(), asked[survivor].ID)
		wantResponse(t, client, s.Server.ID(), survivor)
	})
}
