package requestresponse_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// When nobody receives, nothing is lost and everything is bounded: requests of peers wait
// before they are delivered, and count to the bound on streams.
func TestFullQueueHoldsRequestsBack(t *testing.T) {
	const room, bound, requests = 2, 4, 10
	simulate(t, func(t *testing.T, s *simulation) {
		trace := new(journal)
		server := eventStyle(t, s.Server, &requestresponse.Options{
			MaxEvents: room,
			Server: &reqresp.ServerOptions{MaxStreamsPerPeer: bound, Trace: &reqresp.Trace{
				Done: func(x *reqresp.Exchange) { trace.Note("%v", reqresp.ReasonOf(x.Err)) },
			}},
		}, requestresponse.Unary(echo, requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		sent := make(map[requestresponse.OutboundRequestID]bool)
		for range requests {
			sent[send(t, client, s.Server.ID(), "ping")] = true
			time.Sleep(time.Millisecond)
		}
		for range requests - bound {
			f := next[requestresponse.OutboundFailure](t, client)
			if f.Reason != reqresp.ReasonOverLimit || !sent[f.ID] {
				t.Errorf("got %+v, want a refusal", f)
			}
			delete(sent, f.ID)
		}
		if got := len(server.Events()); got != room {
			t.Errorf("%d events are queued, want %d", got, room)
		}
		<-serveEchoes(t, server, bound)
		for range bound {
			msg := next[textMsg](t, client)
			if msg.Response == nil || !sent[msg.Response.ID] {
				t.Errorf("got %+v, want a response", msg)
			}
			delete(sent, msg.Response.ID)
		}
		wantQuiet(t, client)
		wantQuiet(t, server)
	})
}

// A request that waits for room until it times out is not delivered, later neither.
func TestRequestIsGivenUpInAFullQueue(t *testing.T) {
	brief := reqresp.NewUnary[Text, Text](family,
		"brief", 1).WithLimits(reqresp.Limits{Timeouts: reqresp.Timeouts{Total: 5 * time.Second}})
	simulate(t, func(t *testing.T, s *simulation) {
		server := eventStyle(t, s.Server, &requestresponse.Options{MaxEvents: 1},
			requestresponse.Unary(brief, requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(brief, requestresponse.SupportOutbound))
		for _, text := range []Text{"first", "second"} {
			id := send(t, client, s.Server.ID(), text)
			wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonTimeout)
		}
		time.Sleep(time.Minute)
		msg := next[textMsg](t, server)
		if msg.Request == nil || msg.Request.Request != "first" || msg.Request.Channel.IsOpen() {
			t.Errorf("got %+v, want the first request, which has timed out", msg)
		}
		wantInboundFailure(t, server, s.Client.ID(), msg.Request.ID, reqresp.ReasonTimeout)
		wantQuiet(t, server)
	})
}

// Last events wait as long as it takes, and hold up new requests of ours.
func TestFullQueueHoldsLastEventsBack(t *testing.T) {
	const pending = 5
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		client := eventStyle(t, s.Client, &requestresponse.Options{MaxEvents: 1, MaxPending: pending},
			requestresponse.Unary(echo, requestresponse.SupportOutbound))
		sent := make(map[requestresponse.OutboundRequestID]bool)
		trySend := func() error {
			id, err := client.SendRequest(t.Context(), s.Server.ID(), "ping")
			if err == nil {
				sent[id] = true
			}
			return err
		}
		for range pending {
			if err := trySend(); err != nil {
				t.Fatal(err)
			}
		}
		if err := trySend(); !errors.Is(err, reqresp.ErrTooManyPending) {
			t.Errorf("got %v, want ErrTooManyPending", err)
		}
		time.Sleep(time.Hour)
		// One event has its place in the queue, and the others count still.
		if err := trySend(); err != nil {
			t.Error(err)
		}
		if err := trySend(); !errors.Is(err, reqresp.ErrTooManyPending) {
			t.Errorf("got %v, want ErrTooManyPending", err)
		}
		for range pending + 1 {
			msg := next[textMsg](t, client)
			if msg.Response == nil || !sent[msg.Response.ID] {
				t.Fatalf("got %+v, want a response", msg)
			}
			delete(sent, msg.Response.ID)
		}
		synctest.Wait()
		if err := trySend(); err != nil {
			t.Error(err)
		}
	})
}

