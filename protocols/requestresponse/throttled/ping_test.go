package throttled_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/cbor"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled"
)

// TestScenario17PingProtocolThrottled has one side send as much as it may, whatever the
// other's limits, which change all the time.
func TestScenario17PingProtocolThrottled(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			simulate(t, func(t *testing.T, a, b host.Host) {
				rng := rand.New(rand.NewPCG(seed, 17))
				asker, answerer := start(t, a, nil), start(t, b, nil)
				asker.SetReceiveLimit(1 + uint16(rng.UintN(9)))
				answerer.SetReceiveLimit(1 + uint16(rng.UintN(9)))
				total := 100 + rng.IntN(900)

				asked := make(chan error, 1)
				go func() { asked <- askUntil(t, asker, b.ID(), total) }()
				for i := 1; ; i++ {
					select {
					case event := <-answerer.Events():
						if err := answerPing(answerer, event); err != nil {
							t.Fatal(err)
						}
					case err := <-asked:
						if err != nil {
							t.Fatal(err)
						}
						return
					}
					if i%31 == 0 {
						answerer.OverrideReceiveLimit(a.ID(), 1+uint16(rng.UintN(16)))
					}
				}
			})
		})
	}
}

// askUntil sends requests, as many as there is credit for at any time, until so many are
// answered.
func askUntil(t *testing.T, n *node, to peer.ID, total int) error {
	var blocked bool
	for answered := 0; answered < total; {
		for !blocked {
			_, err := n.SendRequest(t.Context(), to, "ping")
			if blocked = errors.Is(err, throttled.ErrNoCredit); err != nil && !blocked {
				return err
			}
		}
		switch event := (<-n.Events()).(type) {
		case message:
			if event.Response == nil || event.Response.Response != "pong" || event.Peer != to {
				return fmt.Errorf("got %+v", event)
			}
			answered++
		case throttled.ResumeSending:
			blocked = false
		default:
			return fmt.Errorf("got %T %+v", event, event)
		}
	}
	return nil
}

// answerPing answers a request. Only that and its good end may come.
func answerPing(n *node, event throttled.Event) error {
	switch event := event.(type) {
	case message:
		if event.Request == nil || event.Request.Request != "ping" {
			return fmt.Errorf("got %+v", event)
		}
		_, err := n.SendResponse(event.Request.Channel, "pong")
		return err
	case throttled.ResponseSent:
		return nil
	}
	return fmt.Errorf("got %T %+v", event, event)
}

// TestScenario18LimitViolation has a peer send two requests where it may send one, and
// the first be answered late.
func TestScenario18LimitViolation(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		connect(t, b, a)
		serveRaw(t, b, acked)
		first := open(t, b, a, bytesOf(t, rawPing))
		req := request(t, n)

		second, err := exchange(t, b, a, bytesOf(t, rawPing))
		if err != nil || len(second) > 0 {
			t.Errorf("the second request got % x, %v, want the end of the stream", second, err)
		}
		if e := next[throttled.TooManyInboundRequests](t, n); e.Peer != b.ID() {
			t.Errorf("%v sent too many, want %v", e.Peer, b.ID())
		}
		quiet(t, n, 5*time.Second) // nothing of the request that was dropped

		respond(t, n, req)
		next[throttled.ResponseSent](t, n)
		if got, err := io.ReadAll(first); err != nil || !bytes.Equal(got, bytesOf(t, rawPong)) {
			t.Errorf("the first request got % x, %v", got, err)
		}
	})
}

// TestBothSidesAsk has each side answer and send as much as it may, at the same time.
func TestBothSidesAsk(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		alice, bob := start(t, a, nil), start(t, b, nil)
		alice.SetReceiveLimit(3)
		bob.SetReceiveLimit(7)
		connect(t, a, b)
		ends := make(chan error, 2)
		go func() { ends <- converse(t, alice, b.ID(), 300) }()
		go func() { ends <- converse(t, bob, a.ID(), 300) }()
		for range 2 {
			if err := <-ends; err != nil {
				t.Error(err)
			}
		}
	})
}

// converse asks and answers until it got so many responses and gave as many.
func converse(t *testing.T, n *node, with peer.ID, total int) error {
	var asked, answered, sent int
	for answered < total || sent < total {
		for asked < total && n.CanSend(with) {
			if _, err := n.SendRequest(t.Context(), with, "ping"); err != nil {
				return err
			}
			asked++
		}
		select {
		case event := <-n.Events():
			switch event := event.(type) {
			case throttled.ResumeSending:
			case throttled.ResponseSent:
				sent++
			case message:
				if event.Response != nil {
					answered++
				} else if err := answerPing(n, event); err != nil {
					return err
				}
			default:
				return fmt.Errorf("got %T %+v", event, event)
			}
		case <-time.After(time.Minute):
			return fmt.Errorf("stalled after %d requests, %d responses to them, %d responses of ours", asked, answered, sent)
		}
	}
	return nil
}

