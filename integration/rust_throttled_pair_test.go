//go:build peers

package integration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled"
)

var pingProtocol = reqresp.NewUnary[frame, frame](reqresp.Family{Codec: frames{}}, "ping", 1).
	WithProtocols("/reqresp-test/ping/1")

// A throttledPair is a Rust peer with throttling and one of ours, which can dial each other.
type throttledPair struct {
	rust *rustpeer.Peer
	id   peer.ID // of the Rust peer
	host host.Host
	addr string // of the host, /p2p/ part included
	ours *throttled.Throttled[frame, frame]
}

func newThrottledPair(t *testing.T, opts rustpeer.Options) *throttledPair {
	t.Helper()
	const listen = "/ip4/127.0.0.1/tcp/0"
	p := &throttledPair{host: newHost(t, listen)}
	ours := peer.AddrInfo{ID: p.host.ID(), Addrs: p.host.Addrs()}
	addrs, err := peer.AddrInfoToP2pAddrs(&ours)
	if err != nil {
		t.Fatal(err)
	}
	p.addr = addrs[0].String()
	p.startRust(t, opts)
	p.start(t)
	return p
}

// startRust starts the Rust peer, or another in its place.
func (p *throttledPair) startRust(t *testing.T, opts rustpeer.Options) {
	t.Helper()
	p.rust = rusttest.Start(t, rustpeer.Throttled, opts)
	info, err := peer.AddrInfoFromString(rusttest.Listen(t, p.rust, "/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		t.Fatal(err)
	}
	p.id = info.ID
	p.host.Peerstore().ClearAddrs(p.id)
	p.host.Peerstore().AddAddrs(p.id, info.Addrs, time.Hour)
}

// start starts our peer, or another in its place.
func (p *throttledPair) start(t *testing.T) {
	t.Helper()
	ours := throttled.New(p.host, nil, pingProtocol)
	if err := ours.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopThrottled(ours) })
	p.ours = ours
}

func stopThrottled(th *throttled.Throttled[frame, frame]) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = th.Stop(ctx)
}

// disconnect closes all connections, which both sides notice.
func (p *throttledPair) disconnect(t *testing.T) {
	t.Helper()
	if err := p.host.Network().ClosePeer(p.id); err != nil {
		t.Fatal(err)
	}
	for {
		event, err := p.rust.Next(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if event.Kind == rustpeer.KindDisconnected {
			return
		}
	}
}

// sendOurs sends requests until there is no credit left, and returns how many.
func (p *throttledPair) sendOurs(t *testing.T) (sent int) {
	t.Helper()
	for {
		_, err := p.ours.SendRequest(deadline(t), p.id, frame("ping"))
		if errors.Is(err, throttled.ErrNoCredit) {
			return sent
		}
		if err != nil {
			t.Fatal(err)
		}
		sent++
	}
}

// sendRust has the Rust peer do the same.
func (p *throttledPair) sendRust(t *testing.T) (sent int) {
	t.Helper()
	for {
		_, err := p.rust.Send(deadline(t), rustpeer.Request{
			Protocol: "ping", Peer: p.host.ID().String(), Addrs: []string{p.addr},
			Message: map[string]string{"text": "ping"},
		})
		if errors.Is(err, rustpeer.ErrNoCredit) {
			return sent
		}
		if err != nil {
			t.Fatal(err)
		}
		sent++
	}
}

// next returns our next event.
func (p *throttledPair) next(t *testing.T) throttled.Event {
	t.Helper()
	select {
	case event := <-p.ours.Events():
		return event
	case <-deadline(t).Done():
		t.Fatal("no event of ours")
		panic("unreachable")
	}
}

// askRust sends as many requests as there is credit for, sees them answered and new credit come, and returns how many
// they were.
func (p *throttledPair) askRust(t *testing.T) int {
	t.Helper()
	sent := p.sendOurs(t)
	for missing := sent + 1; missing > 0; missing-- {
		switch event := p.next(t).(type) {
		case throttled.ResumeSending:
		case throttled.Message[frame, frame]:
			if event.Response == nil || string(event.Response.Response) != "ping" {
				t.Fatalf("got %+v, want a response", event)
			}
		default:
			t.Fatalf("got %T %+v", event, event)
		}
	}
	for range sent {
		rusttest.SameJSON(t, p.rustNext(t, rustpeer.KindRequest).Message, `{"text":"ping"}`)
	}
	return sent
}

// rustEvent returns the Rust peer's next event that is about a request or credit. A peer of that age reports
// every stream of ours for a protocol it does not have, such as identify's, as a request that failed.
func (p *throttledPair) rustEvent(t *testing.T) rustpeer.Event {
	t.Helper()
	for {
		event, err := p.rust.Next(deadline(t))
		switch {
		case err != nil:
			t.Fatal(err)
		case event.Kind == rustpeer.KindInboundFailure && event.Failure == "UnsupportedProtocols":
		case event.Kind != rustpeer.KindConnected && event.Kind != rustpeer.KindDisconnected:
			return event
		}
	}
}

// rustNext returns the Rust peer's next event of a kind. Before it, only responses may have been sent.
func (p *throttledPair) rustNext(t *testing.T, kind rustpeer.Kind) rustpeer.Event {
	t.Helper()
	for {
		event := p.rustEvent(t)
		if event.Kind == kind {
			return event
		}
		if event.Kind != rustpeer.KindResponseSent {
			t.Fatalf("Rust's event %v, want %s", event, kind)
		}
	}
}

// answerRust does the same as askRust in the other direction.
func (p *throttledPair) answerRust(t *testing.T) int {
	t.Helper()
	sent := p.sendRust(t)
	for answered := 0; answered < 2*sent; answered++ {
		switch event := p.next(t).(type) {
		case throttled.ResponseSent:
		case throttled.Message[frame, frame]:
			if event.Request == nil || string(event.Request.Request) != "ping" {
				t.Fatalf("got %+v, want a request", event)
			}
			if _, err := p.ours.SendResponse(event.Request.Channel, frame("pong")); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("got %T %+v", event, event)
		}
	}
	for resumed, answers := 0, 0; resumed < 1 || answers < sent; {
		switch event := p.rustEvent(t); event.Kind {
		case rustpeer.KindResponseSent:
		case rustpeer.KindResumeSending:
			resumed++
		case rustpeer.KindResponse:
			rusttest.SameJSON(t, event.Message, `{"text":"pong"}`)
			answers++
		default:
			t.Fatalf("Rust's event %v", event)
		}
	}
	return sent
}

func wantCredit(t *testing.T, when string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: credit for %d requests, want %d", when, got, want)
	}
}

// expectResponses expects so many responses, and that sending may resume.
func (p *throttledPair) expectResponses(t *testing.T, n int) {
	t.Helper()
	for n > 0 {
		switch event := p.next(t).(type) {
		case throttled.ResumeSending:
		case throttled.Message[frame, frame]:
			n--
		default:
			t.Fatalf("got %T %+v", event, event)
		}
	}
	waitUntil(t, "credit of Rust's", func() bool { return p.ours.CanSend(p.id) })
}

// answer answers so many requests.
func (p *throttledPair) answer(t *testing.T, n int) {
	t.Helper()
	for sent := 0; sent < n; {
		switch event := p.next(t).(type) {
		case throttled.ResumeSending:
		case throttled.ResponseSent:
			sent++
		case throttled.Message[frame, frame]:
			if _, err := p.ours.SendResponse(event.Request.Channel, frame("pong")); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("got %T %+v", event, event)
		}
	}
}

func waitUntil(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx := deadline(t); !condition(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still waiting for %s", what)
		}
	}
}
