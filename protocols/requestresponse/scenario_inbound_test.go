package requestresponse_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// wantShut checks that a channel takes no response any more, and returns it.
func wantShut(t *testing.T, r *textFace, c *requestresponse.ResponseChannel[Text]) {
	t.Helper()
	if c.IsOpen() {
		t.Error("channel is open")
	}
	if unsent, err := r.SendResponse(c, "too late"); unsent != "too late" || !errors.Is(err, reqresp.ErrClosed) {
		t.Errorf("SendResponse returned %q, %v, want the response and ErrClosed", unsent, err)
	}
	if err := r.SendError(c, reqresp.Errorf(reqresp.CodeServerError, "too late")); !errors.Is(err, reqresp.ErrClosed) {
		t.Errorf("SendError returned %v, want ErrClosed", err)
	}
	c.Close()
}

func TestScenario22ChannelShutsOnTimeout(t *testing.T) {
	brief := reqresp.NewUnary[Text, Text](family,
		"brief", 1).WithLimits(reqresp.Limits{Timeouts: reqresp.Timeouts{Total: 5 * time.Second}})
	simulate(t, func(t *testing.T, s *simulation) {
		server := eventStyle(t, s.Server, nil, requestresponse.Unary(brief, requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(brief, requestresponse.SupportOutbound))
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		start := time.Now()
		if !req.Channel.IsOpen() {
			t.Error("channel is not open")
		}
		wantFailure(t, wantInboundFailure(t, server, s.Client.ID(), req.ID, reqresp.ReasonTimeout), reqresp.PhaseHandle,
			reqresp.ErrTimeout)
		if took := time.Since(start); took.Round(roundTrip) != 5*time.Second {
			t.Errorf("timed out after %v", took)
		}
		wantShut(t, server, req.Channel)
		wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonTimeout)
		wantQuiet(t, server)
	})
}

func TestScenario22ChannelShutsWithItsConnection(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		if err := s.Server.Network().ClosePeer(s.Client.ID()); err != nil {
			t.Fatal(err)
		}
		wantInboundFailure(t, server, s.Client.ID(), req.ID, reqresp.ReasonDisconnected)
		wantShut(t, server, req.Channel)
		wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonDisconnected)
		time.Sleep(time.Second) // libp2p takes leave of the connection
		if server.IsConnected(s.Client.ID()) || client.IsConnected(s.Server.ID()) {
			t.Error("still connected")
		}
	})
}

func TestScenario22ChannelTakesOneResponse(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		respond(t, server, req, "pong")
		wantShut(t, server, req.Channel)
		if got := wantResponse(t, client, s.Server.ID(), id); got != "pong" {
			t.Errorf("got %q", got)
		}
		wantSent(t, server, s.Client.ID(), req.ID)
		wantQuiet(t, server)
	})
}

func TestScenario26IsPendingInbound(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		from := s.Client.ID()
		if server.IsPendingInbound(from, 1) {
			t.Error("pending before there was a request")
		}
		send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, from)
		time.Sleep(5 * time.Second)
		if !server.IsPendingInbound(from, req.ID) || server.IsPendingInbound(s.Server.ID(), req.ID) ||
			server.IsPendingInbound(from, req.ID+1) {
			t.Error("want the request to be pending, of its own peer, and no other")
		}
		if client.IsPendingInbound(s.Server.ID(), req.ID) {
			t.Error("pending on the side that asks")
		}
		respond(t, server, req, "pong")
		wantSent(t, server, from, req.ID)
		if server.IsPendingInbound(from, req.ID) {
			t.Error("pending after the response was sent")
		}
	})
}

