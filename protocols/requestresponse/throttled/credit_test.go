package throttled_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled"
)

func TestScenario34DuplicateCreditIsAckedNotAdded(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		serveRaw(t, b, acked)
		connect(t, b, a)
		grant := func(id uint64, credit uint16) {
			t.Helper()
			if got, err := exchange(t, b, a, rawCredit(id, credit)); err != nil || len(got) < 7 ||
				!bytes.HasPrefix(got[1:], bytesOf(t, "a2 00 82 03 80 02")) {
				t.Fatalf("grant %d was answered by % x, %v", id, got, err)
			}
		}
		grant(1<<40, 2)
		grant(1<<40, 2) // the same again
		grant(7, 2)     // one that was late
		if got := pings(t, n, b.ID()); got != 3 {
			t.Errorf("credit for %d requests, want 3", got)
		}
		grant(1<<40+1, 0) // of nothing
		wantNoCredit(t, n, b.ID())
		grant(1<<40+2, 1)
		if got := pings(t, n, b.ID()); got != 1 {
			t.Errorf("credit for %d requests, want 1", got)
		}
		events := both(t, n)[0]
		if responses(events) != 4 || count[throttled.ResumeSending](events) != 1 || len(events) != 5 {
			t.Errorf("got %+v", events)
		}
	})
}

func TestScenario35CreditIsSentAgainAfterFailure(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		n.SetReceiveLimit(5)
		peer := serveRaw(t, b, refuse(func(n int) bool { return n < 9 }))
		connect(t, b, a)
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n)
		quiet(t, n, 10*time.Minute)

		grants := peer.seen()
		if len(grants) != 10 {
			t.Fatalf("got %d grants, want 10: 9 that failed, and no more after one that did not", len(grants))
		}
		wait := 500 * time.Millisecond
		for i, g := range grants[1:] {
			if g.id != grants[0].id || g.credit != 5 {
				t.Errorf("grant %d, of %d, was sent again as %d, of %d", grants[0].id, 5, g.id, g.credit)
			}
			if d := g.at.Sub(grants[i].at); d < wait || d > wait+100*time.Millisecond {
				t.Errorf("grant was sent again after %v, want %v", d, wait)
			}
			wait = min(2*wait, 30*time.Second)
		}
	})
}

func TestScenario35AcknowledgementOfAnotherGrant(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		peer := serveRaw(t, b, func(n int, id uint64) []byte { return rawAck(id + uint64(max(0, 1-n))) })
		connect(t, b, a)
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n)
		quiet(t, n, 10*time.Minute)
		if grants := peer.seen(); len(grants) != 2 || grants[1].id != grants[0].id {
			t.Errorf("got grants %v, want the first again after an acknowledgement of the next, and that is all", grants)
		}
	})
}

// A countingHost counts the streams that are opened.
type countingHost struct {
	host.Host
	opened chan struct{}
}

func (h countingHost) NewStream(ctx context.Context, to peer.ID, ids ...protocol.ID) (network.Stream, error) {
	h.opened <- struct{}{}
	return h.Host.NewStream(ctx, to, ids...)
}

func TestScenario35CreditIsNotSentAgainWhereUnsupported(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		h := countingHost{a, make(chan struct{}, 100)}
		n := start(t, h, nil)
		connect(t, b, a)
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n)
		quiet(t, n, 10*time.Minute)
		if got := len(h.opened); got != 1 {
			t.Errorf("%d streams were opened, want one for a grant that cannot be delivered", got)
		}
	})
}

// TestScenario35RequestStandsForAck has a peer use credit that it never acknowledges.
func TestScenario35RequestStandsForAck(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		n.SetReceiveLimit(2)
		peer := serveRaw(t, b, refused)
		connect(t, b, a)
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n)
		time.Sleep(time.Minute)
		before := len(peer.seen())
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n)
		quiet(t, n, 10*time.Minute)
		if got := len(peer.seen()); before < 2 || got != before {
			t.Errorf("%d grants were sent before the request, %d after it", before, got-before)
		}
	})
}

func TestScenario36ReconnectGrantsAgain(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		n.SetReceiveLimit(5)
		peer := serveRaw(t, b, acked)
		connect(t, b, a)
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n)
		time.Sleep(time.Second)
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n)
		time.Sleep(time.Second)

		disconnect(t, a, b)
		connect(t, a, b)
		grants := peer.seen()
		if len(grants) != 2 || grants[0].credit != 5 || grants[1].credit != 3 || grants[1].id <= grants[0].id {
			t.Fatalf("got grants %v, want 5, and 3 more than the one that both sides assume", grants)
		}
		for range 4 {
			open(t, b, a, bytesOf(t, rawPing))
			request(t, n)
		}
		open(t, b, a, bytesOf(t, rawPing))
		next[throttled.TooManyInboundRequests](t, n)
	})
}

