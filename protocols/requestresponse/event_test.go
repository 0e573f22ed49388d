package requestresponse_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// The event style as most tests use it.
type (
	textFace = requestresponse.RequestResponse[Text, Text]
	textMsg  = requestresponse.Message[Text, Text]
)

// eventStyle starts an event face that is stopped with the test.
func eventStyle(
	t testing.TB, h host.Host, opts *requestresponse.Options, offers ...requestresponse.Protocol[Text, Text],
) *textFace {
	t.Helper()
	r := requestresponse.New(h, opts, offers...)
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.Stop(ctx)
		for range r.Events() {
		}
	})
	return r
}

// faces starts one for either host, which offers echo in both directions.
func faces(t *testing.T, s *simulation) (client, server *textFace) {
	t.Helper()
	return eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportFull)),
		eventStyle(t, s.Server, nil, requestresponse.Unary(echo, requestresponse.SupportFull))
}

type eventSource interface {
	Events() <-chan requestresponse.Event
}

// next receives the next event, which has to be of a type.
func next[E requestresponse.Event](t testing.TB, r eventSource) (e E) {
	t.Helper()
	select {
	case event := <-r.Events():
		e, ok := event.(E)
		if !ok {
			t.Fatalf("got event %T %+v, want %T", event, event, e)
		}
		return e
	case <-time.After(10 * time.Minute):
		t.Fatalf("no event, want %T", e)
	}
	return e
}

// wantQuiet checks that no event comes for longer than any timeout.
func wantQuiet(t testing.TB, r eventSource) {
	t.Helper()
	select {
	case event := <-r.Events():
		t.Errorf("got event %T %+v, want none", event, event)
	case <-time.After(10 * time.Minute):
	}
}

func send(t testing.TB, r *textFace, to peer.ID, req Text) requestresponse.OutboundRequestID {
	t.Helper()
	return sendWith(t, r, to, req, reqresp.CallOptions{})
}

