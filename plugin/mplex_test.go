package plugin_test

import (
	"io"
	"testing"

	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
)

// A connection on mplex goes on when streams were refused on it with their first bytes unread.
func TestMplexConnectionSurvivesRefusedStreams(t *testing.T) {
	_, service := start(t, t.TempDir(), devConfig())
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics(),
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(mplex.ID, mplex.DefaultTransport))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	id := service.Host().ID()
	if err := h.Connect(t.Context(), addrOf(t, service.Host(), "tcp")); err != nil {
		t.Fatal(err)
	}
	conn := h.Network().ConnsToPeer(id)[0]
	manager := service.Host().Network().ResourceManager().(*resources.Manager)
	// Four streams that kept their buffers would be the last that the service sees.
	simtest.WaitFor(t, "many streams to be refused", func() bool {
		for range 4 {
			stream, err := conn.NewStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(stream, "\x13"); err != nil {
				t.Fatal(err)
			}
		}
		return manager.Negotiations().Refused >= 60
	})
}