func TestScenario36NothingIsGrantedWhereOneRemains(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		peer := serveRaw(t, b, acked)
		for range 3 {
			connect(t, b, a)
			disconnect(t, b, a)
		}
		if grants := peer.seen(); len(grants) != 0 {
			t.Errorf("got grants %v, want none", grants)
		}
		connect(t, b, a)
		open(t, b, a, bytesOf(t, rawPing))
		req := request(t, n)
		disconnect(t, b, a)
		if e := next[throttled.InboundFailure](t, n); e.ID != req.ID || e.Reason != reqresp.ReasonDisconnected {
			t.Errorf("got %+v", e)
		}
		connect(t, b, a)
		quiet(t, n, time.Minute)
		if grants := peer.seen(); len(grants) != 0 {
			t.Errorf("got grants %v, want none", grants)
		}
	})
}

// TestScenario36FirstRequestProvesNothing has a peer lose the grant of a reconnection, and
// send the one request for which it needs none.
func TestScenario36FirstRequestProvesNothing(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		n.SetReceiveLimit(2)
		peer := serveRaw(t, b, refuse(func(n int) bool { return n == 1 || n == 2 }))
		connect(t, b, a)
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n)
		time.Sleep(time.Second)
		disconnect(t, a, b)
		if err := b.Connect(t.Context(), a.Peerstore().PeerInfo(a.ID())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		open(t, b, a, bytesOf(t, rawPing))
		answer(t, n)
		time.Sleep(time.Minute)
		grants := peer.seen()
		if len(grants) != 4 || grants[1].credit != 1 || grants[3].id != grants[1].id {
			t.Errorf("got grants %v, want the second sent until it was acknowledged", grants)
		}
	})
}

func TestScenario37SendingOfflineConsumesTheBudget(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker, answerer := start(t, a, nil), start(t, b, nil)
		if got := pings(t, asker, b.ID()); got != 1 {
			t.Errorf("credit for %d requests, want 1", got)
		}
		events := both(t, asker, answerer)
		if responses(events[0]) != 1 || count[throttled.ResumeSending](events[0]) != 1 || len(events[0]) != 2 {
			t.Errorf("got %+v", events[0])
		}
	})
}

// TestScenario37UnsentRequestsConsumeNothing covers requests that fail before anything of
// them was sent.
func TestScenario37UnsentRequestsConsumeNothing(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker, answerer := start(t, a, nil), start(t, b, nil)
		a.Peerstore().ClearAddrs(b.ID())
		id := send(t, asker, b.ID())
		wantFailedAndResumed(t, asker, id, reqresp.ReasonDial)
		connect(t, b, a)
		id, err := asker.SendRequest(t.Context(), b.ID(), unsendable)
		if err != nil {
			t.Fatal(err)
		}
		wantFailedAndResumed(t, asker, id, reqresp.ReasonIO)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if id, err = asker.SendRequest(ctx, b.ID(), "ping"); err != nil {
			t.Fatal(err)
		}
		wantFailedAndResumed(t, asker, id, reqresp.ReasonCancelled)
		for range 3 {
			send(t, asker, b.ID())
			answer(t, answerer)
			both(t, asker)
		}
	})
}

// TestScenario38PeerThatRestarted has a peer count its grants from zero again, as one on
// rust-libp2p does.
func TestScenario38PeerThatRestarted(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		serveRaw(t, b, acked)
		for range 3 {
			connect(t, b, a)
			for id := range uint64(3) {
				if got := pings(t, n, b.ID()); got != 1 {
					t.Errorf("before grant %d there is credit for %d requests, want 1", id, got)
				}
				next[message](t, n)
				if _, err := exchange(t, b, a, rawCredit(id, 1)); err != nil {
					t.Fatal(err)
				}
				next[throttled.ResumeSending](t, n)
			}
			disconnect(t, b, a)
		}
	})
}

