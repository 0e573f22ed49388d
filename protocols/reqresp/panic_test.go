package reqresp_test

import (
	"context"
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A brokenCount does not know how many chunks may answer it.
type brokenCount struct{ Count }

func (*brokenCount) MaxChunks() int { panic(errCodec) }

func TestPanicOfARequestFailsTheCall(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, counter.Serve(counted))
		c := reqresp.NewClient(s.Client, nil)
		_, err := collect(reqresp.NewStream[brokenCount, Text](family, "count", 1).Call(t.Context(), c, s.Server.ID(),
			new(brokenCount)))
		wantFailure(t, err, reqresp.PhaseRequest, errCodec)
		if got := reqresp.ReasonOf(err); got != reqresp.ReasonPanic {
			t.Errorf("got reason %v, want %v", got, reqresp.ReasonPanic)
		}
		if n := c.Pending()[s.Server.ID()]; n != 0 {
			t.Errorf("%d calls are pending", n)
		}
	})
}

// What a handler got from another peer is not this peer's doing: it is told of it as of any
// error of ours, by a message or by a reset.
func TestHandlerThatAsksAnotherPeer(t *testing.T) {
	causes := []error{
		remoteReset(0), reqresp.ErrDisconnected, reqresp.ErrUnsupported, reqresp.ErrTimeout, reqresp.ErrClosed,
		reqresp.ErrViolation,
		&reqresp.Error{Code: 3, Message: "gone", Remote: true},
	}
	for _, f := range []reqresp.Family{family, plain} {
		proxy := reqresp.NewUnary[Text, Text](f, "proxy", 1)
		simulate(t, func(t *testing.T, s *simulation) {
			results := make(chan error, 1)
			var upstream error
			serve(t, s.Server, &reqresp.ServerOptions{Trace: &reqresp.Trace{
				Done: func(x *reqresp.Exchange) { results <- x.Err },
			}}, proxy.Serve(func(context.Context, peer.ID, *Text) (*Text, error) { return nil, upstream }))
			c := reqresp.NewClient(s.Client, nil)
			for _, cause := range causes {
				upstream = &reqresp.Failure{Peer: newPeerID(t), Phase: reqresp.PhaseFirstByte, Err: cause}
				_, err := proxy.Call(t.Context(), c, s.Server.ID(), new(Text("")))
				wantVerdict(t, cause.Error(), err, reqresp.Error{Code: reqresp.CodeServerError})
				if err := <-results; !errors.Is(err, cause) {
					t.Errorf("trace was told %v, want %v", err, cause)
				}
			}
		})
	}
}
