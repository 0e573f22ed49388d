package reqresp_test

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A context that forbids to dial is obeyed, and changes nothing for a peer that
// is connected.
func TestNoDial(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.server, nil, echo.Serve(echoed))
		c := reqresp.NewClient(s.client, nil)
		ctx := network.WithNoDial(t.Context(), "test")
		_, err := echo.Call(ctx, c, s.server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseDial, network.ErrNoConn)
		if len(s.client.Network().Conns()) != 0 {
			t.Error("peer was dialed")
		}
		s.connect(t)
		if _, err := echo.Call(ctx, c, s.server.ID(), new(Text(""))); err != nil {
			t.Error(err)
		}
	})
}
