package throttled_test

import (
	"testing"

	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
)

// transports are what real hosts talk over on the loopback interface.
var transports = map[string][]libp2p.Option{
	"yamux": {
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
	},
	"mplex": {
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.Muxer(mplex.ID, mplex.DefaultTransport),
	},
	"quic": {libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"), libp2p.Transport(quic.NewTransport)},
}

func TestConversationOverLoopback(t *testing.T) {
	for name, options := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := simtest.NewHost(t, options...), simtest.NewHost(t, options...)
			a.Peerstore().AddAddrs(b.ID(), b.Addrs(), peerstore.PermanentAddrTTL)
			b.Peerstore().AddAddrs(a.ID(), a.Addrs(), peerstore.PermanentAddrTTL)
			alice, bob := start(t, a, nil), start(t, b, nil)
			alice.SetReceiveLimit(2)
			bob.SetReceiveLimit(5)
			if err := a.Connect(t.Context(), b.Peerstore().PeerInfo(b.ID())); err != nil {
				t.Fatal(err)
			}
			ends := make(chan error, 2)
			go func() { ends <- converse(t, alice, b.ID(), 100) }()
			go func() { ends <- converse(t, bob, a.ID(), 100) }()
			for range 2 {
				if err := <-ends; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
