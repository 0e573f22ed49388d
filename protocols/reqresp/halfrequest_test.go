package reqresp_test

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A verdict on a request that was not read to its end reaches a caller who is still
// writing.
func TestAnswerToHalfARequest(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		large := reqresp.NewUnary[Text, Text](family, "large", 1).WithLimits(reqresp.Limits{MaxRequest: 8 << 20})
		refuse := func(reqresp.HandlerFunc) reqresp.HandlerFunc {
			return func(context.Context, *reqresp.Inbound) error {
				return reqresp.Errorf(reqresp.CodeResourceUnavailable, "not now")
			}
		}
		serve(t, s.server, &reqresp.ServerOptions{Middleware: []reqresp.Middleware{refuse}}, large.Serve(echoed))
		s.connect(t)
		c := reqresp.NewClient(s.client, nil)
		for range 5 {
			_, err := large.Call(t.Context(), c, s.server.ID(), new(Text(make([]byte, 8<<20))))
			wantVerdict(t, "refusal", err, reqresp.Error{Code: 3, Message: "not now"})
		}
	})
}

// Without an answer it is what it looks like.
func TestResetInTheMiddleOfTheRequest(t *testing.T) {
	large := reqresp.NewUnary[Text, Text](family, "stall", 1).WithLimits(reqresp.Limits{MaxRequest: 8 << 20})
	for name, end := range map[string]func(network.Stream) error{
		"reset": network.Stream.Reset,
		"reset with a code": func(stream network.Stream) error {
			return stream.ResetWithError(network.StreamGarbageCollected)
		},
		"stopped": network.Stream.CloseRead,
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				serveRaw(t, s.server, stalledID, func(stream network.Stream) {
					time.Sleep(time.Second)
					_ = end(stream)
				})
				s.connect(t)
				_, err := large.Call(t.Context(), reqresp.NewClient(s.client, nil), s.server.ID(), new(Text(make([]byte, 8<<20))))
				if name == "stopped" {
					wantFailure(t, err, reqresp.PhaseRequest, reqresp.ErrTimeout)
				} else {
					wantFailure(t, err, reqresp.PhaseRequest, network.ErrReset)
				}
			})
		})
	}
}