func sendWith(
	t testing.TB, r *textFace, to peer.ID, req Text, o reqresp.CallOptions,
) requestresponse.OutboundRequestID {
	t.Helper()
	id, err := r.SendRequestWith(t.Context(), to, req, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.IsPendingOutbound(to, id) {
		t.Errorf("request %v is not pending right after it was sent", id)
	}
	return id
}

func respond(t testing.TB, r *textFace, req *requestresponse.RequestMessage[Text, Text], resp Text) {
	t.Helper()
	if unsent, err := r.SendResponse(req.Channel, resp); err != nil || unsent != "" {
		t.Fatalf("response came back: %q, %v", unsent, err)
	}
}

// wantRequest receives the next event, a request.
func wantRequest(t testing.TB, r *textFace, from peer.ID) *requestresponse.RequestMessage[Text, Text] {
	t.Helper()
	msg := next[textMsg](t, r)
	if msg.Request == nil || msg.Response != nil || msg.Peer != from {
		t.Fatalf("got %+v, want a request of %v", msg, from)
	}
	if !r.IsPendingInbound(from, msg.Request.ID) {
		t.Errorf("request %v is not pending when it is received", msg.Request.ID)
	}
	return msg.Request
}

// wantResponse receives the next event, the response to a request.
func wantResponse(t testing.TB, r *textFace, from peer.ID, id requestresponse.OutboundRequestID) Text {
	t.Helper()
	msg := next[textMsg](t, r)
	if msg.Response == nil || msg.Request != nil || msg.Peer != from || msg.Response.ID != id {
		t.Fatalf("got %+v, want the response of %v to %v", msg, from, id)
	}
	if r.IsPendingOutbound(from, id) {
		t.Errorf("request %v is pending after its response", id)
	}
	return msg.Response.Response
}

// wantSent receives the next event: a response is on its way.
func wantSent(t testing.TB, r *textFace, to peer.ID, id requestresponse.InboundRequestID) {
	t.Helper()
	sent := next[requestresponse.ResponseSent](t, r)
	if sent.Peer != to || sent.ID != id {
		t.Fatalf("got %+v, want response %v to be sent", sent, id)
	}
	if r.IsPendingInbound(to, id) {
		t.Errorf("request %v is pending after its response", id)
	}
}

// wantOutboundFailure receives the next event, the failure of a request of ours.
func wantOutboundFailure(
	t testing.TB, r *textFace, to peer.ID, id requestresponse.OutboundRequestID, reason reqresp.Reason,
) error {
	t.Helper()
	f := next[requestresponse.OutboundFailure](t, r)
	if f.Peer != to || f.ID != id || f.Reason != reason || reqresp.ReasonOf(f.Err) != reason {
		t.Fatalf("got %+v for reason %v, want request %v to fail for reason %v", f, f.Reason, id, reason)
	}
	if r.IsPendingOutbound(to, id) {
		t.Errorf("request %v is pending after its failure", id)
	}
	return f.Err
}

// wantInboundFailure receives the next event, the failure of a request of a peer.
func wantInboundFailure(
	t testing.TB, r *textFace, from peer.ID, id requestresponse.InboundRequestID, reason reqresp.Reason,
) error {
	t.Helper()
	f := next[requestresponse.InboundFailure](t, r)
	if f.Peer != from || f.ID != id || f.Reason != reason || reqresp.ReasonOf(f.Err) != reason {
		t.Fatalf("got %+v for reason %v, want request %v to fail for reason %v", f, f.Reason, id, reason)
	}
	if r.IsPendingInbound(from, id) {
		t.Errorf("request %v is pending after its failure", id)
	}
	return f.Err
}

// serveEchoes answers so many requests, in any order of events, and then closes what it
// returns.
func serveEchoes(t testing.TB, r *textFace, requests int) (done chan struct{}) {
	t.Helper()
	done = make(chan struct{})
	go func() {
		defer close(done)
		for sent := 0; sent < requests; {
			switch event := (<-r.Events()).(type) {
			case textMsg:
				if _, err := r.SendResponse(event.Request.Channel, event.Request.Request); err != nil {
					t.Error(err)
				}
			case requestresponse.ResponseSent:
				sent++
			default:
				t.Errorf("got event %T %+v", event, event)
				return
			}
		}
	}()
	return done
}

// A program may guard all that it has with one mutex: it sends under it, and its hooks lock it.
func TestSendRequestDoesNotWaitForHooks(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		mutex := make(chan struct{}, 1)
		var started []requestresponse.OutboundRequestID
		hooks := &reqresp.Trace{Start: func(x *reqresp.Exchange) {
			select {
			case mutex <- struct{}{}:
				started = append(started, requestresponse.OutboundRequestID(x.ID))
				<-mutex
			case <-time.After(time.Minute):
				t.Error("SendRequest does not return before the hook does")
			}
		}}
		faces(t, s)
		client := eventStyle(t, s.Client, &requestresponse.Options{Client: &reqresp.ClientOptions{Trace: hooks}},
			requestresponse.Unary(echo, requestresponse.SupportOutbound))
		mutex <- struct{}{}
		id := sendWith(t, client, s.Server.ID(), "ping", reqresp.CallOptions{Trace: hooks})
		if len(started) > 0 {
			t.Errorf("hooks were called for %v before the request was sent", started)
		}
		if !client.IsPendingOutbound(s.Server.ID(), id) {
			t.Error("the request is not pending while a hook waits")
		}
		<-mutex
		time.Sleep(time.Second)
		mutex <- struct{}{}
		if want := []requestresponse.OutboundRequestID{id, id}; !slices.Equal(started, want) {
			t.Errorf("hooks were called for %v, want %v", started, want)
		}
	})
}

// A connection over a relay is used if the context allows it, and does not count as one.
func TestLimitedConnection(t *testing.T) {
	client, server, addr := relayed(t)
	serve(t, server, nil, echo.Serve(echoed))
	client.Peerstore().AddAddr(server.ID(), addr, peerstore.PermanentAddrTTL)
	face := eventStyle(t, client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
	for range 2 { // with a dial, and without
		id, err := face.SendRequest(network.WithAllowLimitedConn(t.Context(), "test"), server.ID(), "hello")
		if err != nil {
			t.Fatal(err)
		}
		if got := wantResponse(t, face, server.ID(), id); got != "hello" {
			t.Errorf("got %q", got)
		}
		if face.IsConnected(server.ID()) {
			t.Error("a limited connection counts as one")
		}
	}
}

func TestSupportNames(t *testing.T) {
	if got := requestresponse.Support(9).String(); got != "support(9)" || requestresponse.SupportFull.String() != "full" {
		t.Errorf("got %q", got)
	}
}

func TestMaxPendingOutsideItsRangeIsNamed(t *testing.T) {
	defer func() {
		const want = "requestresponse: Options.MaxPending is -4: want at least 1, or 0 for the default"
		if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
			t.Errorf("panicked with %q, want %q", got, want)
		}
	}()
	requestresponse.New[Text, Text](nil, &requestresponse.Options{MaxPending: -4})
}