// Who sends the next request on receiving the end of the last never has more of them
// pending, and so is not refused.
func TestNextRequestMayFollowAtOnce(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		client := eventStyle(t, s.Client, &requestresponse.Options{MaxPending: 1},
			requestresponse.Unary(echo, requestresponse.SupportOutbound))
		for range 1000 {
			id := send(t, client, s.Server.ID(), "ping")
			wantResponse(t, client, s.Server.ID(), id)
		}
	})
}

func TestNothingIsSentBeforeStartOrAfterStop(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client := requestresponse.New(s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportFull))
		if _, err := client.SendRequest(t.Context(), s.Server.ID(), ""); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("before Start: %v, want ErrClosed", err)
		}
		if speaks(s.Client, echo.Spec().Protocols()[0]) {
			t.Error("served before Start")
		}
		if err := errors.Join(client.Start(), client.Start(), client.Stop(t.Context()),
			client.Stop(t.Context())); err != nil {
			t.Error(err)
		}
		if _, err := client.SendRequest(t.Context(), s.Server.ID(), ""); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("after Stop: %v, want ErrClosed", err)
		}
		if err := client.Start(); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("Start after Stop: %v, want ErrClosed", err)
		}
		if _, open := <-client.Events(); open {
			t.Error("an event after Stop")
		}
		if speaks(s.Client, echo.Spec().Protocols()[0]) {
			t.Error("served after Stop")
		}
	})
}

func TestStopDrainsBothSidesWhileSomebodyReads(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		stopped := make(chan error, 2)
		for _, r := range []*textFace{client, server} {
			go func() { stopped <- r.Stop(t.Context()) }()
		}
		time.Sleep(5 * time.Second)
		if len(stopped) != 0 {
			t.Error("stopped while exchanges are pending")
		}
		respond(t, server, req, "pong")
		wantSent(t, server, s.Client.ID(), req.ID)
		wantResponse(t, client, s.Server.ID(), id)
		if err := errors.Join(<-stopped, <-stopped); err != nil {
			t.Error(err)
		}
		for _, r := range []*textFace{client, server} {
			if event, open := <-r.Events(); open {
				t.Errorf("got %T after the last event", event)
			}
		}
	})
}

// Without a reader Stop waits until its context ends, and then for nothing.
func TestStopBreaksOff(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		one := &requestresponse.Options{MaxEvents: 1}
		server := eventStyle(t, s.Server, one, requestresponse.Unary(echo, requestresponse.SupportFull))
		trace := new(journal)
		client := eventStyle(t, s.Client, &requestresponse.Options{MaxEvents: 1, Client: &reqresp.ClientOptions{
			Trace: &reqresp.Trace{Done: func(x *reqresp.Exchange) { trace.Note("%v", x.Err) }},
		}}, requestresponse.Unary(echo, requestresponse.SupportFull))
		id := send(t, client, s.Server.ID(), "ping")
		time.Sleep(time.Second)
		if len(server.Events()) != 1 {
			t.Fatal("request was not delivered")
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := client.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("client stopped with %v after %v", err, time.Since(start))
		}
		err := wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonShutdown)
		wantFailure(t, err, reqresp.PhaseFirstByte, reqresp.ErrClosed)
		trace.Want(t, err.Error()) // the trace was told the same

		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if err := server.Stop(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		req := next[textMsg](t, server).Request
		if req.Channel.IsOpen() {
			t.Error("channel is open after Stop")
		}
		for range server.Events() { // its last event had room, or was lost
		}
	})
}

// A second Stop that will not wait ends the first one's patience.
func TestSecondStopBreaksOff(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		first := make(chan error, 2)
		go func() { first <- client.Stop(t.Context()) }()
		go func() { first <- server.Stop(t.Context()) }()
		time.Sleep(time.Second)
		now, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		_, _ = client.Stop(now), server.Stop(now)
		if err := errors.Join(<-first, <-first); err != nil {
			t.Errorf("the first Stop, whose context goes on, got %v", err)
		}
		if time.Since(start) != 0 {
			t.Errorf("took %v", time.Since(start))
		}
		wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonShutdown)
		wantInboundFailure(t, server, s.Client.ID(), req.ID, reqresp.ReasonShutdown)
	})
}