// TestScenario38RestartOfOurs checks what peers on rust-libp2p depend on, which forget nothing.
func TestScenario38RestartOfOurs(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		peer := serveRaw(t, b, acked)
		var last uint64
		for range 3 {
			n := start(t, a, nil)
			connect(t, b, a)
			for range 3 {
				open(t, b, a, bytesOf(t, rawPing))
				answer(t, n)
				time.Sleep(time.Second)
			}
			stop(n)
			disconnect(t, b, a)
		}
		if grants := peer.seen(); len(grants) != 9 {
			t.Errorf("got grants %v, want 9", grants)
		}
		for _, g := range peer.seen() {
			if g.id <= last {
				t.Errorf("grant %d follows grant %d", g.id, last)
			}
			last = g.id
		}
	})
}

func TestScenario38RestartDoesNotStall(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker := start(t, a, nil)
		for range 3 {
			answerer := start(t, b, nil)
			answerer.SetReceiveLimit(2)
			for range 20 {
				if pings(t, asker, b.ID()) == 0 {
					t.Fatal("no credit")
				}
				for _, e := range both(t, asker, answerer)[0] {
					if m, ok := e.(message); (!ok || m.Response == nil) && count[throttled.ResumeSending]([]throttled.Event{e}) == 0 {
						t.Errorf("got %+v", e)
					}
				}
			}
			stop(answerer)
			disconnect(t, a, b)
			both(t, asker)
		}
	})
}

func TestScenario39DroppedRequestsDoNotStall(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker, answerer := start(t, a, nil), start(t, b, nil)
		for range 5 {
			id := send(t, asker, b.ID())
			wantNoCredit(t, asker, b.ID())
			req := request(t, answerer)
			req.Channel.Close()
			if e := next[throttled.InboundFailure](t, answerer); e.ID != req.ID || e.Reason != reqresp.ReasonOmission {
				t.Errorf("got %+v", e)
			}
			wantFailedAndResumed(t, asker, id, reqresp.ReasonViolation)
		}
	})
}

func TestScenario39UnansweredRequestsDoNotStall(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		asker, answerer := start(t, a, nil), start(t, b, nil)
		for range 2 {
			id := send(t, asker, b.ID())
			req := request(t, answerer)
			if e := next[throttled.InboundFailure](t, answerer); e.ID != req.ID || e.Reason != reqresp.ReasonTimeout {
				t.Errorf("got %+v", e)
			}
			wantFailedAndResumed(t, asker, id, reqresp.ReasonTimeout)
		}
	})
}

// TestRequestIsPaidBackOnceAndWithItsResponse has a response take long, so that its credit is
// used while it is being sent.
func TestRequestIsPaidBackOnceAndWithItsResponse(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		peer := serveRaw(t, b, acked)
		connect(t, b, a)
		first := open(t, b, a, bytesOf(t, rawPing))
		req := request(t, n)
		if _, err := n.SendResponse(req.Channel, Text(strings.Repeat("x", 8<<20))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if grants := peer.seen(); len(grants) != 1 {
			t.Fatalf("got grants %v while the response is being sent, want one", grants)
		}
		open(t, b, a, bytesOf(t, rawPing))
		request(t, n)
		_ = first.Reset()
		if e := next[throttled.InboundFailure](t, n); e.ID != req.ID {
			t.Errorf("got %+v", e)
		}
		quiet(t, n, 10*time.Second)
		if grants := peer.seen(); len(grants) != 1 {
			t.Errorf("got grants %v, want one for the one request that was answered", grants)
		}
	})
}

func TestScenario40CreditOverflowSaturates(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		serveRaw(t, b, acked)
		connect(t, b, a)
		for id := range uint64(3) {
			if _, err := exchange(t, b, a, rawCredit(id, 65535)); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				send(t, n, b.ID())
				next[message](t, n)
			}
		}
	})
}

func TestScenario41PlainPeersAreUnsupported(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		plain := requestresponse.New(b, nil, requestresponse.Unary(ping, requestresponse.SupportFull))
		if err := plain.Start(); err != nil {
			t.Fatal(err)
		}
		defer plain.Stop(t.Context())

		wantFailedAndResumed(t, n, send(t, n, b.ID()), reqresp.ReasonUnsupported)
		if _, err := plain.SendRequest(t.Context(), a.ID(), "ping"); err != nil {
			t.Fatal(err)
		}
		if f, ok := (<-plain.Events()).(requestresponse.OutboundFailure); !ok || f.Reason != reqresp.ReasonUnsupported {
			t.Errorf("got %+v", f)
		}
		quiet(t, n, time.Minute)
	})
}

