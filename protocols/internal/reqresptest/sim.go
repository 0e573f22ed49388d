// Package reqresptest has what the tests of reqresp and of packages built on it share: protocols whose messages are
// texts, hosts on a simulated network and over each transport, and checks.
package reqresptest

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/marcopolo/simnet"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// RoundTrip is how long a packet and its answer are on their way.
const RoundTrip = 2 * simtest.OneWay

// A Simulation is a pair of hosts on a simulated network, in a bubble of virtual time.
type Simulation struct {
	Client, Server host.Host
	Down           atomic.Bool // packets take forever
}

// Simulate runs f with two hosts that know of each other, but are not connected.
func Simulate(t *testing.T, f func(t *testing.T, s *Simulation)) {
	t.Helper()
	SimulateAt(t, 0, f)
}

// SimulateAt is Simulate with links of so many bits per second, zero for a gigabit.
func SimulateAt(t *testing.T, bits int, f func(t *testing.T, s *Simulation)) {
	t.Helper()
	s := new(Simulation)
	simtest.Run(t, simtest.Options{BitsPerSecond: bits, Latency: s.latency}, func(t *testing.T, n *simtest.Network) {
		s.Client, s.Server = n.Hosts[0], n.Hosts[1]
		simtest.Introduce(s.Client, s.Server)
		f(t, s)
	})
}

func (s *Simulation) latency(*simnet.Packet) time.Duration {
	if s.Down.Load() {
		return 24 * time.Hour
	}
	return simtest.OneWay
}

// Connect connects the hosts and lets them identify each other.
func (s *Simulation) Connect(t *testing.T) {
	t.Helper()
	if err := s.Client.Connect(t.Context(), peer.AddrInfo{ID: s.Server.ID()}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
}

// Serve starts a server that is stopped with the test.
func Serve(t testing.TB, h host.Host, opts *reqresp.ServerOptions, methods ...reqresp.Handler) *reqresp.Server {
	t.Helper()
	srv := reqresp.NewServer(h, opts)
	srv.Register(methods...)
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Stop(ctx)
	})
	return srv
}

// ServeRaw handles streams by hand. When handle returns the stream is held as it
// is, neither closed nor read, until the test ends.
func ServeRaw(t testing.TB, h host.Host, id protocol.ID, handle func(network.Stream)) {
	t.Helper()
	ended := make(chan struct{})
	h.SetStreamHandler(id, func(stream network.Stream) {
		handle(stream)
		<-ended
		_ = stream.Reset()
	})
	t.Cleanup(func() {
		h.RemoveStreamHandler(id)
		close(ended)
	})
}

// OpenRaw opens a stream to be used by hand.
func OpenRaw(t testing.TB, from, to host.Host, id protocol.ID) network.Stream {
	t.Helper()
	stream, err := from.NewStream(t.Context(), to.ID(), id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Reset() })
	return stream
}

// NewPeerID returns the ID of no host.
func NewPeerID(t testing.TB) peer.ID {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// WantFailure checks that err is a failure of the phase which wraps all of the causes.
func WantFailure(t testing.TB, err error, phase reqresp.Phase, causes ...error) {
	t.Helper()
	f, ok := errors.AsType[*reqresp.Failure](err)
	if !ok {
		t.Fatalf("got %v (%T), want a failure in phase %v", err, err, phase)
	}
	if f.Phase != phase {
		t.Errorf("failed in phase %v, want %v: %v", f.Phase, phase, err)
	}
	for _, c := range causes {
		if !errors.Is(err, c) {
			t.Errorf("got %v, want one that wraps %v", err, c)
		}
	}
}

// RemoteReset is the error of a stream that the peer has reset with a code.
func RemoteReset(code network.StreamErrorCode) error {
	return &network.StreamError{ErrorCode: code, Remote: true}
}

// Drain reads a stream to its end.
func Drain(stream network.Stream) { _, _ = io.Copy(io.Discard, stream) }

// The protocols of the tests.
var (
	Family = reqresp.Family{Prefix: "/test", Codec: TextCodec{}}
	Plain  = reqresp.Family{Prefix: "/plain", Codec: PlainCodec{}}

	Echo    = reqresp.NewUnary[Text, Text](Family, "echo", 1)
	Notice  = reqresp.NewOneWay[Text](Family, "notice", 1)
	Counter = reqresp.NewStream[Count, Text](Family, "count", 1)
)

// Echoed answers with the request.
func Echoed(_ context.Context, _ peer.ID, req *Text) (*Text, error) { return req, nil }

// Counted sends the text "chunk" as often as asked.
func Counted(_ context.Context, _ peer.ID, req *Count, send func(*Text) error) error {
	for range *req {
		if err := send(new(Text("chunk"))); err != nil {
			return err
		}
	}
	return nil
}

// WantVerdict checks that err is an error response of the peer.
func WantVerdict(t *testing.T, name string, err error, want reqresp.Error) {
	t.Helper()
	e, ok := errors.AsType[*reqresp.Error](err)
	if !ok {
		t.Errorf("%s: got %v, want a verdict", name, err)
		return
	}
	if e.Code != want.Code || e.Message != want.Message || !e.Remote {
		t.Errorf("%s: got code %v, message %q, remote %t", name, e.Code, e.Message, e.Remote)
	}
}

// Version returns a protocol of one version.
func Version(n int) reqresp.Unary[Text, Text] {
	return reqresp.NewUnary[Text, Text](Family, "status", n)
}

// Speaks reports whether a host accepts streams of a protocol.
func Speaks(h host.Host, id protocol.ID) bool { return slices.Contains(h.Mux().Protocols(), id) }

// ConnectTwice has the hosts dial each other at the same time, and returns both
// connections as the client sees them.
func ConnectTwice(t *testing.T, s *Simulation) []network.Conn {
	t.Helper()
	s.Server.Peerstore().AddAddrs(s.Client.ID(), s.Client.Addrs(), peerstore.PermanentAddrTTL)
	done := make(chan error)
	go func() { done <- s.Client.Connect(t.Context(), peer.AddrInfo{ID: s.Server.ID()}) }()
	go func() { done <- s.Server.Connect(t.Context(), peer.AddrInfo{ID: s.Client.ID()}) }()
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(10 * time.Second)
	conns := s.Client.Network().ConnsToPeer(s.Server.ID())
	if len(conns) != 2 {
		t.Fatalf("%d connections, want 2", len(conns))
	}
	return conns
}

// Prefer makes libp2p choose a connection, that with the most streams.
func Prefer(t *testing.T, conn network.Conn, streams int) {
	t.Helper()
	for range 5 * streams {
		stream, err := conn.NewStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = stream.Reset() })
	}
}
