package reqresp_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// An exchange that waits learns at once that the connection is gone.
func TestWaitingHandlerLearnsOfDisconnect(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		s.connect(t)
		client, server := s.client, s.server
		waiting, ended := make(chan struct{}), make(chan error, 1)
		srv := serve(t, server, nil, echo.Serve(func(ctx context.Context, _ peer.ID, req *Text) (*Text, error) {
			close(waiting)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, ctx.Err()
		}))
		go func() {
			<-waiting
			client.Network().ClosePeer(server.ID())
		}()
		start := time.Now()
		if _, err := echo.Call(t.Context(), reqresp.NewClient(client, nil), server.ID(), new(Text(""))); err == nil {
			t.Error("call succeeded")
		}
		if err := <-ended; !errors.Is(err, reqresp.ErrDisconnected) {
			t.Errorf("cause %v, want %v", err, reqresp.ErrDisconnected)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
		if n := len(srv.Streams()); n != 0 {
			t.Errorf("%d streams are still served", n)
		}
	})
}
