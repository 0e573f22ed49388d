package requestresponse_test

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

func TestCodecPanicsAreEvents(t *testing.T) {
	tests := []struct {
		name           string
		client, server brokenCodec
		outbound       reqresp.Reason
		phase          reqresp.Phase // of the outbound failure, zero for a verdict
		inbound        reqresp.Reason
	}{
		{
			"writing the request",
			brokenCodec{WriteRequest: panics},
			brokenCodec{},
			reqresp.ReasonPanic,
			reqresp.PhaseRequest, 0,
		},
		{"reading the request", brokenCodec{}, brokenCodec{CheckRequest: panics}, reqresp.ReasonErrorResponse, 0, 0},
		{
			"writing the response",
			brokenCodec{},
			brokenCodec{WriteResponse: panics},
			reqresp.ReasonErrorResponse, 0,
			reqresp.ReasonPanic,
		},
		{
			"reading the response",
			brokenCodec{CheckResponse: panics},
			brokenCodec{},
			reqresp.ReasonPanic,
			reqresp.PhaseResponse, reqresp.ReasonSuccess,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				server := eventStyle(t, s.Server, nil, requestresponse.Unary(brokenEcho(tt.server), requestresponse.SupportInbound))
				trace := new(journal)
				client := eventStyle(t, s.Client, &requestresponse.Options{Client: &reqresp.ClientOptions{
					Trace: &reqresp.Trace{Done: func(x *reqresp.Exchange) { trace.Note("%v", reqresp.ReasonOf(x.Err)) }},
				}}, requestresponse.Unary(brokenEcho(tt.client), requestresponse.SupportOutbound))
				id := send(t, client, s.Server.ID(), "ping")
				if tt.inbound != 0 || tt.phase == reqresp.PhaseResponse {
					req := wantRequest(t, server, s.Client.ID())
					respond(t, server, req, "pong")
					if tt.inbound == reqresp.ReasonSuccess {
						wantSent(t, server, s.Client.ID(), req.ID)
					} else {
						err := wantInboundFailure(t, server, s.Client.ID(), req.ID, tt.inbound)
						wantFailure(t, err, reqresp.PhaseHandle, errCodec)
					}
				}
				err := wantOutboundFailure(t, client, s.Server.ID(), id, tt.outbound)
				if tt.phase != 0 {
					wantFailure(t, err, tt.phase, errCodec)
				} else {
					wantVerdict(t, tt.name, err, reqresp.Error{Code: reqresp.CodeServerError})
				}
				trace.Want(t, tt.outbound.String())
				wantQuiet(t, server)
				wantQuiet(t, client)
				if s.Client.ConnManager().IsProtected(s.Server.ID(), "") || s.Server.ConnManager().IsProtected(s.Client.ID(), "") {
					t.Error("a connection is protected after all is over")
				}
			})
		})
	}
}

// A measuringCodec is a textCodec which calls a function for the size of messages.
type measuringCodec struct {
	textCodec
	size func() int
}

func (c measuringCodec) Size(any) int { return c.size() }

// TestPanicsBesideTheCodecAreEvents has what else an exchange calls panic, on a goroutine that nobody else could
// recover on.
func TestPanicsBesideTheCodecAreEvents(t *testing.T) {
	panicAt := func(n int) func() int {
		return func() int {
			if n--; n == 0 {
				panic(errCodec)
			}
			return 0
		}
	}
	for name, tt := range map[string]struct {
		codec measuringCodec
		trace reqresp.Trace
		phase reqresp.Phase
	}{
		"the size of the request":  {codec: measuringCodec{size: panicAt(1)}, phase: reqresp.PhaseRequest},
		"the size of the response": {codec: measuringCodec{size: panicAt(2)}, phase: reqresp.PhaseResponse},
		"a hook": {
			codec: measuringCodec{size: panicAt(0)},
			trace: reqresp.Trace{Chunk: func(*reqresp.Exchange, int, int) { panic(errCodec) }},
			phase: reqresp.PhaseResponse,
		},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				serve(t, s.Server, nil, echo.Serve(echoed))
				sized := reqresp.NewUnary[Text, Text](reqresp.Family{Prefix: "/test", Codec: tt.codec}, "echo", 1)
				client := eventStyle(t, s.Client, &requestresponse.Options{Client: &reqresp.ClientOptions{Trace: &tt.trace}},
					requestresponse.Unary(sized, requestresponse.SupportOutbound))
				id := send(t, client, s.Server.ID(), "ping")
				err := wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonPanic)
				wantFailure(t, err, tt.phase, errCodec)
				if s.Client.ConnManager().IsProtected(s.Server.ID(), "") {
					t.Error("the connection is protected after all is over")
				}
			})
		})
	}
}

// A panic with a verdict is a panic.
func TestPanicWithAVerdict(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		verdict := func() error { panic(reqresp.Errorf(reqresp.CodeResourceUnavailable, "secret")) }
		server := eventStyle(t, s.Server, nil, requestresponse.Unary(brokenEcho(brokenCodec{WriteResponse: verdict}),
			requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		respond(t, server, req, "pong")
		wantInboundFailure(t, server, s.Client.ID(), req.ID, reqresp.ReasonPanic)
		err := wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonErrorResponse)
		wantVerdict(t, "panic", err, reqresp.Error{Code: reqresp.CodeServerError})
	})
}
