package beacon_test

import (
	"bufio"
	"bytes"
	"context"
	"iter"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/race"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/mainnet"
)

// A quietHost takes streams that are handed to it, and has no network.
type quietHost struct {
	host.Host
	handlers  map[protocol.ID]network.StreamHandler
	notifiees map[network.Notifiee]bool
}

func newQuietHost() *quietHost {
	return &quietHost{
		handlers:  make(map[protocol.ID]network.StreamHandler),
		notifiees: make(map[network.Notifiee]bool),
	}
}

func (h *quietHost) SetStreamHandler(id protocol.ID, handler network.StreamHandler) {
	h.handlers[id] = handler
}

func (h *quietHost) RemoveStreamHandler(id protocol.ID) { delete(h.handlers, id) }
func (h *quietHost) ID() peer.ID                        { return "" }
func (h *quietHost) ConnManager() connmgr.ConnManager   { return connmgr.NullConnMgr{} }
func (h *quietHost) Network() network.Network           { return quietNetwork{host: h} }

// ask has a request served and returns its stream.
func (h *quietHost) ask(id protocol.ID, request []byte) *memoryStream {
	s := &memoryStream{id: id, r: bytes.NewReader(request)}
	h.handlers[id](s)
	return s
}

type quietNetwork struct {
	network.Network
	host *quietHost
}

func (n quietNetwork) Notify(f network.Notifiee)     { n.host.notifiees[f] = true }
func (n quietNetwork) StopNotify(f network.Notifiee) { delete(n.host.notifiees, f) }
func (quietNetwork) Conns() []network.Conn           { return nil }

type quietConn struct{ network.Conn }

func (quietConn) RemotePeer() peer.ID                { return "peer" }
func (quietConn) IsClosed() bool                     { return false }
func (quietConn) ConnState() network.ConnectionState { return network.ConnectionState{} }

// A memoryStream holds a request, and counts what is written. It costs nothing: what
// a server allocates with it is what it allocates over plain streams.
type memoryStream struct {
	network.Stream
	id      protocol.ID
	r       *bytes.Reader
	written int
	writes  int
}

func (s *memoryStream) Read(b []byte) (int, error) { return s.r.Read(b) }
func (s *memoryStream) Write(b []byte) (int, error) {
	s.written += len(b)
	s.writes++
	return len(b), nil
}
func (s *memoryStream) Protocol() protocol.ID                        { return s.id }
func (s *memoryStream) Scope() network.StreamScope                   { return &network.NullScope{} }
func (s *memoryStream) Conn() network.Conn                           { return quietConn{} }
func (s *memoryStream) SetReadDeadline(time.Time) error              { return nil }
func (s *memoryStream) SetWriteDeadline(time.Time) error             { return nil }
func (s *memoryStream) CloseWrite() error                            { return nil }
func (s *memoryStream) Close() error                                 { return nil }
func (s *memoryStream) ResetWithError(network.StreamErrorCode) error { return nil }

// largeBlock is a block of 100 KiB that compresses to about 0.6: the last block of
// the test chain with transactions of half random bytes.
var largeBlock = sync.OnceValue(func() *beacon.Block {
	head := devBlock(headSlot)
	signed := must(devNetwork().DecodeBlock(head.Fork, head.SSZ)).(*mainnet.SignedBeaconBlockElectra)
	body := &signed.Message.Body.ExecutionPayload
	random := rand.New(rand.NewPCG(1, 2))
	for size := len(head.SSZ); size < 100<<10; size += 504 {
		tx := make([]byte, 500)
		for i := range tx[:300] {
			tx[i] = byte(random.Uint32())
		}
		body.Transactions = append(body.Transactions, tx)
	}
	b := *head
	b.SSZ = must(signed.MarshalSSZ())
	b.Root = must(signed.BlockRoot())
	b.Frames = frames(b.SSZ)
	return &b
})

// A repeatingChain has the same block in every slot.
type repeatingChain struct{ *memoryChain }

func newRepeatingChain(b *beacon.Block) repeatingChain {
	c := newMemoryChain(beacon.Status{}, []*beacon.Block{b})
	for slot := b.Slot; slot < b.Slot+128; slot++ {
		c.bySlot[slot] = b
		c.status.HeadSlot = slot
	}
	return repeatingChain{c}
}

const blocksPerRequest = 128

func newQuietServer(t testing.TB) *quietHost {
	t.Helper()
	h := newQuietHost()
	srv := beacon.NewServer(h, devNetwork(), newRepeatingChain(largeBlock()), &beacon.ServerOptions{Now: devNow})
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop(context.Background()) })
	return h
}

