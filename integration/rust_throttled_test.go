//go:build peers

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled"
)

func TestRustThrottlesUs(t *testing.T) {
	p := newThrottledPair(t, rustpeer.Options{})
	rusttest.Do(t, func(ctx context.Context) error { return p.rust.SetReceiveLimit(ctx, 3) })
	wantCredit(t, "at first", p.askRust(t), 1)
	for range 10 {
		wantCredit(t, "limit", p.askRust(t), 3)
	}
	rusttest.Do(t, func(ctx context.Context) error { return p.rust.OverrideReceiveLimit(ctx, p.host.ID().String(), 20) })
	wantCredit(t, "override to come", p.askRust(t), 3)
	for range 10 {
		wantCredit(t, "override", p.askRust(t), 20)
	}
}

func TestRustIsThrottled(t *testing.T) {
	p := newThrottledPair(t, rustpeer.Options{})
	p.ours.SetReceiveLimit(3)
	wantCredit(t, "at first", p.answerRust(t), 1)
	for range 10 {
		wantCredit(t, "limit", p.answerRust(t), 3)
	}
	p.ours.OverrideReceiveLimit(p.id, 20)
	wantCredit(t, "override to come", p.answerRust(t), 3)
	for range 10 {
		wantCredit(t, "override", p.answerRust(t), 20)
	}
	p.ours.RemoveOverride(p.id)
	wantCredit(t, "no override to come", p.answerRust(t), 20)
	wantCredit(t, "no override", p.answerRust(t), 3)
}

func TestRustAndWeThrottleEachOther(t *testing.T) {
	p := newThrottledPair(t, rustpeer.Options{})
	p.ours.SetReceiveLimit(4)
	rusttest.Do(t, func(ctx context.Context) error { return p.rust.SetReceiveLimit(ctx, 2) })
	for round := range 10 {
		asked, answered := p.askRust(t), p.answerRust(t)
		if round == 0 {
			continue
		}
		wantCredit(t, fmt.Sprint("Rust's, round ", round), asked, 2)
		wantCredit(t, fmt.Sprint("ours, round ", round), answered, 4)
	}
}

// What exceeds the one request that both sides assume is granted again on the next connection.
func TestRustThrottledReconnects(t *testing.T) {
	p := newThrottledPair(t, rustpeer.Options{})
	p.ours.SetReceiveLimit(4)
	rusttest.Do(t, func(ctx context.Context) error { return p.rust.SetReceiveLimit(ctx, 3) })
	p.askRust(t)
	p.answerRust(t)
	for range 3 {
		p.disconnect(t)
		if err := p.host.Connect(t.Context(), peer.AddrInfo{ID: p.id}); err != nil {
			t.Fatal(err)
		}
		var asked int
		waitUntil(t, "credit of Rust's", func() bool {
			asked += p.sendOurs(t)
			return asked == 3
		})
		p.expectResponses(t, asked)
		var answered int
		waitUntil(t, "credit of ours", func() bool {
			answered += p.sendRust(t)
			return answered == 4
		})
		p.answer(t, answered)
		waitUntil(t, "credit of ours", func() bool {
			can, err := p.rust.CanSend(deadline(t), p.host.ID().String())
			return can && err == nil
		})
	}
}

// A Rust peer that restarts counts its grants from zero again.
func TestRustThrottledRestarts(t *testing.T) {
	p := newThrottledPair(t, rustpeer.Options{Seed: 7})
	for range 3 {
		for range 3 {
			wantCredit(t, "of Rust's", p.askRust(t), 1)
			wantCredit(t, "of ours", p.answerRust(t), 1)
		}
		p.rust.Stop()
		waitUntil(t, "the end of the connection", func() bool { return !p.ours.IsConnected(p.id) && p.ours.CanSend(p.id) })
		p.startRust(t, rustpeer.Options{Seed: 7})
	}
}

// A Rust peer remembers the last of our grants when we restart.
func TestWeRestartForRustThrottled(t *testing.T) {
	p := newThrottledPair(t, rustpeer.Options{})
	for range 3 {
		for range 3 {
			wantCredit(t, "of Rust's", p.askRust(t), 1)
			wantCredit(t, "of ours", p.answerRust(t), 1)
		}
		stopThrottled(p.ours)
		p.disconnect(t)
		p.start(t)
	}
}

