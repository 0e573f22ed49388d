package rangesync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// serveStore has a host serve a store until the test ends.
func serveStore(t *testing.T, h host.Host, s *store.Store) {
	t.Helper()
	srv := beacon.NewServer(h, devchain.Network(), s, nil)
	must(t, srv.Start())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Stop(ctx)
	})
}

// handshake returns what is synced from.
func handshake(t *testing.T, client, server host.Host) rangesync.Source {
	t.Helper()
	from := source(client, server, beacon.Status{})
	var err error
	if from.Status, err = from.Client.Status(t.Context(), server.ID(), beacon.Status{}); err != nil {
		t.Fatal(err)
	}
	return from
}

// finalizedStore returns a store that knows the chain's finalized checkpoint.
func finalizedStore(t *testing.T, blocks ...*beacon.Block) *store.Store {
	t.Helper()
	s := newStore(t, blocks...)
	must(t, s.SetSource(t.Context(), beacon.Status{
		FinalizedEpoch: devchain.FinalizedEpoch, FinalizedRoot: devchain.FinalizedRoot(),
		HeadSlot: devchain.HeadSlot, HeadRoot: devchain.HeadRoot(),
	}))
	return s
}

func TestSyncFromServer(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		serveStore(t, server, finalizedStore(t, dev(60, 142)...))
		from := handshake(t, client, server)
		s := newStore(t)
		result, err := rangesync.Run(t.Context(), from, s, nil)
		if err != nil || result.Earliest != 60 || result.Trust != rangesync.TrustFinalized {
			t.Errorf("result %+v, %v", result, err)
		}
		checkStored(t, s, dev(60, 142))

		_, err = rangesync.Run(t.Context(), from, newStore(t), &rangesync.Options{From: 59})
		if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Code != reqresp.CodeResourceUnavailable {
			t.Errorf("error %v of blocks that are not served", err)
		}
	})
}

func TestWholeChainOverTCP(t *testing.T) {
	t.Parallel()
	client, server := tcpHost(t), tcpHost(t)
	client.Peerstore().AddAddrs(server.ID(), server.Addrs(), peerstore.PermanentAddrTTL)
	serveStore(t, server, finalizedStore(t, dev(1, 142)...))
	s := newStore(t)
	result, err := rangesync.Run(t.Context(), handshake(t, client, server), s, &rangesync.Options{TrustedRoot: devchain.FinalizedRoot()})
	if err != nil {
		t.Fatal(err)
	}
	if result.Blocks != 142 || result.Head != devchain.HeadRoot() || result.TrustedSlot != devchain.FinalizedSlot || result.Trust != rangesync.TrustGiven {
		t.Errorf("result %+v", result)
	}
	if !s.Info().Confirmed {
		t.Error("what the peer says of its finalized block is not confirmed")
	}
	checkStored(t, s, dev(1, 142))
}

func tcpHost(t *testing.T) host.Host {
	t.Helper()
	h, err := libp2p.New(
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}
