package beacon_test

import (
	"context"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// A handshake that is asked for while the greeting is under way is the greeting.
func TestHandshakeJoinsTheGreeting(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		var atListener trace
		serve(t, server, devChain(), atListener.options())
		dialer := serve(t, client, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		abandoned, abandon := context.WithCancel(t.Context())
		abandon()
		if _, err := dialer.Handshake(abandoned, server.ID()); err == nil {
			t.Error("a handshake without time succeeded")
		}
		status, err := dialer.Handshake(t.Context(), server.ID())
		if err != nil || status.HeadSlot != headSlot {
			t.Errorf("status %+v, %v", status, err)
		}
		settle()
		if got := atListener.take(); !slices.Equal(got, []protocol.ID{idStatusV2}) {
			t.Errorf("the listener was asked for %q, want one status", got)
		}
	})
}
