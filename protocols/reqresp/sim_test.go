package reqresp_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/marcopolo/simnet"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const roundTrip = 2 * simtest.OneWay

// A simulation is a pair of hosts on a simulated network, in a bubble of virtual
// time.
type simulation struct {
	client, server host.Host
	down           atomic.Bool // packets take forever
}

// simulate runs f with two hosts which know of each other, but are not
// connected.
func simulate(t *testing.T, f func(t *testing.T, s *simulation)) {
	t.Helper()
	simulateAt(t, 0, f)
}

// simulateAt is simulate with links of so many bits per second, zero for a gigabit.
func simulateAt(t *testing.T, bits int, f func(t *testing.T, s *simulation)) {
	t.Helper()
	s := new(simulation)
	simtest.Run(t, simtest.Options{BitsPerSecond: bits, Latency: s.latency}, func(t *testing.T, n *simtest.Network) {
		s.client, s.server = n.Hosts[0], n.Hosts[1]
		simtest.Introduce(s.client, s.server)
		f(t, s)
	})
}

func (s *simulation) latency(*simnet.Packet) time.Duration {
	if s.down.Load() {
		return 24 * time.Hour
	}
	return simtest.OneWay
}

// connect connects the hosts and lets them identify each other.
func (s *simulation) connect(t *testing.T) {
	t.Helper()
	if err := s.client.Connect(t.Context(), peer.AddrInfo{ID: s.server.ID()}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
}

// serve starts a server that is stopped with the test.
func serve(t testing.TB, h host.Host, opts *reqresp.ServerOptions, methods ...reqresp.Handler) *reqresp.Server {
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

// serveRaw handles streams by hand. When handle returns the stream is held as it
// is, neither closed nor read, until the test ends.
func serveRaw(t testing.TB, h host.Host, id protocol.ID, handle func(network.Stream)) {
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

// openRaw opens a stream to be used by hand.
func openRaw(t testing.TB, from, to host.Host, id protocol.ID) network.Stream {
	t.Helper()
	stream, err := from.NewStream(t.Context(), to.ID(), id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Reset() })
	return stream
}

func newPeerID(t testing.TB) peer.ID {
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

// wantFailure checks that err is a failure of the phase which wraps all of the
// causes.
func wantFailure(t testing.TB, err error, phase reqresp.Phase, causes ...error) {
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

func remoteReset(code network.StreamErrorCode) error {
	return &network.StreamError{ErrorCode: code, Remote: true}
}

func drain(stream network.Stream) { _, _ = io.Copy(io.Discard, stream) }

// The protocols of the tests.
var (
	family = reqresp.Family{Prefix: "/test", Codec: textCodec{}}
	plain  = reqresp.Family{Prefix: "/plain", Codec: plainCodec{}}

	echo    = reqresp.NewUnary[Text, Text](family, "echo", 1)
	counter = reqresp.NewStream[Count, Text](family, "count", 1)
)

func echoed(_ context.Context, _ peer.ID, req *Text) (*Text, error) { return req, nil }

// counted sends the text "chunk" as often as asked.
func counted(_ context.Context, _ peer.ID, req *Count, send func(*Text) error) error {
	for range *req {
		if err := send(new(Text("chunk"))); err != nil {
			return err
		}
	}
	return nil
}

// collect ranges over a call to its end.
func collect[T any](seq func(func(*T, error) bool)) (all []T, err error) {
	for v, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, *v)
	}
	return all, nil
}