func rangeOfLargeBlocks() []byte { return payload(uints(uint64(headSlot), blocksPerRequest, 1)) }

// A block costs the server at most 4 allocations and 1 KiB, the share of its
// request's included.
func TestServingABlockTakesLittleMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("pools keep nothing under the race detector")
	}
	h, request := newQuietServer(t), rangeOfLargeBlocks()
	h.ask(idByRange, request) // fills the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := h.ask(idByRange, request)
	runtime.ReadMemStats(&after)
	if want := blocksPerRequest * len(chunk(largeBlock())); s.written != want || s.writes != blocksPerRequest {
		t.Fatalf("%d bytes were written in %d pieces, want %d in %d", s.written, s.writes, want, blocksPerRequest)
	}
	allocs := float64(after.Mallocs-before.Mallocs) / blocksPerRequest
	size := float64(after.TotalAlloc-before.TotalAlloc) / blocksPerRequest
	t.Logf("%.2f allocations, %.0f bytes", allocs, size)
	if allocs > 4 || size > 1<<10 {
		t.Errorf("%.2f allocations of %.0f bytes for each block", allocs, size)
	}
}

// repeatingColumns has the same sidecar for every column of every block.
type repeatingColumns struct {
	*beacontest.Chain
	sidecar *beacontest.Item
}

func (c repeatingColumns) DataColumnSidecarsByRange(
	_ context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for slot := start; uint64(slot-start) < count; slot++ {
			for _, column := range columns {
				ref := beacon.Ref{Kind: beacon.KindDataColumnSidecar, Slot: slot, Root: ssz.Root{byte(slot)}, Index: column}
				ref.Size, ref.FramesSize = len(c.sidecar.SSZ), len(c.sidecar.Frames)
				if !yield(ref, nil) {
					return
				}
			}
		}
	}
}

func (c repeatingColumns) Sources() beacon.Sources { return beacontest.SourcesOf(c) }

func (c repeatingColumns) AppendFrames(_ context.Context, _ beacon.Ref, dst []byte) ([]byte, error) {
	return append(dst, c.sidecar.Frames...), nil
}

// Sidecars come by the hundred, so that each may cost next to nothing.
func TestServingASidecarTakesNoMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("pools keep nothing under the race detector")
	}
	h, columns := newQuietHost(), []uint64{0, 1, 2, 3, 4, 5, 6, 7}
	chain := repeatingColumns{fullChain(), fullChain().Columns[0]}
	srv := beacon.NewServer(h, beacontest.Network(), chain, &beacon.ServerOptions{Now: inSlot(beacontest.Head)})
	must(0, srv.Start())
	t.Cleanup(func() { _ = srv.Stop(context.Background()) })
	request := encode(&ssz.DataColumnSidecarsByRangeRequest{StartSlot: fuluSlot, Count: 100, Columns: columns})
	h.ask(id("data_column_sidecars_by_range", 1), request) // fills the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := h.ask(id("data_column_sidecars_by_range", 1), request)
	runtime.ReadMemStats(&after)
	if s.writes != 800 {
		t.Fatalf("%d sidecars were written, want 800", s.writes)
	}
	if allocs := float64(after.Mallocs-before.Mallocs) / 800; allocs > 0.5 {
		t.Errorf("%.2f allocations for each sidecar", allocs)
	}
}

func BenchmarkServeBlocks(b *testing.B) {
	h, request := newQuietServer(b), rangeOfLargeBlocks()
	b.ReportAllocs()
	b.SetBytes(int64(blocksPerRequest * len(chunk(largeBlock()))))
	for b.Loop() {
		h.ask(idByRange, request)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/blocksPerRequest, "ns/block")
}

// BenchmarkReceiveBlock splits what a block costs a client.
func BenchmarkReceiveBlock(b *testing.B) {
	block := largeBlock()
	spec := row(beacon.NewFamily(devNetwork()), "beacon_blocks_by_range", 2).Spec()
	signed := must(devNetwork().DecodeBlock(block.Fork, block.SSZ))
	for _, part := range []struct {
		name string
		run  func()
	}{
		{"read", func() {
			r := bufio.NewReader(bytes.NewReader(chunk(block)))
			must(0, spec.Codec().ReadResponse(r, idByRange, spec.Limits().MaxResponse, new(beacon.Block)))
		}},
		{"check", func() { must(0, devNetwork().CheckBlock(block.Fork, block.SSZ)) }},
		{"check and decode", func() { must(devNetwork().DecodeBlock(block.Fork, block.SSZ)) }},
		{"root", func() { must(signed.BlockRoot()) }},
	} {
		b.Run(part.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(block.SSZ)))
			for b.Loop() {
				part.run()
			}
		})
	}
}