func TestRustReportsTooManyRequests(t *testing.T) {
	p := newThrottledPair(t, rustpeer.Options{Hold: []string{"ping"}})
	wantCredit(t, "at first", p.sendOurs(t), 1)
	request := p.rustNext(t, rustpeer.KindRequest)
	stream, err := p.host.NewStream(deadline(t), p.id, throttled.ProtocolID("/reqresp-test/ping/1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Write([]byte("\x05\xa1\x00\x82\x00\x80\x04ping")); err != nil {
		t.Fatal(err)
	}
	_ = stream.CloseWrite()
	if got, err := io.ReadAll(stream); len(got) > 0 || err != nil {
		t.Errorf("got %x, %v, want the end of the stream", got, err)
	}
	p.rustNext(t, rustpeer.KindTooManyInboundRequests)
	if failure := p.rustNext(t, rustpeer.KindInboundFailure); failure.Failure != "ResponseOmission" ||
		failure.ID == request.ID {
		t.Errorf("Rust's event %v, want the omission of a request that was not reported", failure)
	}
	rusttest.Do(t, func(ctx context.Context) error { return p.rust.Answer(ctx, "ping", request.ID) })
	p.expectResponses(t, 1)
}

// A Rust peer of that age closes its connection when a stream ends without a response, or, as its yamux may not tell
// that the stream has ended, lets the request time out. Either way it may send another one.
func TestDroppedRequestsDoNotStallRust(t *testing.T) {
	p := newThrottledPair(t, rustpeer.Options{Timeout: 2 * time.Second})
	for range 3 {
		wantCredit(t, "with every new request", p.sendRust(t), 1)
		message, ok := p.next(t).(throttled.Message[frame, frame])
		if !ok || message.Request == nil {
			t.Fatalf("got %+v, want a request", message)
		}
		message.Request.Channel.Close()
		if failure, ok := p.next(t).(throttled.InboundFailure); !ok || failure.Reason != reqresp.ReasonOmission {
			t.Errorf("got %+v, want an omission", failure)
		}
		failure := p.rustEvent(t)
		for failure.Kind == rustpeer.KindResumeSending { // the credit was faster
			failure = p.rustEvent(t)
		}
		if failure.Kind != rustpeer.KindOutboundFailure || failure.Failure != "ConnectionClosed" &&
			failure.Failure != "Timeout" {
			t.Errorf("Rust's event %v, want ConnectionClosed or Timeout", failure)
		}
		waitUntil(t, "credit of ours", func() bool {
			can, err := p.rust.CanSend(deadline(t), p.host.ID().String())
			return err == nil && can
		})
	}
}

// A Rust peer gives no credit for what it drops. There is some again on the next connection.
func TestRustDropsARequest(t *testing.T) {
	p := newThrottledPair(t, rustpeer.Options{Hold: []string{"ping"}})
	for range 3 {
		wantCredit(t, "on a new connection", p.sendOurs(t), 1)
		request := p.rustNext(t, rustpeer.KindRequest)
		rusttest.Do(t, func(ctx context.Context) error { return p.rust.Drop(ctx, "ping", request.ID) })
		if failure, ok := p.next(t).(throttled.OutboundFailure); !ok || !errors.Is(failure.Err, reqresp.ErrNoResponse) {
			t.Errorf("got %+v, want that there is no response", failure)
		}
		if p.ours.CanSend(p.id) {
			t.Error("there is credit, want none")
		}
		p.disconnect(t)
		if event, ok := p.next(t).(throttled.ResumeSending); !ok {
			t.Errorf("got %T %+v, want that sending may resume", event, event)
		}
	}
}

func TestRustThrottledAndPlainAreUnsupported(t *testing.T) {
	p := newThrottledPair(t, rustpeer.Options{})
	stopThrottled(p.ours)
	plain := requestresponse.New(p.host, nil, requestresponse.Unary(pingProtocol, requestresponse.SupportFull))
	if err := plain.Start(); err != nil {
		t.Fatal(err)
	}
	defer plain.Stop(t.Context())
	if _, err := plain.SendRequest(deadline(t), p.id, frame("ping")); err != nil {
		t.Fatal(err)
	}
	if failure, ok := (<-plain.Events()).(requestresponse.OutboundFailure); !ok ||
		failure.Reason != reqresp.ReasonUnsupported {
		t.Errorf("got %+v, want that it is unsupported", failure)
	}
	p.sendRust(t)
	if failure := p.rustNext(t, rustpeer.KindOutboundFailure); failure.Failure != "UnsupportedProtocols" {
		t.Errorf("Rust's event %v, want UnsupportedProtocols", failure)
	}
}
