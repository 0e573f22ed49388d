package requestresponse_test

import (
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

func TestScenario19FirstProtocolThatThePeerSupportsWins(t *testing.T) {
	offers := func(versions ...int) (all []requestresponse.Protocol[Text, Text]) {
		for _, v := range versions {
			all = append(all, requestresponse.Unary(version(v), requestresponse.SupportFull))
		}
		return all
	}
	tests := []struct {
		name           string
		client, server []int
		choice         []protocol.ID // of the call
		want           protocol.ID
	}{
		{"preferred", []int{3, 2, 1}, []int{1, 2, 3}, nil, "/test/status/3/text"},
		{"fallback", []int{3, 2, 1}, []int{1}, nil, "/test/status/1/text"},
		{"second choice", []int{3, 1, 2}, []int{2, 1}, nil, "/test/status/1/text"},
		{"chosen by the call", []int{3, 2, 1}, []int{1, 2, 3}, []protocol.ID{"/test/status/2/text"}, "/test/status/2/text"},
		{"order of the call", []int{3, 2, 1}, []int{1, 2}, []protocol.ID{
			"/test/status/3/text", "/test/status/1/text",
			"/test/status/2/text",
		}, "/test/status/1/text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				server := eventStyle(t, s.Server, nil, offers(tt.server...)...)
				client := eventStyle(t, s.Client, nil, offers(tt.client...)...)
				for range 2 { // negotiated in full, then along with the request
					id := sendWith(t, client, s.Server.ID(), "ping", reqresp.CallOptions{Protocols: tt.choice})
					req := next[textMsg](t, server)
					respond(t, server, req.Request, "pong")
					sent := next[requestresponse.ResponseSent](t, server)
					resp := next[textMsg](t, client)
					if resp.Response.ID != id || resp.Protocol != tt.want || req.Protocol != tt.want || sent.Protocol != tt.want {
						t.Errorf("negotiated %s, %s and %s, want %s", resp.Protocol, req.Protocol, sent.Protocol, tt.want)
					}
				}
			})
		})
	}
}

func TestScenario20NothingInCommonIsUnsupportedBothWays(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(version(2), requestresponse.SupportFull))
		server := eventStyle(t, s.Server, nil, requestresponse.Unary(version(1), requestresponse.SupportFull))
		for range 2 { // before and after the peers have identified each other
			id := send(t, client, s.Server.ID(), "ping")
			err := wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonUnsupported)
			wantFailure(t, err, reqresp.PhaseNegotiate, reqresp.ErrUnsupported)
			id = send(t, server, s.Client.ID(), "ping")
			err = wantOutboundFailure(t, server, s.Client.ID(), id, reqresp.ReasonUnsupported)
			wantFailure(t, err, reqresp.PhaseNegotiate, reqresp.ErrUnsupported)
			time.Sleep(time.Minute)
		}
		wantQuiet(t, client)
		wantQuiet(t, server)
	})
}

// A subset of a family is served and another is called. What is not offered inbound is not
// advertised; what is not offered outbound is not proposed.
func TestScenario21InboundAndOutboundOnly(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		asker := eventStyle(t, s.Client, nil, requestresponse.Unary(version(3), requestresponse.SupportOutbound),
			requestresponse.Unary(version(2), requestresponse.SupportInbound), requestresponse.Unary(version(1),
				requestresponse.SupportFull))
		answerer := eventStyle(t, s.Server, nil, requestresponse.Unary(version(3), requestresponse.SupportOutbound),
			requestresponse.Unary(version(2), requestresponse.SupportInbound), requestresponse.Unary(version(1),
				requestresponse.SupportFull))
		for n, want := range map[int]bool{1: true, 2: true, 3: false} {
			if id := version(n).Spec().Protocols()[0]; speaks(s.Client, id) != want {
				t.Errorf("%s is advertised: %t", id, !want)
			}
		}
		// 3 is not served and 2 not proposed, which leaves 1.
		id := send(t, asker, s.Server.ID(), "ping")
		req := next[textMsg](t, answerer)
		if want := version(1).Spec().Protocols()[0]; req.Protocol != want {
			t.Errorf("negotiated %s, want %s", req.Protocol, want)
		}
		respond(t, answerer, req.Request, "pong")
		wantResponse(t, asker, s.Server.ID(), id)

		id = sendWith(t, asker, s.Server.ID(), "ping", reqresp.CallOptions{Protocols: version(3).Spec().Protocols()})
		wantOutboundFailure(t, asker, s.Server.ID(), id, reqresp.ReasonUnsupported)
	})
}

// Where nothing is offered outbound there is nothing to send, which is told at once. Rust's
// emits an UnsupportedProtocols.
func TestScenario21InboundOnlySendsNothing(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportInbound))
		eventStyle(t, s.Server, nil, requestresponse.Unary(echo, requestresponse.SupportFull))
		if id, err := client.SendRequest(t.Context(), s.Server.ID(), "ping"); id != 0 ||
			!errors.Is(err, reqresp.ErrUnsupported) {
			t.Errorf("got %v, %v, want ErrUnsupported", id, err)
		}
		if len(s.Client.Network().Conns()) != 0 {
			t.Error("peer was dialed")
		}
		wantQuiet(t, client)
	})
}

func TestScenario21OutboundOnlyIsNotServed(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		server := eventStyle(t, s.Server, nil, requestresponse.Unary(echo, requestresponse.SupportFull))
		id := send(t, client, s.Server.ID(), "ping")
		respond(t, server, wantRequest(t, server, s.Client.ID()), "pong")
		wantResponse(t, client, s.Server.ID(), id)
		next[requestresponse.ResponseSent](t, server)

		id = send(t, server, s.Client.ID(), "ping")
		wantOutboundFailure(t, server, s.Client.ID(), id, reqresp.ReasonUnsupported)
		wantQuiet(t, client)
	})
}