// TestRequestsThatNeverArrivedDoNotStall covers streams of which the answering side reads
// no request.
func TestRequestsThatNeverArrivedDoNotStall(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, stream network.Stream){
		"reset": func(t *testing.T, stream network.Stream) {
			write(t, stream, "05")
			time.Sleep(time.Second)
			_ = stream.Reset()
		},
		"malformed": func(t *testing.T, stream network.Stream) { write(t, stream, "03 a1 00 00"); _ = stream.CloseWrite() },
		"cut off": func(t *testing.T, stream network.Stream) {
			write(t, stream, "05 a1 00 82 00 80 04")
			_ = stream.CloseWrite()
		},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, a, b host.Host) {
				n := start(t, a, nil)
				peer := serveRaw(t, b, acked)
				connect(t, b, a)
				for i := range 4 {
					stream, err := b.NewStream(t.Context(), a.ID(), wireID)
					if err != nil {
						t.Fatal(err)
					}
					lose(t, stream)
					time.Sleep(time.Second)
					if got := len(peer.seen()); got != i+1 {
						t.Fatalf("got %d grants for %d requests that were lost", got, i+1)
					}
				}
				// The last may have been no request, and then there is credit for one more.
				open(t, b, a, bytesOf(t, rawPing))
				first := request(t, n)
				open(t, b, a, bytesOf(t, rawPing))
				request(t, n)
				open(t, b, a, bytesOf(t, rawPing))
				next[throttled.TooManyInboundRequests](t, n)
				// By now it is clear that it was none.
				respond(t, n, first)
				next[throttled.ResponseSent](t, n)
				open(t, b, a, bytesOf(t, rawPing))
				request(t, n)
				open(t, b, a, bytesOf(t, rawPing))
				next[throttled.TooManyInboundRequests](t, n)
			})
		})
	}
}

func write(t *testing.T, stream network.Stream, text string) {
	if _, err := stream.Write(bytesOf(t, text)); err != nil {
		t.Error(err)
	}
}

// connectTwice has two hosts dial each other at the same time, and returns the connections
// that one has then.
func connectTwice(t *testing.T, a, b host.Host) []network.Conn {
	t.Helper()
	var dials sync.WaitGroup
	for _, hosts := range [][2]host.Host{{a, b}, {b, a}} {
		dials.Go(func() {
			if err := hosts[0].Connect(t.Context(), peer.AddrInfo{ID: hosts[1].ID()}); err != nil {
				t.Error(err)
			}
		})
	}
	dials.Wait()
	time.Sleep(time.Second)
	conns := a.Network().ConnsToPeer(b.ID())
	if len(conns) != 2 {
		t.Fatalf("there are %d connections, want 2", len(conns))
	}
	return conns
}

// TestRequestsMayBeLostWithOneOfTwoConnections has the answering side make up for requests of
// which it knows nothing.
func TestRequestsMayBeLostWithOneOfTwoConnections(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		answerer := start(t, b, nil)
		peer := serveRaw(t, a, acked)
		conns := connectTwice(t, a, b)
		if err := conns[0].Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if grants := peer.seen(); len(grants) != 1 || grants[0].credit != 1 {
			t.Errorf("got grants %v, want one of one", grants)
		}
		// Nothing was lost, in truth: both the first credit and the second are good.
		for range 2 {
			open(t, a, b, bytesOf(t, rawPing))
			request(t, answerer)
		}
		open(t, a, b, bytesOf(t, rawPing))
		next[throttled.TooManyInboundRequests](t, answerer)
	})
}

// TestCreditOutlivesOneOfTwoConnections has a side without credit lose a connection which may
// have been the other side's last but for one that begins anew.
func TestCreditOutlivesOneOfTwoConnections(t *testing.T) {
	simulate(t, func(t *testing.T, a, b host.Host) {
		n := start(t, a, nil)
		serveRaw(t, b, acked)
		conns := connectTwice(t, a, b)
		pings(t, n, b.ID())
		next[message](t, n)
		if err := conns[0].Close(); err != nil {
			t.Fatal(err)
		}
		next[throttled.ResumeSending](t, n)
		if got := pings(t, n, b.ID()); got != 1 {
			t.Errorf("credit for %d requests, want 1", got)
		}
		next[message](t, n)
		if err := conns[1].Close(); err != nil {
			t.Fatal(err)
		}
		next[throttled.ResumeSending](t, n)
		quiet(t, n, time.Minute)
	})
}
