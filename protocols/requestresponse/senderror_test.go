package requestresponse_test

import (
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// A verdict crosses as a message where the codec has a place for it, else as a reset's
// code.
func TestSendError(t *testing.T) {
	for name, p := range map[string]reqresp.Unary[Text, Text]{
		"by a message": echo,
		"by a reset":   reqresp.NewUnary[Text, Text](plain, "echo", 1),
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				server := eventStyle(t, s.Server, nil, requestresponse.Unary(p, requestresponse.SupportInbound))
				client := eventStyle(t, s.Client, nil, requestresponse.Unary(p, requestresponse.SupportOutbound))
				id := send(t, client, s.Server.ID(), "ping")
				req := wantRequest(t, server, s.Client.ID())
				for _, e := range []*reqresp.Error{nil, {Message: "no code"}, {Code: 3, Remote: true}} {
					if err := server.SendError(req.Channel, e); err == nil || errors.Is(err, reqresp.ErrClosed) {
						t.Errorf("%v was sent: %v", e, err)
					}
				}
				if !req.Channel.IsOpen() {
					t.Error("channel is shut by what was not sent")
				}
				if err := server.SendError(req.Channel, reqresp.Errorf(reqresp.CodeResourceUnavailable, "gone")); err != nil {
					t.Error(err)
				}
				wantShut(t, server, req.Channel)
				wantSent(t, server, s.Client.ID(), req.ID)
				err := wantOutboundFailure(t, client, s.Server.ID(), id, reqresp.ReasonErrorResponse)
				if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Code != reqresp.CodeResourceUnavailable || !e.Remote {
					t.Errorf("got %v", err)
				}
				wantQuiet(t, client)
			})
		})
	}
}

// Codes of resets that the specs name are understood from any peer.
func TestResetCodesOfPeers(t *testing.T) {
	tests := []struct {
		code    network.StreamErrorCode
		reason  reqresp.Reason
		want    error        // nil for a verdict
		verdict reqresp.Code // where there is one
	}{
		{network.StreamRateLimited, reqresp.ReasonOverLimit, reqresp.ErrRateLimited, 0},
		{network.StreamResourceLimitExceeded, reqresp.ReasonOverLimit, reqresp.ErrRefused, 0},
		{network.StreamProtocolNegotiationFailed, reqresp.ReasonUnsupported, reqresp.ErrUnsupported, 0},
		{network.StreamProtocolViolation, reqresp.ReasonErrorResponse, nil, reqresp.CodeInvalidRequest},
		{0x10001, reqresp.ReasonErrorResponse, nil, 1},
		{0x100ff, reqresp.ReasonErrorResponse, nil, 255},
		{0x10000, reqresp.ReasonReset, network.ErrReset, 0},
		{0x10100, reqresp.ReasonReset, network.ErrReset, 0},
		{network.StreamNoError, reqresp.ReasonReset, network.ErrReset, 0},
		{network.StreamShutdown, reqresp.ReasonReset, network.ErrReset, 0},
	}
	simulate(t, func(t *testing.T, s *simulation) {
		client := eventStyle(t, s.Client, nil, requestresponse.Unary(echo, requestresponse.SupportOutbound))
		codes := make(chan network.StreamErrorCode, 1)
		s.Server.SetStreamHandler(echo.Spec().Protocols()[0], func(stream network.Stream) {
			drain(stream)
			_ = stream.ResetWithError(<-codes)
		})
		s.Connect(t)
		for _, tt := range tests {
			codes <- tt.code
			id := send(t, client, s.Server.ID(), "ping")
			err := wantOutboundFailure(t, client, s.Server.ID(), id, tt.reason)
			if !errors.Is(err, remoteReset(tt.code)) {
				t.Errorf("%#x: got %v", uint32(tt.code), err)
			}
			if tt.want != nil {
				wantFailure(t, err, reqresp.PhaseFirstByte, tt.want)
			} else if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Code != tt.verdict || !e.Remote {
				t.Errorf("%#x: got %v, want verdict %v", uint32(tt.code), err, tt.verdict)
			}
		}
	})
}
