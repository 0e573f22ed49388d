package requestresponse_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

func TestScenario04ClientDiesWhileTheChannelIsHeld(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		if err := s.Client.Close(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err := wantInboundFailure(t, server, s.Client.ID(), req.ID, reqresp.ReasonDisconnected)
		wantFailure(t, err, reqresp.PhaseHandle, reqresp.ErrDisconnected)
		if took := time.Since(start); took > time.Second {
			t.Errorf("failed after %v", took)
		}
		err = wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonDisconnected)
		wantFailure(t, err, reqresp.PhaseFirstByte, reqresp.ErrDisconnected)
		wantQuiet(t, server)
	})
}

// A channel that is closed without an answer closes the stream, with no reset. The
// requester learns at once, and may go on.
func TestScenario05ClosedChannelIsAnOmission(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		rec := &recordingHost{Host: s.Server}
		server := eventStyle(t, rec, nil, requestresponse.Unary(echo, requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		start := time.Now()
		req.Channel.Close()
		req.Channel.Close()
		if req.Channel.IsOpen() {
			t.Error("channel is open after Close")
		}
		err := wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonViolation)
		wantFailure(t, err, reqresp.PhaseResponse, reqresp.ErrNoResponse)
		if took := time.Since(start); took > roundTrip {
			t.Errorf("client learned after %v", took)
		}
		err = wantInboundFailure(t, server, s.Client.ID(), req.ID, reqresp.ReasonOmission)
		wantFailure(t, err, reqresp.PhaseHandle, reqresp.ErrNoResponse)
		rec.Want(t, []string{"close write", "close"})

		id = send(t, client, s.Server.ID(), "ping")
		req = wantRequest(t, server, s.Client.ID())
		respond(t, server, req, "pong")
		wantResponse(t, client, s.Server.ID(), id)
		if got := len(s.Client.Network().Conns()); got != 1 {
			t.Errorf("%d connections, want the same one", got)
		}
	})
}

func TestScenario08ClientCannotReadTheResponse(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		server := eventStyle(t, s.Server, nil, requestresponse.Unary(echo, requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(brokenEcho(brokenCodec{CheckResponse: fails}),
			requestresponse.SupportOutbound))
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		respond(t, server, req, "pong")
		wantSent(t, server, s.Client.ID(), req.ID)
		err := wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonViolation)
		wantFailure(t, err, reqresp.PhaseResponse, errCodec)
	})
}

func TestScenario09ClientCannotWriteTheRequest(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		server := eventStyle(t, s.Server, nil, requestresponse.Unary(echo, requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(brokenEcho(brokenCodec{WriteRequest: fails}),
			requestresponse.SupportOutbound))
		id := send(t, client, s.Server.ID(), "ping")
		err := wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonIO)
		wantFailure(t, err, reqresp.PhaseRequest, errCodec)
		wantQuiet(t, server)
	})
}

// A response that never arrives is the requester's timeout. The responder has sent it.
func TestScenario10ResponseThatHangsTimesOut(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		client, server := faces(t, s)
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		start := time.Now()
		s.Down.Store(true)
		respond(t, server, req, "pong")
		wantSent(t, server, s.Client.ID(), req.ID)
		err := wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonTimeout)
		wantFailure(t, err, reqresp.PhaseFirstByte, reqresp.ErrTimeout)
		if took := time.Since(start); took > reqresp.DefaultFirstByteTimeout {
			t.Errorf("timed out after %v", took)
		}
	})
}

// The bound on streams is per peer and counts those that a peer opened. Requests of ours
// to the same peer have bounds of their own.
func TestScenario11NoRoomForAnotherStream(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		full := &requestresponse.Options{Server: &reqresp.ServerOptions{MaxStreams: 1}}
		server := eventStyle(t, s.Server, full, requestresponse.Unary(echo, requestresponse.SupportFull))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportFull))
		first := send(t, client, s.Server.ID(), "first")
		req := wantRequest(t, server, s.Client.ID())
		second := send(t, client, s.Server.ID(), "second")
		err := wantOutboundFailure(t, client, s.Server.ID(), second, reqresp.ReasonOverLimit)
		wantFailure(t, err, reqresp.PhaseFirstByte, reqresp.ErrRefused, remoteReset(network.StreamResourceLimitExceeded))

		id := send(t, server, s.Client.ID(), "the other way")
		back := wantRequest(t, client, s.Server.ID())
		respond(t, client, back, "")
		wantSent(t, client, s.Server.ID(), back.ID)
		wantResponse(t, server, s.Client.ID(), id)

		respond(t, server, req, "")
		wantSent(t, server, s.Client.ID(), req.ID)
		wantResponse(t, client, s.Server.ID(), first)
		wantQuiet(t, server)
	})
}