func TestScenario27IDsIncreaseAndAreUnique(t *testing.T) {
	const senders, requests = 8, 50
	simulate(t, func(t *testing.T, s *simulation) {
		server := eventStyle(t, s.Server, nil, requestresponse.Unary(echo, requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, &requestresponse.Options{
			Client: &reqresp.ClientOptions{MaxCallsPerPeer: 10},
		}, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		answer := serveEchoes(t, server, senders*requests)
		var (
			wg   sync.WaitGroup
			mu   sync.Mutex
			sent = make(map[requestresponse.OutboundRequestID]bool)
		)
		for range senders {
			wg.Go(func() {
				var last requestresponse.OutboundRequestID
				for range requests {
					id := send(t, client, s.Server.ID(), "ping")
					if id <= last {
						t.Errorf("request %v was followed by %v", last, id)
					}
					last = id
					mu.Lock()
					if sent[id] {
						t.Errorf("request %v twice", id)
					}
					sent[id] = true
					mu.Unlock()
				}
			})
		}
		for range senders * requests {
			msg := next[textMsg](t, client)
			if msg.Response == nil {
				t.Fatalf("got %+v", msg)
			}
		}
		wg.Wait()
		<-answer
		for id := range sent {
			if id < 1 || id > senders*requests {
				t.Errorf("request %v, want 1 to %d", id, senders*requests)
			}
		}
	})
}

func TestScenario27InboundIDsIncrease(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		var last requestresponse.InboundRequestID
		for range 5 {
			send(t, client, s.Server.ID(), "ping")
			req := wantRequest(t, server, s.Client.ID())
			if req.ID <= last {
				t.Errorf("request %v was followed by %v", last, req.ID)
			}
			last = req.ID
		}
		if last.String() != "5" {
			t.Errorf("last request is %v, want 5", last)
		}
	})
}

type noticeFace = requestresponse.RequestResponse[Text, struct{}]

func noticeStyle(t *testing.T, s *simulation) (client, server *noticeFace) {
	t.Helper()
	client = requestresponse.New(s.Client, nil, requestresponse.OneWay(notice, requestresponse.SupportOutbound))
	server = requestresponse.New(s.Server, nil, requestresponse.OneWay(notice, requestresponse.SupportInbound))
	for _, r := range []*noticeFace{client, server} {
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Stop(t.Context()) })
	}
	return client, server
}

// A one-way request is answered by its own flushing. There is no channel, and so nothing
// to be dropped and no further event.
func TestScenario29OneWayEndsWithItsFlush(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := noticeStyle(t, s)
		s.Connect(t)
		start := time.Now()
		for i := range 3 {
			id, err := client.SendRequest(t.Context(), s.Server.ID(), "news")
			if err != nil {
				t.Fatal(err)
			}
			msg := next[requestresponse.Message[Text, struct{}]](t, client)
			if msg.Response == nil || msg.Response.ID != id || msg.Peer != s.Server.ID() {
				t.Errorf("got %+v, want the response to %v", msg, id)
			}
			got := next[requestresponse.Message[Text, struct{}]](t, server)
			if got.Request == nil || got.Request.Request != "news" || got.Request.Channel != nil || got.Peer != s.Client.ID() {
				t.Errorf("got %+v, want the notice, without a channel", got)
			}
			if server.IsPendingInbound(s.Client.ID(), got.Request.ID) {
				t.Error("a one-way request is pending")
			}
			if took := time.Since(start); took > time.Duration(i+1)*2*roundTrip {
				t.Errorf("took %v", took)
			}
		}
		wantQuiet(t, client)
		wantQuiet(t, server)
	})
}

func TestScenario29OneWayFailsWhereThereIsNobody(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, _ := noticeStyle(t, s)
		nobody := newPeerID(t)
		for _, to := range []peer.ID{nobody, s.Server.ID()} {
			if _, err := client.SendRequest(t.Context(), to, "news"); err != nil {
				t.Fatal(err)
			}
		}
		if f := next[requestresponse.OutboundFailure](t, client); f.Peer != nobody || f.Reason != reqresp.ReasonDial {
			t.Errorf("got %+v, want a dial failure", f)
		}
		if msg := next[requestresponse.Message[Text, struct{}]](t, client); msg.Response == nil {
			t.Errorf("got %+v, want a response", msg)
		}
	})
}
