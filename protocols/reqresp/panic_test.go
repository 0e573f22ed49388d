package reqresp_test

import (
	"context"
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

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
		{"writing the request", brokenCodec{appendRequest: panics}, brokenCodec{}, reqresp.ReasonPanic, reqresp.PhaseRequest, 0},
		{"reading the request", brokenCodec{}, brokenCodec{readRequest: panics}, reqresp.ReasonErrorResponse, 0, 0},
		{"writing the response", brokenCodec{}, brokenCodec{appendResponse: panics}, reqresp.ReasonErrorResponse, 0, reqresp.ReasonPanic},
		{"reading the response", brokenCodec{readResponse: panics}, brokenCodec{}, reqresp.ReasonPanic, reqresp.PhaseResponse, reqresp.ReasonSuccess},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				server := eventStyle(t, s.server, nil, requestresponse.Unary(brokenEcho(tt.server), requestresponse.SupportInbound))
				trace := new(journal)
				client := eventStyle(t, s.client, &requestresponse.Options{Client: &reqresp.ClientOptions{
					Trace: &reqresp.Trace{Done: func(x *reqresp.Exchange) { trace.note("%v", reqresp.ReasonOf(x.Err)) }},
				}}, requestresponse.Unary(brokenEcho(tt.client), requestresponse.SupportOutbound))
				id := send(t, client, s.server.ID(), "ping")
				if tt.inbound != 0 || tt.phase == reqresp.PhaseResponse {
					req := wantRequest(t, server, s.client.ID())
					respond(t, server, req, "pong")
					if tt.inbound == reqresp.ReasonSuccess {
						wantSent(t, server, s.client.ID(), req.ID)
					} else {
						err := wantInboundFailure(t, server, s.client.ID(), req.ID, tt.inbound)
						wantFailure(t, err, reqresp.PhaseHandle, errCodec)
					}
				}
				err := wantOutboundFailure(t, client, s.server.ID(), id, tt.outbound)
				if tt.phase != 0 {
					wantFailure(t, err, tt.phase, errCodec)
				} else {
					wantVerdict(t, tt.name, err, reqresp.Error{Code: reqresp.CodeServerError})
				}
				trace.want(t, tt.outbound.String())
				wantQuiet(t, server)
				wantQuiet(t, client)
				if s.client.ConnManager().IsProtected(s.server.ID(), "") || s.server.ConnManager().IsProtected(s.client.ID(), "") {
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
				serve(t, s.server, nil, echo.Serve(echoed))
				sized := reqresp.NewUnary[Text, Text](reqresp.Family{Prefix: "/test", Codec: tt.codec}, "echo", 1)
				client := eventStyle(t, s.client, &requestresponse.Options{Client: &reqresp.ClientOptions{Trace: &tt.trace}},
					requestresponse.Unary(sized, requestresponse.SupportOutbound))
				id := send(t, client, s.server.ID(), "ping")
				err := wantOutboundFailure(t, client, s.server.ID(), id, reqresp.ReasonPanic)
				wantFailure(t, err, tt.phase, errCodec)
				if s.client.ConnManager().IsProtected(s.server.ID(), "") {
					t.Error("the connection is protected after all is over")
				}
			})
		})
	}
}

// A brokenCount does not know how many chunks may answer it.
type brokenCount struct{ Count }

func (*brokenCount) MaxChunks() int { panic(errCodec) }

func TestPanicOfARequestFailsTheCall(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.server, nil, counter.Serve(counted))
		c := reqresp.NewClient(s.client, nil)
		_, err := collect(reqresp.NewStream[brokenCount, Text](family, "count", 1).Call(t.Context(), c, s.server.ID(), new(brokenCount)))
		wantFailure(t, err, reqresp.PhaseRequest, errCodec)
		if got := reqresp.ReasonOf(err); got != reqresp.ReasonPanic {
			t.Errorf("got reason %v, want %v", got, reqresp.ReasonPanic)
		}
		if n := c.Pending()[s.server.ID()]; n != 0 {
			t.Errorf("%d calls are pending", n)
		}
	})
}

// A panic with a verdict is a panic.
func TestPanicWithAVerdict(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		verdict := func() error { panic(reqresp.Errorf(reqresp.CodeResourceUnavailable, "secret")) }
		server := eventStyle(t, s.server, nil, requestresponse.Unary(brokenEcho(brokenCodec{appendResponse: verdict}), requestresponse.SupportInbound))
		client := eventStyle(t, s.client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		id := send(t, client, s.server.ID(), "ping")
		req := wantRequest(t, server, s.client.ID())
		respond(t, server, req, "pong")
		wantInboundFailure(t, server, s.client.ID(), req.ID, reqresp.ReasonPanic)
		err := wantOutboundFailure(t, client, s.server.ID(), id, reqresp.ReasonErrorResponse)
		wantVerdict(t, "panic", err, reqresp.Error{Code: reqresp.CodeServerError})
	})
}

// What a handler got from another peer is not this peer's doing: it is told of it as of any
// error of ours, by a message or by a reset.
func TestHandlerThatAsksAnotherPeer(t *testing.T) {
	causes := []error{
		remoteReset(0), reqresp.ErrDisconnected, reqresp.ErrUnsupported, reqresp.ErrTimeout, reqresp.ErrClosed, reqresp.ErrViolation,
		&reqresp.Error{Code: 3, Message: "gone", Remote: true},
	}
	for _, f := range []reqresp.Family{family, plain} {
		proxy := reqresp.NewUnary[Text, Text](f, "proxy", 1)
		simulate(t, func(t *testing.T, s *simulation) {
			results := make(chan error, 1)
			var upstream error
			serve(t, s.server, &reqresp.ServerOptions{Trace: &reqresp.Trace{
				Done: func(x *reqresp.Exchange) { results <- x.Err },
			}}, proxy.Serve(func(context.Context, peer.ID, *Text) (*Text, error) { return nil, upstream }))
			c := reqresp.NewClient(s.client, nil)
			for _, cause := range causes {
				upstream = &reqresp.Failure{Peer: newPeerID(t), Phase: reqresp.PhaseFirstByte, Err: cause}
				_, err := proxy.Call(t.Context(), c, s.server.ID(), new(Text("")))
				wantVerdict(t, cause.Error(), err, reqresp.Error{Code: reqresp.CodeServerError})
				if err := <-results; !errors.Is(err, cause) {
					t.Errorf("trace was told %v, want %v", err, cause)
				}
			}
		})
	}
}
