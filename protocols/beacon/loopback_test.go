package beacon_test

import (
	"bytes"
	"errors"
	"io"
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

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
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

// overLoopback runs f with two hosts that know of each other, for every transport.
func overLoopback(t *testing.T, f func(t *testing.T, client, server host.Host)) {
	for name, options := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := simtest.NewHost(t, options...), simtest.NewHost(t, options...)
			client.Peerstore().AddAddrs(server.ID(), server.Addrs(), peerstore.PermanentAddrTTL)
			f(t, client, server)
		})
	}
}

func TestNodesOverLoopback(t *testing.T) {
	overLoopback(t, func(t *testing.T, client, server host.Host) {
		dialer := serve(t, client, devChain(), beacon.ServerOptions{})
		meta := func() ssz.MetaDataV3 { return testMetaData }
		listener := serve(t, server, devChain(), beacon.ServerOptions{MetaData: meta})
		connect(t, client, server)
		simtest.WaitFor(t, "both statuses", func() bool {
			_, here := dialer.PeerStatus(server.ID())
			_, there := listener.PeerStatus(client.ID())
			return here && there
		})
		c := dialer.Client()
		blocks, err := collect(c.BlocksByRange(t.Context(), server.ID(), firstSlot, 128))
		if err != nil || blockList(blocks).String() != blockList(devBlocks()).String() {
			t.Errorf("by range: got slots %d, %v", slotsOf(blocks), err)
		}
		blocks, err = collect(c.BlocksByRoot(t.Context(), server.ID(), rootsOf(84, 44)))
		if err != nil || blockList(blocks).String() != (blockList{devBlock(84), devBlock(44)}).String() {
			t.Errorf("by root: got slots %d, %v", slotsOf(blocks), err)
		}
		if seq, err := c.Ping(t.Context(), server.ID(), 1); err != nil || seq != 9 {
			t.Errorf("ping: got %d, %v", seq, err)
		}
		if md, err := c.MetaData(t.Context(), server.ID()); err != nil || *md != testMetaData {
			t.Errorf("metadata: got %+v, %v", md, err)
		}
		_, err = collect(c.BlocksByRange(t.Context(), server.ID(), firstSlot-1, 1))
		if e, ok := errors.AsType[*reqresp.Error](err); !ok || !e.Remote || e.Code != reqresp.CodeResourceUnavailable {
			t.Errorf("unavailable range: got %v", err)
		}
		if err := listener.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		simtest.WaitFor(t, "the end of the connection", func() bool { return !connected(client, server) })
		simtest.WaitFor(t, "the status to be forgotten", func() bool { return len(dialer.PeerStatuses()) == 0 })
	})
}

func TestMalformedRequestsAreToldSoOverLoopback(t *testing.T) {
	overLoopback(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		for _, tt := range malformedRequests {
			if tt.open {
				continue // some of these take their timeout
			}
			answer, err := ask(t, client, server, tt.id, tt.wire)
			if err != nil {
				t.Errorf("%s: the stream ended with %v", tt.name, err)
			}
			if _, err := readVerdict(answer, reqresp.CodeInvalidRequest); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		// The verdict does not wait for what nobody reads.
		stream := openRaw(t, client, server, idPing)
		_, _ = stream.Write(join(ping7, make([]byte, 10_000))) // which may be stopped
		answer, err := io.ReadAll(stream)
		if _, verr := readVerdict(answer, reqresp.CodeInvalidRequest); err != nil || verr != nil {
			t.Errorf("unread rest: %v, %v", err, verr)
		}
	})
}

func TestIrrelevantPeersOverLoopback(t *testing.T) {
	overLoopback(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{})
		goodbyes := newLeaver(t, client)
		theirs := greetings()[8].status()
		connect(t, client, server)
		// The answer is read however soon the goodbye follows: the server leaves time for it, over QUIC too.
		answer, err := ask(t, client, server, idStatusV2, payload(must(theirs.MarshalSSZ())))
		if err != nil || !bytes.Equal(answer, success(payload(statusV2()))) {
			t.Errorf("answered with %x, %v", answer, err)
		}
		var got []byte
		simtest.WaitFor(t, "the goodbye", func() bool { got = append(got, goodbyes.take()...); return len(got) > 0 })
		if !bytes.Equal(got, []byte{byte(beacon.GoodbyeIrrelevantNetwork)}) {
			t.Errorf("goodbyes with reasons %d", got)
		}
		must(0, client.Network().ClosePeer(server.ID()))
		simtest.WaitFor(t, "the end of the connection", func() bool { return !connected(server, client) })
	})
}

func TestViolationsOverLoopback(t *testing.T) {
	overLoopback(t, func(t *testing.T, client, server host.Host) {
		connect(t, client, server)
		c := newClient(client)
		for _, hostile := range slices.Concat(hostileByRange(), truncatedByRange()) {
			answerRaw(t, server, idByRange, func([]byte) []byte { return hostile.wire })
			blocks, err := askByRange(t, c, server)
			hostile.check(t, blocks, err)
		}
	})
}
