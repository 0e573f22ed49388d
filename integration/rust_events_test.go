//go:build peers

package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// The event style on both sides: each event of Rust's has its like in ours.
func TestRustEventStyle(t *testing.T) {
	eachRustPair(t, rustpeer.Options{}, func(t *testing.T, p *rustPair) {
		rr := requestresponse.New(p.host, nil, requestresponse.Unary(bytesProtocol, requestresponse.SupportFull))
		if err := rr.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := rr.Stop(ctx); err != nil {
				t.Error(err)
			}
		})

		id, err := rr.SendRequest(deadline(t), p.id, *bytesRequest(8, 3))
		if err != nil {
			t.Fatal(err)
		}
		message := nextEvent[requestresponse.Message[frame, frame]](t, rr)
		if message.Response == nil || message.Response.ID != id || len(message.Response.Response) != 3 {
			t.Errorf("%+v, want a response of 3 bytes to %v", message, id)
		}
		rusttest.Expect(t, p.rust, rustpeer.KindRequest)
		rusttest.Expect(t, p.rust, rustpeer.KindResponseSent)

		answered := p.send(t, "bytes", rustpeer.Sizes{Request: 8, Response: 5})
		message = nextEvent[requestresponse.Message[frame, frame]](t, rr)
		if message.Request == nil || message.Peer != p.id {
			t.Fatalf("%+v, want a request of %v", message, p.id)
		}
		if _, err := rr.SendResponse(message.Request.Channel, pattern[:5]); err != nil {
			t.Fatal(err)
		}
		if sent := nextEvent[requestresponse.ResponseSent](t, rr); sent.ID != message.Request.ID {
			t.Errorf("response to %v sent, want to %v", sent.ID, message.Request.ID)
		}
		if response := rusttest.Expect(t, p.rust, rustpeer.KindResponse); response.ID != answered {
			t.Errorf("response to %d, want to %d", response.ID, answered)
		}

		p.send(t, "bytes", rustpeer.Sizes{Request: 8, Response: 5})
		message = nextEvent[requestresponse.Message[frame, frame]](t, rr)
		message.Request.Channel.Close()
		if failure := nextEvent[requestresponse.InboundFailure](t, rr); failure.Reason != reqresp.ReasonOmission {
			t.Errorf("%+v, want an omission", failure)
		}
		rusttest.ExpectFailure(t, p.rust, rustpeer.KindOutboundFailure, "Io")
	})
}

func nextEvent[E requestresponse.Event](t *testing.T, rr *requestresponse.RequestResponse[frame, frame]) E {
	t.Helper()
	select {
	case event := <-rr.Events():
		if event, ok := event.(E); ok {
			return event
		}
		t.Fatalf("event %#v, want %T", event, *new(E))
	case <-deadline(t).Done():
		t.Fatalf("no event, want %T", *new(E))
	}
	panic("unreachable")
}
