package throttled_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled"
)

// simulate runs f with two hosts on a simulated network, in a bubble of virtual
// time. The hosts know of each other, but are not connected.
func simulate(t *testing.T, f func(t *testing.T, a, b host.Host)) {
	t.Helper()
	simtest.Pair(t, simtest.Options{}, f)
}

// connect has a host dial another and lets them identify each other.
func connect(t testing.TB, from, to host.Host) {
	t.Helper()
	if err := from.Connect(t.Context(), peer.AddrInfo{ID: to.ID()}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
}

// disconnect ends all connections of two hosts and lets both notice.
func disconnect(t testing.TB, from, to host.Host) {
	t.Helper()
	if err := from.Network().ClosePeer(to.ID()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
}

// start starts a node that is stopped with the test.
func start(t testing.TB, h reqresp.Host, opts *requestresponse.Options) *node {
	t.Helper()
	n := throttled.New(h, opts, ping)
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(n) })
	return n
}

// stop waits a second for what is under way.
func stop(n *node) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = n.Stop(ctx)
}

// next returns a node's next event, which has to come soon and to be an E.
func next[E throttled.Event](t testing.TB, n *node) E {
	t.Helper()
	select {
	case event := <-n.Events():
		e, ok := event.(E)
		if !ok {
			t.Fatalf("got event %T %+v, want a %T", event, event, e)
		}
		return e
	case <-time.After(2 * time.Minute):
		var e E
		t.Fatalf("no event came, want a %T", e)
		panic("unreachable")
	}
}

// request returns a node's next event, which has to be a request.
func request(t testing.TB, n *node) *throttled.RequestMessage[Text, Text] {
	t.Helper()
	m := next[message](t, n)
	if m.Request == nil {
		t.Fatalf("got response %+v, want a request", m.Response)
	}
	return m.Request
}

// quiet checks that a node has no event for a while.
func quiet(t testing.TB, n *node, d time.Duration) {
	t.Helper()
	select {
	case event := <-n.Events():
		t.Fatalf("got event %T %+v, want none", event, event)
	case <-time.After(d):
	}
}

// answer answers a node's next event, a request, with "pong", and sees it sent.
func answer(t testing.TB, n *node) {
	t.Helper()
	respond(t, n, request(t, n))
	next[throttled.ResponseSent](t, n)
}

func respond(t testing.TB, n *node, req *throttled.RequestMessage[Text, Text]) {
	t.Helper()
	if _, err := n.SendResponse(req.Channel, "pong"); err != nil {
		t.Fatal(err)
	}
}

// send sends a request that has to find credit.
func send(t testing.TB, n *node, to peer.ID) requestresponse.OutboundRequestID {
	t.Helper()
	id, err := n.SendRequest(t.Context(), to, "ping")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// wantNoCredit checks that there is no credit for a request.
func wantNoCredit(t testing.TB, n *node, to peer.ID) {
	t.Helper()
	if n.CanSend(to) {
		t.Error("CanSend is true, want no credit")
	}
	if _, err := n.SendRequest(t.Context(), to, "ping"); !errors.Is(err, throttled.ErrNoCredit) {
		t.Fatalf("got %v, want ErrNoCredit", err)
	}
}

// wantFailedAndResumed checks that a request has failed, and that there is credit again.
func wantFailedAndResumed(t testing.TB, n *node, id requestresponse.OutboundRequestID, reason reqresp.Reason) {
	t.Helper()
	events := both(t, n)[0]
	if len(events) < 2 || count[throttled.OutboundFailure](events) != 1 ||
		count[throttled.ResumeSending](events) != len(events)-1 {
		t.Errorf("got %+v, want a failure and that sending may resume", events)
	}
	for _, e := range events {
		if f, ok := e.(throttled.OutboundFailure); ok && (f.ID != id || f.Reason != reason || !n.CanSend(f.Peer)) {
			t.Errorf("request %v failed with %v: %v, want request %v, %v, and credit", f.ID, f.Reason, f.Err, id, reason)
		}
	}
}

// pings sends requests until there is no credit left, and returns how many.
func pings(t testing.TB, n *node, to peer.ID) (sent int) {
	t.Helper()
	for n.CanSend(to) {
		send(t, n, to)
		sent++
	}
	wantNoCredit(t, n, to)
	return sent
}

// both collects what two nodes tell until neither does for a while, in the order of its
// coming for each. Requests are answered.
func both(t testing.TB, nodes ...*node) (all [][]throttled.Event) {
	t.Helper()
	all = make([][]throttled.Event, len(nodes))
	for idle := false; !idle; {
		idle = true
		time.Sleep(time.Second)
		for i, n := range nodes {
			for len(n.Events()) > 0 {
				idle = false
				event := <-n.Events()
				all[i] = append(all[i], event)
				if m, ok := event.(message); ok && m.Request != nil {
					respond(t, n, m.Request)
				}
			}
		}
	}
	return all
}

// count returns how many events are an E.
func count[E throttled.Event](events []throttled.Event) (n int) {
	for _, event := range events {
		if _, ok := event.(E); ok {
			n++
		}
	}
	return n
}

// responses returns how many events are responses to requests of ours.
func responses(events []throttled.Event) (n int) {
	return len(slices.DeleteFunc(slices.Clone(events), func(e throttled.Event) bool {
		m, ok := e.(message)
		return !ok || m.Response == nil
	}))
}

func remoteReset(code network.StreamErrorCode) error {
	return &network.StreamError{ErrorCode: code, Remote: true}
}
