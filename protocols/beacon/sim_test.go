package beacon_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The protocol IDs, as the consensus specs spell them.
const (
	idStatusV1   protocol.ID = "/eth2/beacon_chain/req/status/1/ssz_snappy"
	idStatusV2   protocol.ID = "/eth2/beacon_chain/req/status/2/ssz_snappy"
	idGoodbye    protocol.ID = "/eth2/beacon_chain/req/goodbye/1/ssz_snappy"
	idPing       protocol.ID = "/eth2/beacon_chain/req/ping/1/ssz_snappy"
	idMetaDataV2 protocol.ID = "/eth2/beacon_chain/req/metadata/2/ssz_snappy"
	idMetaDataV3 protocol.ID = "/eth2/beacon_chain/req/metadata/3/ssz_snappy"
	idByRange    protocol.ID = "/eth2/beacon_chain/req/beacon_blocks_by_range/2/ssz_snappy"
	idByRoot     protocol.ID = "/eth2/beacon_chain/req/beacon_blocks_by_root/2/ssz_snappy"
)

const oneWay = simtest.OneWay

// simulate runs f with two hosts on a simulated network, in a bubble of virtual
// time. The hosts know of each other, but are not connected.
func simulate(t *testing.T, f func(t *testing.T, client, server host.Host)) {
	t.Helper()
	simtest.Pair(t, simtest.Options{}, f)
}

// connect has one host dial another.
func connect(t testing.TB, from, to host.Host) {
	t.Helper()
	if err := from.Connect(t.Context(), peer.AddrInfo{ID: to.ID()}); err != nil {
		t.Fatal(err)
	}
}

// devChain is the test chain with its finalized checkpoint.
func devChain() *memoryChain {
	finalized := beacon.Status{FinalizedEpoch: finalEpoch, FinalizedRoot: devBlock(finalizedSlot).Root}
	return newMemoryChain(finalized, devBlocks())
}

// serve starts a server of the test network that is stopped with the test. Its
// clock is devNow unless the options have another.
func serve(t testing.TB, h host.Host, chain beacon.Chain, opts beacon.ServerOptions) *beacon.Server {
	t.Helper()
	return serveOn(t, h, devNetwork(), chain, opts)
}

func serveOn(t testing.TB, h host.Host, n *ssz.Network, chain beacon.Chain, opts beacon.ServerOptions) *beacon.Server {
	t.Helper()
	if opts.Now == nil {
		opts.Now = devNow
	}
	srv := beacon.NewServer(h, n, chain, &opts)
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

func newClient(h host.Host) *beacon.Client {
	return beacon.NewClient(h, beacon.NewFamily(devNetwork()), nil)
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

// ask sends a request written by hand and returns all that answers it.
func ask(t testing.TB, from, to host.Host, id protocol.ID, request []byte) ([]byte, error) {
	t.Helper()
	stream := openRaw(t, from, to, id)
	if _, err := stream.Write(request); err != nil {
		t.Fatal(err)
	}
	// A request without bytes is negotiated by this. A server that has seen enough reads no more, which
	// may be known here already.
	_ = stream.CloseWrite()
	return io.ReadAll(stream)
}

// answerRaw answers every request for a protocol with what respond returns, and
// ends the stream.
func answerRaw(t testing.TB, h host.Host, id protocol.ID, respond func(request []byte) []byte) {
	t.Helper()
	h.SetStreamHandler(id, func(stream network.Stream) {
		request, err := io.ReadAll(stream)
		if err != nil {
			_ = stream.Reset()
			return
		}
		_, _ = stream.Write(respond(request))
		_ = stream.Close()
	})
	t.Cleanup(func() { h.RemoveStreamHandler(id) })
}

// collect ranges over a response to its end.
func collect(seq func(func(*beacon.Block, error) bool)) (blocks []*beacon.Block, err error) {
	for b, err := range seq {
		if err != nil {
			return blocks, err
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

func slotsOf(blocks []*beacon.Block) (slots []ssz.Slot) {
	for _, b := range blocks {
		slots = append(slots, b.Slot)
	}
	return slots
}

func slotRange(first, last ssz.Slot) (slots []ssz.Slot) {
	for slot := first; slot <= last; slot++ {
		slots = append(slots, slot)
	}
	return slots
}
