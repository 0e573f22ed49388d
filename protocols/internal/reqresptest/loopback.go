package reqresptest

import (
	"context"
	"log"
	"slices"
	"testing"

	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"

	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const (
	tcpAddr  = "/ip4/127.0.0.1/tcp/0"
	quicAddr = "/ip4/127.0.0.1/udp/0/quic-v1"
)

// A Transport is what two real hosts talk over.
type Transport struct {
	Name    string
	Codes   bool  // resets carry a code
	Breaks  bool  // a reset after the half-close reaches the peer
	Memory  int64 // what the muxer reserves for itself in the peer's scope, in bytes
	Options []libp2p.Option
}

// Transports are TCP with either muxer, and QUIC.
var Transports = []Transport{
	{"yamux", true, true, 0, []libp2p.Option{
		libp2p.ListenAddrStrings(tcpAddr), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
	}},
	{"mplex", false, false, 9 * 4096, []libp2p.Option{
		libp2p.ListenAddrStrings(tcpAddr), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.Muxer(mplex.ID, mplex.DefaultTransport),
	}},
	{"quic", true, true, 0, []libp2p.Option{
		libp2p.ListenAddrStrings(quicAddr), libp2p.Transport(quic.NewTransport),
	}},
}

// EachTransport runs f with a pair of connected hosts for every transport.
func EachTransport(t *testing.T, f func(t *testing.T, tr Transport, client, server host.Host)) {
	for _, tr := range Transports {
		t.Run(tr.Name, func(t *testing.T) {
			t.Parallel()
			client, server := tr.Pair(t)
			f(t, tr, client, server)
		})
	}
}

// Pair returns two hosts, the first connected to the second.
func (tr Transport) Pair(t testing.TB) (client, server host.Host) {
	t.Helper()
	client, server = tr.Host(t), tr.Host(t)
	Connect(t, client, server)
	return client, server
}

// Connect connects a host to another.
func Connect(t testing.TB, client, server host.Host) {
	t.Helper()
	client.Peerstore().AddAddrs(server.ID(), server.Addrs(), peerstore.PermanentAddrTTL)
	if err := client.Connect(t.Context(), peer.AddrInfo{ID: server.ID()}); err != nil {
		t.Fatal(err)
	}
}

// Host returns a host, which is closed with the test.
func (tr Transport) Host(t testing.TB) host.Host {
	t.Helper()
	return tr.Limited(t, rcmgr.PartialLimitConfig{})
}

// Limited returns a host whose resource manager has limits of its own, or else the defaults.
func (tr Transport) Limited(t testing.TB, limits rcmgr.PartialLimitConfig) host.Host {
	t.Helper()
	resources, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.Build(rcmgr.DefaultLimits.AutoScale())))
	if err != nil {
		t.Fatal(err)
	}
	options := append(slices.Clip(tr.Options), libp2p.ResourceManager(resources),
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery())
	h, err := libp2p.New(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// TwoHosts returns two hosts on loopback, the first connected to the second.
func TwoHosts() (a, b host.Host) {
	a, err := libp2p.New(libp2p.ListenAddrStrings(tcpAddr))
	if err != nil {
		log.Fatal(err)
	}
	b, err = libp2p.New(libp2p.ListenAddrStrings(tcpAddr))
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Connect(context.Background(), peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()}); err != nil {
		log.Fatal(err)
	}
	return a, b
}

// Held sums up what a host holds for the protocols and streams of a peer.
func Held(h host.Host, other peer.ID) (sum network.ScopeStat) {
	stat := h.Network().ResourceManager().(rcmgr.ResourceManagerState).Stat()
	for _, s := range stat.Protocols {
		sum.NumStreamsInbound += s.NumStreamsInbound
		sum.NumStreamsOutbound += s.NumStreamsOutbound
		sum.Memory += s.Memory
	}
	s := stat.Peers[other]
	sum.NumStreamsInbound += s.NumStreamsInbound
	sum.NumStreamsOutbound += s.NumStreamsOutbound
	for _, conn := range h.Network().ConnsToPeer(other) {
		s.Memory -= conn.(interface{ Scope() network.ConnScope }).Scope().Stat().Memory
	}
	sum.Memory += s.Memory
	return sum
}

// Streams counts a host's open streams.
func Streams(h interface{ Network() network.Network }) (n int) {
	for _, conn := range h.Network().Conns() {
		n += len(conn.GetStreams())
	}
	return n
}

// Relayed returns two hosts, of which the second is reached over a relay alone, and its address there.
func Relayed(t *testing.T) (client, server host.Host, addr multiaddr.Multiaddr) {
	t.Helper()
	newHost := func(options ...libp2p.Option) host.Host {
		h, err := libp2p.New(append(options, libp2p.DisableMetrics())...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		return h
	}
	relay := newHost(libp2p.ListenAddrStrings(tcpAddr), libp2p.EnableRelayService(), libp2p.ForceReachabilityPublic())
	client = newHost(libp2p.NoListenAddrs, libp2p.EnableRelay())
	server = newHost(libp2p.NoListenAddrs, libp2p.EnableRelay())
	at := peer.AddrInfo{ID: relay.ID(), Addrs: relay.Addrs()}
	simtest.WaitFor(t, "the relay to serve", func() bool { return Speaks(relay, proto.ProtoIDv2Hop) })
	if err := server.Connect(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if _, err := circuit.Reserve(t.Context(), server, at); err != nil {
		t.Fatal(err)
	}
	via, err := peer.AddrInfoToP2pAddrs(&at)
	if err != nil {
		t.Fatal(err)
	}
	return client, server, via[0].Encapsulate(multiaddr.StringCast("/p2p-circuit"))
}