func TestLimitTakesEffectWithTheNextGrant(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker, answerer := start(t, a, nil), start(t, b, nil)
		answerer.SetReceiveLimit(4)
		round := func(name string, want int) {
			t.Helper()
			if got := pings(t, asker, b.ID()); got != want {
				t.Errorf("%s: credit for %d requests, want %d", name, got, want)
			}
			events := both(t, asker, answerer)
			if responses(events[0]) != want || count[throttled.ResumeSending](events[0]) != 1 || len(events[0]) != want+1 {
				t.Errorf("%s: got %+v", name, events[0])
			}
			if len(events[1]) != 2*want {
				t.Errorf("%s: the other side got %+v", name, events[1])
			}
		}
		round("at first", 1)
		round("limit of peers", 4)
		answerer.SetReceiveLimit(9) // of peers that are not known yet
		round("another limit of peers", 4)
		answerer.OverrideReceiveLimit(a.ID(), 2)
		round("override to come", 4)
		round("override", 2)
		answerer.OverrideReceiveLimit(a.ID(), 0)
		round("override of zero to come", 2)
		round("override of zero", 1)
		answerer.RemoveOverride(a.ID())
		round("no override to come", 1)
		round("no override", 4)
	})
}

// TestCodecsThatEndWithTheStream has requests and responses that nothing but the end of their
// stream ends.
func TestCodecsThatEndWithTheStream(t *testing.T) {
	type pong struct {
		Payload []int
		Note    string
	}
	for name, codec := range map[string]reqresp.Codec{"json": json.Codec{}, "cbor": cbor.Codec{}} {
		t.Run(name, func(t *testing.T) {
			ping := reqresp.NewUnary[string, pong](reqresp.Family{Prefix: "/test", Codec: codec}, "ping", 1)
			simulate(t, func(t *testing.T, a, b host.Host) {
				asker, answerer := throttled.New(a, nil, ping), throttled.New(b, nil, ping)
				for _, n := range []*throttled.Throttled[string, pong]{asker, answerer} {
					if err := n.Start(); err != nil {
						t.Fatal(err)
					}
					defer n.Stop(t.Context())
				}
				if _, err := asker.SendRequest(t.Context(), b.ID(), "ping"); err != nil {
					t.Fatal(err)
				}
				m := (<-answerer.Events()).(throttled.Message[string, pong])
				want := pong{[]int{1, 2, 3}, m.Request.Request}
				if _, err := answerer.SendResponse(m.Request.Channel, want); err != nil {
					t.Fatal(err)
				}
				for e := range asker.Events() {
					m, ok := e.(throttled.Message[string, pong])
					if !ok {
						continue // credit was faster
					}
					if got := m.Response.Response; got.Note != "ping" || !slices.Equal(got.Payload, want.Payload) {
						t.Errorf("got %+v, want %+v", got, want)
					}
					return
				}
			})
		})
	}
}

func TestOverrideOfUnknownPeer(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker, answerer := start(t, a, nil), start(t, b, nil)
		answerer.OverrideReceiveLimit(a.ID(), 3)
		pings(t, asker, b.ID())
		both(t, asker, answerer)
		if got := pings(t, asker, b.ID()); got != 3 {
			t.Errorf("credit for %d requests, want 3", got)
		}
	})
}

// TestQueriesAndVerdicts covers what a throttled face only passes on.
func TestQueriesAndVerdicts(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker, answerer := start(t, a, nil), start(t, b, nil)
		if asker.IsConnected(b.ID()) || !asker.CanSend(b.ID()) {
			t.Error("a peer that was never seen is connected, or cannot be asked")
		}
		id := send(t, asker, b.ID())
		if !asker.IsPendingOutbound(b.ID(), id) {
			t.Error("a request that was sent is not pending")
		}
		req := request(t, answerer)
		if !answerer.IsPendingInbound(a.ID(), req.ID) || !req.Channel.IsOpen() || !answerer.IsConnected(a.ID()) {
			t.Error("a request that was received is not pending, its channel not open or its peer not connected")
		}
		if err := answerer.SendError(req.Channel, reqresp.Errorf(reqresp.CodeResourceUnavailable, "no")); err != nil {
			t.Fatal(err)
		}
		next[throttled.ResponseSent](t, answerer)
		if unsent, err := answerer.SendResponse(req.Channel, "late"); unsent != "late" || !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("a second response got %q, %v", unsent, err)
		}
		var resumed bool
		for range 2 {
			switch e := (<-asker.Events()).(type) {
			case throttled.ResumeSending:
				resumed = true
			case throttled.OutboundFailure:
				if v, ok := errors.AsType[*reqresp.Error](e.Err); e.ID != id || !ok || v.Code != reqresp.CodeResourceUnavailable {
					t.Errorf("got %+v, want a verdict", e)
				}
			default:
				t.Errorf("got %T %+v", e, e)
			}
		}
		if !resumed || asker.IsPendingOutbound(b.ID(), id) || answerer.IsPendingInbound(a.ID(), req.ID) {
			t.Error("the request is pending after its end, or its credit was not given back")
		}
	})
}
