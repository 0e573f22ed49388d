package throttled_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled"
)

// within returns a context that ends after d.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestStopWaitsForWhatIsUnderWay(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker, answerer := start(t, a, nil), start(t, b, nil)
		id := send(t, asker, b.ID())
		req := request(t, answerer)
		stopped := make(chan error, 2)
		for _, n := range []*node{asker, answerer} {
			go func() { stopped <- n.Stop(within(t, time.Minute)) }()
		}
		time.Sleep(time.Second)
		respond(t, answerer, req)
		next[throttled.ResponseSent](t, answerer)
		if m := next[message](t, asker); m.Response == nil || m.Response.ID != id {
			t.Errorf("got %+v", m)
		}
		for range 2 {
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		}
		for _, n := range []*node{asker, answerer} {
			if e, ok := <-n.Events(); ok {
				t.Errorf("got event %+v after Stop", e)
			}
			if err := n.Start(); !errors.Is(err, reqresp.ErrClosed) {
				t.Errorf("Start after Stop: %v", err)
			}
		}
		if _, err := asker.SendRequest(t.Context(), b.ID(), "ping"); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("SendRequest after Stop: %v", err)
		}
	})
}

func TestStopBreaksOffWhatDoesNotEnd(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		b.SetStreamHandler(wireID, func(stream network.Stream) { _, _ = io.Copy(io.Discard, stream) }) // and no answer
		connect(t, b, a)
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n) // and is granted credit
		open(t, b, a, bytesOf(t, rawPing))
		request(t, n)
		id := send(t, n, b.ID())
		begin := time.Now()
		if err := n.Stop(within(t, 3*time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begin); d < 3*time.Second || d > 4*time.Second {
			t.Errorf("took %v, want 3 s", d)
		}
		for e := range n.Events() {
			switch e := e.(type) {
			case throttled.InboundFailure:
			case throttled.OutboundFailure:
				if e.ID != id || e.Reason != reqresp.ReasonShutdown {
					t.Errorf("got %+v", e)
				}
			default:
				t.Errorf("got %T %+v", e, e)
			}
		}
	})
}

// Who has less patience than the first to call Stop need not wait for it.
func TestSecondStopBreaksOffForBoth(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		b.SetStreamHandler(wireID, func(stream network.Stream) { _, _ = io.Copy(io.Discard, stream) }) // and no answer
		connect(t, b, a)
		send(t, n, b.ID())
		begin := time.Now()
		stopped := make(chan error)
		go func() { stopped <- n.Stop(context.Background()) }()
		time.Sleep(time.Second)
		if err := n.Stop(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("second Stop: %v", err)
		}
		<-stopped
		if d := time.Since(begin); d < 2*time.Second || d > 3*time.Second {
			t.Errorf("took %v, want 2 s", d)
		}
	})
}

func TestStopSendsNoGrantAgain(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		peer := serveRaw(t, b, refused)
		connect(t, b, a)
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n)
		time.Sleep(20 * time.Second)
		before, begin := len(peer.seen()), time.Now()
		if err := n.Stop(within(t, time.Minute)); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d > time.Second || len(peer.seen()) != before {
			t.Errorf("took %v, and %d more grants", d, len(peer.seen())-before)
		}
	})
}

func TestStopWithoutStart(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := throttled.New(a, nil, ping)
		if _, err := n.SendRequest(t.Context(), b.ID(), "ping"); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("SendRequest before Start: %v", err)
		}
		if !n.CanSend(b.ID()) {
			t.Error("a request that was not taken has used up credit")
		}
		for range 2 {
			if err := n.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if _, ok := <-n.Events(); ok {
			t.Error("got an event")
		}
	})
}

func TestStartCountsConnectionsThatThereAre(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		connect(t, a, b)
		asker, answerer := start(t, a, nil), start(t, b, nil)
		if err := asker.Start(); err != nil {
			t.Errorf("second Start: %v", err)
		}
		id := send(t, asker, b.ID())
		request(t, answerer)
		wantNoCredit(t, asker, b.ID())
		disconnect(t, a, b)
		wantFailedAndResumed(t, asker, id, reqresp.ReasonDisconnected)
	})
}

// TestCreditIsTakenWhileNobodyReceivesEvents has a queue with room for the events that there
// are.
func TestCreditIsTakenWhileNobodyReceivesEvents(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker, answerer := start(t, a, nil), start(t, b, nil)
		for range 5 {
			send(t, asker, b.ID())
			answer(t, answerer)
			time.Sleep(time.Second)
			if !asker.CanSend(b.ID()) {
				t.Fatal("no credit")
			}
		}
		if got := len(asker.Events()); got < 6 {
			t.Errorf("got %d events", got)
		}
	})
}

// TestFullQueueHoldsPeersBack has a queue of one, and requests that nobody receives.
func TestFullQueueHoldsPeersBack(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker := start(t, a, nil)
		answerer := start(t, b, &requestresponse.Options{MaxEvents: 1})
		answerer.SetReceiveLimit(10)
		pings(t, asker, b.ID())
		both(t, asker, answerer)
		sent := pings(t, asker, b.ID())
		time.Sleep(time.Second)
		if got := len(answerer.Events()); got != 1 {
			t.Errorf("%d events are queued, want 1", got)
		}
		if got := responses(both(t, asker, answerer)[0]); sent != 10 || got != sent {
			t.Errorf("got %d responses to %d requests, want 10", got, sent)
		}
	})
}

func TestPanicsTellTheMistake(t *testing.T) {
	simulate(t, func(t *testing.T, a, _ host.Host) {
		for name, misuse := range map[string]func(){
			"no protocol":        func() { throttled.New[Text, Text](a, nil) },
			"negative MaxEvents": func() { throttled.New(a, &requestresponse.Options{MaxEvents: -1}, ping) },
			"protocol twice":     func() { throttled.New(a, nil, ping, ping) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				misuse()
			}()
		}
	})
}

func TestTracesOfTheCallerAreKept(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		var served, called int
		asker := start(t, a, &requestresponse.Options{Client: &reqresp.ClientOptions{
			Trace: &reqresp.Trace{Done: func(*reqresp.Exchange) { called++ }},
		}})
		answerer := start(t, b, &requestresponse.Options{Server: &reqresp.ServerOptions{
			Trace: &reqresp.Trace{Done: func(*reqresp.Exchange) { served++ }},
		}})
		pings(t, asker, b.ID())
		both(t, asker, answerer)
		if served != 1 || called != 1 {
			t.Errorf("%d exchanges were served and %d called, want 1 each", served, called)
		}
	})
}
