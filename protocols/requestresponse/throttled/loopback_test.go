package throttled_test

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
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
			a, b := newHost(t, options), newHost(t, options)
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

func newHost(t testing.TB, options []libp2p.Option) host.Host {
	t.Helper()
	quiet := []libp2p.Option{libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery()}
	h, err := libp2p.New(slices.Concat(options, quiet)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}