// A request that cannot be read is never delivered. Its peer is told more than an end of
// file.
func TestScenario12ServerCannotReadTheRequest(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		server := eventStyle(t, s.Server, nil, requestresponse.Unary(brokenEcho(brokenCodec{CheckRequest: fails}),
			requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		id := send(t, client, s.Server.ID(), "ping")
		err := wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonErrorResponse)
		wantVerdict(t, "unreadable", err, reqresp.Error{Code: reqresp.CodeInvalidRequest, Message: "malformed request"})
		wantQuiet(t, server)
	})
}

func TestScenario13ServerCannotWriteTheResponse(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		server := eventStyle(t, s.Server, nil, requestresponse.Unary(brokenEcho(brokenCodec{WriteResponse: fails}),
			requestresponse.SupportInbound))
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		id := send(t, client, s.Server.ID(), "ping")
		req := wantRequest(t, server, s.Client.ID())
		respond(t, server, req, "pong")
		err := wantInboundFailure(t, server, s.Client.ID(), req.ID, reqresp.ReasonIO)
		wantFailure(t, err, reqresp.PhaseHandle, errCodec)
		err = wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonErrorResponse)
		wantVerdict(t, "unwritable", err, reqresp.Error{Code: reqresp.CodeServerError})
	})
}

// A response hangs in its writing when the requester does not read.
func TestScenario14ResponseThatCannotBeWrittenTimesOut(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		server := eventStyle(t, s.Server, nil, requestresponse.Unary(echo, requestresponse.SupportInbound))
		stream := openRaw(t, s.Client, s.Server, echo.Spec().Protocols()[0])
		_, _ = stream.Write([]byte{0})
		_ = stream.CloseWrite()
		req := wantRequest(t, server, s.Client.ID())
		start := time.Now()
		respond(t, server, req, Text(make([]byte, 900<<10)))
		err := wantInboundFailure(t, server, s.Client.ID(), req.ID, reqresp.ReasonTimeout)
		wantFailure(t, err, reqresp.PhaseResponse, reqresp.ErrTimeout)
		// In the first timeout the window was filled.
		if took := time.Since(start); took != 2*reqresp.DefaultWriteTimeout {
			t.Errorf("timed out after %v", took)
		}
		if _, err := io.ReadAll(stream); !errors.Is(err, remoteReset(network.StreamGarbageCollected)) {
			t.Errorf("client sees %v, want a reset", err)
		}
	})
}

func TestScenario25StreamsBeyondTheBoundCauseNoEvent(t *testing.T) {
	tests := []struct {
		name string
		opts reqresp.ServerOptions
	}{
		{"per peer", reqresp.ServerOptions{MaxStreamsPerPeer: 3}},
		{"per connection", reqresp.ServerOptions{MaxStreamsPerConn: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				ends := new(journal)
				tt.opts.Trace = &reqresp.Trace{Done: func(x *reqresp.Exchange) {
					ends.Note("%v", reqresp.ReasonOf(x.Err))
				}}
				server := eventStyle(t, s.Server, &requestresponse.Options{Server: &tt.opts},
					requestresponse.Unary(echo, requestresponse.SupportInbound))
				client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
				ids := make(map[requestresponse.OutboundRequestID]bool)
				var held []*requestresponse.RequestMessage[Text, Text]
				for range 3 {
					ids[send(t, client, s.Server.ID(), "ping")] = true
					held = append(held, wantRequest(t, server, s.Client.ID()))
				}
				for range 2 {
					id := send(t, client, s.Server.ID(), "surplus")
					wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonOverLimit)
				}
				ends.Want(t, "over limit", "over limit")
				for _, req := range held {
					respond(t, server, req, "pong")
					wantSent(t, server, s.Client.ID(), req.ID)
				}
				for range held {
					if msg := next[textMsg](t, client); !ids[msg.Response.ID] {
						t.Errorf("response to %v, which was refused", msg.Response.ID)
					}
				}
				wantQuiet(t, server)
			})
		})
	}
}
