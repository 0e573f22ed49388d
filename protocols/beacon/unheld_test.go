package beacon_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// fuluChain is a real chain of Deneb, Electra and Fulu, of which blocks alone are held, up to a slot.
func fuluChain(head ssz.Slot) *memoryChain {
	blocks := slices.DeleteFunc(slices.Clone(beacontest.FuluBlocks()), func(b *beacon.Block) bool { return b.Slot > head })
	return newMemoryChain(beacon.Status{}, blocks)
}

// fuluNow returns a clock that stands in a slot of that chain.
func fuluNow(slot ssz.Slot) func() time.Time {
	return func() time.Time { return beacontest.FuluNetwork().TimeAt(slot) }
}

func blobRange(start ssz.Slot, count uint64) []byte { return payload(uints(uint64(start), count)) }

func columnRange(start ssz.Slot, count uint64, columns ...uint64) []byte {
	return encode(&ssz.DataColumnSidecarsByRangeRequest{StartSlot: start, Count: count, Columns: columns})
}

const (
	blobsByRange   = "blob_sidecars_by_range"
	columnsByRange = "data_column_sidecars_by_range"
)

var everyColumn = func() (all []uint64) {
	for column := range uint64(128) {
		all = append(all, column)
	}
	return all
}()

// checkAnswers asks for what is answered with nothing, or with ResourceUnavailable.
func checkAnswers(t *testing.T, client, server host.Host, tests []unheld) {
	t.Helper()
	for _, tt := range tests {
		got, err := ask(t, client, server, id(tt.method, 1), tt.request)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.code == 0 && len(got) > 0 {
			t.Errorf("%s: got %x, want nothing", tt.name, got)
		}
		if tt.code != 0 {
			if _, err := readVerdict(got, tt.code); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}

// An unheld is a request for what is not held. The code is zero if nothing is the answer.
type unheld struct {
	name    string
	method  string
	request []byte
	code    reqresp.Code
}

// A node of blocks alone is asked for sidecars on a real chain through Deneb, Electra and Fulu.
func TestSidecarsThatAreNotHeld(t *testing.T) {
	const no = reqresp.CodeResourceUnavailable
	root := func(slot ssz.Slot) ssz.Root { return fuluChain(slot).status.HeadRoot }
	blobRoots := ssz.BlobSidecarsByRootRequest{{BlockRoot: root(61)}, {BlockRoot: ssz.Root{1}, Index: 1 << 60}}
	columnRoots := ssz.DataColumnSidecarsByRootRequest{
		{BlockRoot: root(87), Columns: []uint64{0, 1}},
		{BlockRoot: ssz.Root{1}, Columns: []uint64{5}},
	}
	simulate(t, func(t *testing.T, client, server host.Host) {
		n := beacontest.FuluNetwork()
		serveOn(t, server, n, fuluChain(215), beacon.ServerOptions{Now: fuluNow(215)})
		checkAnswers(t, client, server, []unheld{
			{"blobs of a block with blobs", blobsByRange, blobRange(5, 1), no},
			{"blobs of a block without", blobsByRange, blobRange(6, 1), 0},
			{"blobs of blocks without", blobsByRange, blobRange(6, 5), 0},
			{"blobs up to a block with blobs", blobsByRange, blobRange(6, 6), no},
			{"blobs of an empty slot", blobsByRange, blobRange(29, 1), 0},
			{"blobs of electra", blobsByRange, blobRange(36, 1), no},
			{"blobs across deneb and electra", blobsByRange, blobRange(31, 5), 0},
			{"blobs up to fulu", blobsByRange, blobRange(75, 20), 0}, // slot 87 has columns
			{"blobs of fulu", blobsByRange, blobRange(80, 128), 0},
			{"all blobs", blobsByRange, blobRange(0, 1<<40), no},
			{"blobs beyond the head", blobsByRange, blobRange(216, 10), 0},
			{"columns of a block with blobs", columnsByRange, columnRange(87, 1, 3), no},
			{"columns of a block without", columnsByRange, columnRange(88, 1, everyColumn...), 0},
			{"columns of blocks without", columnsByRange, columnRange(88, 11, everyColumn...), 0},
			{"columns up to a block with blobs", columnsByRange, columnRange(88, 12, 0), no},
			{"columns of electra", columnsByRange, columnRange(0, 80, 0, 1), 0}, // slot 74 has blobs
			{"columns across electra and fulu", columnsByRange, columnRange(60, 27, 0, 1), 0},
			{"columns across electra, fulu and a block with blobs", columnsByRange, columnRange(60, 28, 0, 1), no},
			{"all columns", columnsByRange, columnRange(0, 1<<40, everyColumn...), no},
			{"columns after the last block with blobs", columnsByRange, columnRange(215, 128, 0), 0},
			{"no columns", columnsByRange, columnRange(87, 1), 0},
			{"blobs by root", "blob_sidecars_by_root", encode(&blobRoots), 0},
			{"columns by root", "data_column_sidecars_by_root", encode(&columnRoots), 0},
			{"column 128", columnsByRange, columnRange(88, 1, 128), reqresp.CodeInvalidRequest},
			{"count 0 of blobs", blobsByRange, blobRange(88, 0), reqresp.CodeInvalidRequest},
			{"overflow of columns", columnsByRange, columnRange(88, 1<<64-1, 1), reqresp.CodeInvalidRequest},
		})
		for _, b := range beacontest.FuluBlocks() {
			want := unheld{fmt.Sprintf("columns of slot %d", b.Slot), columnsByRange, columnRange(b.Slot, 1, 9), 0}
			if b.Slot < 80 {
				want.name, want.method, want.request = fmt.Sprintf("blobs of slot %d", b.Slot), blobsByRange, blobRange(b.Slot, 1)
			}
			if slices.Contains(beacontest.FuluBlobs(), b.Slot) {
				want.code = no
			}
			checkAnswers(t, client, server, []unheld{want})
		}
	})
}

// Sidecars that are older than have to be served do not count, nor do blocks that the chain lacks.
func TestSidecarsOutsideTheServeRange(t *testing.T) {
	const no = reqresp.CodeResourceUnavailable
	cfg := beacontest.FuluNetwork().Config()
	cfg.MinEpochsForBlobSidecarsRequests, cfg.MinEpochsForDataColumnSidecarsRequests = 20, 2
	genesis, root := beacontest.FuluGenesis()
	n := must(ssz.NewNetwork(cfg, genesis, root))
	simulate(t, func(t *testing.T, client, server host.Host) {
		// In epoch 26 blobs have to be served from epoch 6 on, columns from epoch 24 on.
		srv := serveOn(t, server, n, fuluChain(215), beacon.ServerOptions{Now: fuluNow(215)})
		checkAnswers(t, client, server, []unheld{
			{"old blobs", blobsByRange, blobRange(0, 48), 0},
			{"old blobs and younger ones", blobsByRange, blobRange(0, 49), no},
			{"old columns", columnsByRange, columnRange(80, 112, 0), 0},
			{"old columns and empty blocks", columnsByRange, columnRange(80, 121, 0), 0},
			{"old columns and younger ones", columnsByRange, columnRange(80, 122, 0), no},
		})
		must(0, srv.Stop(t.Context()))
		late := fuluChain(215)
		late.status.EarliestAvailableSlot = 202
		serveOn(t, server, n, late, beacon.ServerOptions{Now: fuluNow(215)})
		checkAnswers(t, client, server, []unheld{
			{"blocks that the chain lacks", columnsByRange, columnRange(192, 3, 0), no},
			{"blocks that the chain has", columnsByRange, columnRange(202, 12, 0), 0},
		})
	})
}

// A secpHost says that it has another key than its connections, one of a kind that has a node ID.
type secpHost struct {
	host.Host
	id peer.ID
}

func (h secpHost) ID() peer.ID { return h.id }

// custodyHost returns a host with the ID of a secp256k1 key, and the columns of its custody.
func custodyHost(h host.Host) (secpHost, []uint64) {
	id := must(peer.IDFromPrivateKey(must(crypto.UnmarshalSecp256k1PrivateKey(bytes.Repeat([]byte{1}, 32)))))
	return secpHost{h, id}, beacon.CustodyColumns(must(beacon.NodeIDOf(id)), 4)
}

func TestOnlyColumnsOfOurCustodyCount(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		h, ours := custodyHost(server)
		serveOn(t, h, beacontest.FuluNetwork(), fuluChain(215), beacon.ServerOptions{Now: fuluNow(215)})
		var others []uint64
		for _, column := range everyColumn {
			if !slices.Contains(ours, column) {
				others = append(others, column)
			}
		}
		const no = reqresp.CodeResourceUnavailable
		checkAnswers(t, client, server, []unheld{
			{"one of ours", columnsByRange, columnRange(87, 1, ours[3]), no},
			{"all", columnsByRange, columnRange(87, 1, everyColumn...), no},
			{"all of others", columnsByRange, columnRange(87, 1, others...), 0},
			{"ours, without blobs", columnsByRange, columnRange(88, 1, ours...), 0},
		})
	})
}

// A partialSource holds the sidecars of some slots, and of the rest of the chain blocks alone.
type partialSource struct {
	*memoryChain
	held map[ssz.Slot][]uint64 // columns by slot
	from ssz.Slot              // ranges that begin before this are not available
}

func (s *partialSource) DataColumnSidecarsByRange(
	_ context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		if start < s.from {
			yield(beacon.Ref{}, beacon.ErrUnavailable)
			return
		}
		for slot := start; slot <= s.status.HeadSlot && uint64(slot-start) < count; slot++ {
			for _, column := range s.held[slot] {
				b := s.bySlot[slot]
				ref := beacon.Ref{
					Kind: beacon.KindDataColumnSidecar, Slot: slot, Root: b.Root, Index: column, Size: len(b.SSZ),
					FramesSize: len(b.Frames),
				}
				if slices.Contains(columns, column) && !yield(ref, nil) {
					return
				}
			}
		}
	}
}

func (s *partialSource) DataColumnSidecarsByRoot(
	context.Context, []ssz.DataColumnsByRootIdentifier,
) iter.Seq2[beacon.Ref, error] {
	return nothing
}

func (s *partialSource) BlobSidecarsByRange(
	ctx context.Context, start ssz.Slot, count uint64,
) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for ref, err := range s.DataColumnSidecarsByRange(ctx, start, count, everyColumn) {
			if err == nil {
				blob := blobOf(s.bySlot[ref.Slot])
				ref.Kind = beacon.KindBlobSidecar
				ref.Size, ref.FramesSize = len(blob.SSZ), len(blob.Frames)
			}
			if !yield(ref, err) {
				return
			}
		}
	}
}

// blobOf returns what is served for a blob of a block: an object as large as a BlobSidecar.
func blobOf(b *beacon.Block) *beacon.Block {
	of := *b
	size, _ := row(beacon.NewFamily(beacontest.FuluNetwork()), "blob_sidecars_by_range", 1).SizeBounds(b.Fork)
	of.SSZ = binary.LittleEndian.AppendUint64(nil, uint64(b.Slot))
	of.SSZ = append(of.SSZ, make([]byte, size-len(of.SSZ))...)
	of.Frames = snappy.AppendFrames(nil, of.SSZ)
	return &of
}

func (s *partialSource) BlobSidecarsByRoot(context.Context, []ssz.BlobIdentifier) iter.Seq2[beacon.Ref, error] {
	return nothing
}

func (s *partialSource) Sources() beacon.Sources { return beacontest.SourcesOf(s) }

// AppendFrames has the block for a column.
func (s *partialSource) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	if ref.Kind == beacon.KindBlobSidecar {
		return append(dst, blobOf(s.bySlot[ref.Slot]).Frames...), nil
	}
	return s.memoryChain.AppendFrames(ctx, ref, dst)
}

// A spiedSource has the numbers of slots that are looked into for columns by range.
type spiedSource struct {
	*partialSource
	counts []uint64
}

func (s *spiedSource) DataColumnSidecarsByRange(
	ctx context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.Ref, error] {
	s.counts = append(s.counts, count)
	return s.partialSource.DataColumnSidecarsByRange(ctx, start, count, columns)
}

func (s *spiedSource) Sources() beacon.Sources { return beacontest.SourcesOf(s) }

// A request that there may be nothing to answer with is looked into for no more blocks than may be sent of.
func TestRequestsForWhatIsNotOfTheCustodyAreBounded(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		h, ours := custodyHost(server)
		source := &spiedSource{partialSource: &partialSource{memoryChain: blocksWithoutBlobs(80, 1000)}}
		serveOn(t, h, beacontest.FuluNetwork(), source, beacon.ServerOptions{Now: fuluNow(1000)})
		others := slices.DeleteFunc(slices.Clone(everyColumn), func(c uint64) bool { return slices.Contains(ours, c) })
		checkAnswers(t, client, server, []unheld{
			{"no columns", columnsByRange, columnRange(80, 1<<40), 0},
			{"columns of others", columnsByRange, columnRange(80, 1<<40, others...), 0},
			{"no columns of a range that overflows", columnsByRange, columnRange(60, 1<<64-1), reqresp.CodeInvalidRequest},
		})
		if len(source.counts) != 1 || source.counts[0] != 128 {
			t.Errorf("%d slots are looked into, want 128 once", source.counts)
		}
	})
}

// What a source holds is sent, whole blocks alone, up to the first block whose sidecars are not held.
func TestSourcesThatHoldOnlySome(t *testing.T) {
	const no = reqresp.CodeResourceUnavailable
	simulate(t, func(t *testing.T, client, server host.Host) {
		h, ours := custodyHost(server)
		source := &partialSource{memoryChain: fuluChain(215), held: map[ssz.Slot][]uint64{
			5: {0, 1}, 17: {0}, 23: {0}, // blobs: the block of slot 17 has two
			87: ours, 99: ours, 112: ours[:2], 125: append([]uint64{ours[0] + 1}, ours...), 150: ours,
		}}
		serveOn(t, h, beacontest.FuluNetwork(), source, beacon.ServerOptions{Now: fuluNow(215)})
		for _, tt := range []struct {
			name    string
			method  string
			request []byte
			from    ssz.Slot
			want    []ssz.Slot // of a sidecar each
			code    reqresp.Code
		}{
			{"blobs", blobsByRange, blobRange(0, 11), 0, []ssz.Slot{5, 5}, 0},
			{"blobs that lack", blobsByRange, blobRange(0, 12), 0, []ssz.Slot{5, 5}, no},
			{"a blob that lacks", blobsByRange, blobRange(17, 10), 0, nil, no},
			{"the blob after", blobsByRange, blobRange(18, 10), 0, []ssz.Slot{23}, 0},
			{"blobs that begin later", blobsByRange, blobRange(0, 11), 5, []ssz.Slot{5, 5}, 0},
			{"blobs that begin too late", blobsByRange, blobRange(0, 11), 6, nil, no},
			{"columns", columnsByRange, columnRange(60, 50, ours...), 0, repeatSlots(4, 87, 99), 0},
			{"columns that lack", columnsByRange, columnRange(60, 128, ours...), 0, repeatSlots(4, 87, 99), no},
			{"columns of others", columnsByRange, columnRange(60, 150, ours[0]+1), 0, []ssz.Slot{125}, 0},
			{"some columns that lack", columnsByRange, columnRange(100, 20, ours[1], ours[2]), 0, nil, no},
			{"some columns that do not", columnsByRange, columnRange(100, 20, ours[0], ours[1]), 0, repeatSlots(2, 112), 0},
			{"columns of all", columnsByRange, columnRange(113, 20, everyColumn...), 0, repeatSlots(5, 125), 0},
			{"none but of blocks without blobs", columnsByRange, columnRange(88, 11, ours...), 0, nil, 0},
			{"columns that begin later", columnsByRange, columnRange(80, 25, ours...), 87, repeatSlots(4, 87, 99), 0},
			{"columns that begin too late", columnsByRange, columnRange(80, 25, ours...), 88, nil, no},
			{"nothing before the beginning", columnsByRange, columnRange(88, 11, ours...), 150, nil, 0},
			{"others before the beginning", columnsByRange, columnRange(87, 1, ours[0]+1), 150, nil, 0},
		} {
			source.from = tt.from
			var want []byte
			for _, slot := range tt.want {
				of := source.bySlot[slot]
				if tt.method == blobsByRange {
					of = blobOf(of)
				}
				want = append(want, chunk(of)...)
			}
			got, err := ask(t, client, server, id(tt.method, 1), tt.request)
			if err != nil || !bytes.HasPrefix(got, want) {
				t.Errorf("%s: got %d bytes, %v, want %d first", tt.name, len(got), err, len(want))
				continue
			}
			if rest := got[len(want):]; tt.code == 0 && len(rest) > 0 {
				t.Errorf("%s: ended with %.60x", tt.name, rest)
			} else if tt.code != 0 {
				if _, err := readVerdict(rest, tt.code); err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
			}
		}
	})
}

// repeatSlots returns each of some slots a number of times.
func repeatSlots(times int, slots ...ssz.Slot) (all []ssz.Slot) {
	for _, slot := range slots {
		all = append(all, slices.Repeat([]ssz.Slot{slot}, times)...)
	}
	return all
}

// Metadata, status and what is served agree.
func TestNodesOfBlocksAloneInFulu(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		h, _ := custodyHost(server)
		n := beacontest.FuluNetwork()
		serveOn(t, h, n, fuluChain(213), beacon.ServerOptions{Now: fuluNow(215)})
		c := beacon.NewClient(client, beacon.NewFamily(n), nil)
		md := must(c.MetaData(t.Context(), server.ID()))
		if md.CustodyGroupCount != 4 {
			t.Errorf("%d custody groups", md.CustodyGroupCount)
		}
		status := must(c.Status(t.Context(), server.ID(), beacon.Status{ForkDigest: n.DigestAt(26)}))
		if status.HeadSlot != 213 || status.EarliestAvailableSlot != 202 { // slot 201 has blobs
			t.Errorf("status %+v", status)
		}
		for d, err := range c.DataColumnSidecarsByRange(t.Context(), server.ID(), status.EarliestAvailableSlot,
			20, everyColumn) {
			t.Errorf("from the earliest slot on: %v, %v", d, err)
		}
		for b, err := range c.BlobSidecarsByRange(t.Context(), server.ID(), status.EarliestAvailableSlot, 20) {
			t.Errorf("from the earliest slot on: %v, %v", b, err)
		}
		// Blocks before it are served nonetheless.
		slots := 0
		for _, err := range c.BlocksByRange(t.Context(), server.ID(), 1, 128) {
			if slots++; err != nil {
				t.Fatal(err)
			}
		}
		if slots < 100 {
			t.Errorf("%d blocks", slots)
		}
	})
}

// A lookedChain counts the blocks whose frames are read.
type lookedChain struct {
	*memoryChain
	looks atomic.Int64
}

func (c *lookedChain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	c.looks.Add(1)
	return c.memoryChain.AppendFrames(ctx, ref, dst)
}

// setHead makes the block of a slot the head, and removes those after it from the canonical chain.
func (c *memoryChain) setHead(slot ssz.Slot, all *memoryChain) {
	clear(c.bySlot)
	for s := ssz.Slot(0); s <= slot; s++ {
		if b := all.bySlot[s]; b != nil {
			c.bySlot[s], c.byRoot[b.Root] = b, b
			c.status.HeadSlot, c.status.HeadRoot = s, b.Root
		}
	}
}

func TestEarliestSlotFollowsHeadPruningAndClock(t *testing.T) {
	cfg := beacontest.FuluNetwork().Config()
	cfg.MinEpochsForBlobSidecarsRequests, cfg.MinEpochsForDataColumnSidecarsRequests = 15, 5
	genesis, root := beacontest.FuluGenesis()
	n := must(ssz.NewNetwork(cfg, genesis, root))
	all := fuluChain(215)
	chain := &lookedChain{memoryChain: fuluChain(80)}
	var clock setClock
	simulate(t, func(t *testing.T, _, server host.Host) {
		srv := serveOn(t, server, n, chain, beacon.ServerOptions{Now: clock.now})
		for _, tt := range []struct {
			name     string
			now      ssz.Slot
			head     ssz.Slot
			earliest ssz.Slot // that of the blocks
			want     ssz.Slot
			looks    int64 // at most
		}{
			{"before fulu", 79, 79, 0, 0, 0},
			{"the first of fulu", 80, 80, 0, 75, 10}, // slot 74 has blobs
			{"the same", 80, 80, 0, 75, 0},
			{"some more", 86, 86, 0, 75, 8},
			{"one with blobs", 87, 87, 0, 88, 2},
			{"some after it", 98, 98, 0, 88, 12},
			{"a reorganization", 98, 95, 0, 88, 12},
			{"and on", 101, 101, 0, 100, 12},
			{"no new blocks, until that is old", 137, 101, 0, 100, 0},
			{"when it is", 144, 101, 0, 75, 64}, // of epoch 18: blobs, those of slot 74 as well, are from epoch 3 on
			{"pruned", 144, 101, 60, 75, 64},
			{"pruned further", 144, 101, 75, 75, 0},
			{"pruned beyond it", 144, 101, 90, 90, 0},
			{"much later", 215, 215, 0, 215, 10},
		} {
			clock.set(n.TimeAt(tt.now))
			chain.setHead(tt.head, all)
			chain.status.EarliestAvailableSlot = tt.earliest
			chain.looks.Store(0)
			status := must(srv.Status(t.Context()))
			if status.EarliestAvailableSlot != tt.want {
				t.Errorf("%s: earliest slot %d, want %d", tt.name, status.EarliestAvailableSlot, tt.want)
			}
			if got := chain.looks.Load(); got > tt.looks {
				t.Errorf("%s: looked at %d blocks, want %d at most", tt.name, got, tt.looks)
			}
		}
	})
}

// A request that has blocks looked into is charged for each before it is read.
func TestBlocksThatAreLookedIntoAreCharged(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request []byte
		source  bool       // of the sidecars of no block
		want    []ssz.Slot // of the blocks that are read
	}{
		{"no source", columnRange(95, 20, 0), false, []ssz.Slot{95, 96, 97, 98, 99}}, // slot 99 has blobs
		{"a source that holds none", columnRange(95, 20, 0), true, []ssz.Slot{95, 96, 97, 98, 99}},
		{"no slots", columnRange(216, 9, 0), false, nil},
	} {
		simulate(t, func(t *testing.T, client, server host.Host) {
			pacer := new(notingPacer)
			blocks := fuluChain(215)
			var chain beacon.Chain = notingChain{blocks, pacer}
			if tt.source {
				chain = notingSource{&partialSource{memoryChain: blocks}, chain}
			}
			srv := serveOn(t, server, beacontest.FuluNetwork(), chain, beacon.ServerOptions{Now: fuluNow(215), Limiter: pacer})
			must(ask(t, client, server, id(columnsByRange, 1), tt.request))
			must(0, srv.Stop(t.Context()))
			var costs []reqresp.Cost
			calls := slices.Repeat([]string{"reserve", "fetch", "settle"}, len(tt.want))
			for _, slot := range tt.want {
				read := reqresp.Cost{Bytes: uint64(len(blocks.bySlot[slot].Frames))}
				costs = append(costs, read, read)
			}
			if !slices.Equal(pacer.costs, costs) {
				t.Errorf("%s: charged %+v, want %+v", tt.name, pacer.costs, costs)
			}
			if calls = append(calls, "release"); !slices.Equal(pacer.calls, calls) {
				t.Errorf("%s: got %q, want %q", tt.name, pacer.calls, calls)
			}
		})
	}
}

// A notingSource is a partialSource whose blocks are another's.
type notingSource struct {
	*partialSource
	blocks beacon.Chain
}

func (s notingSource) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	return s.blocks.AppendFrames(ctx, ref, dst)
}

// A failingChain cannot read the block of a slot.
type failingChain struct {
	lookedChain
	slot ssz.Slot
}

func (c *failingChain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	if ref.Slot == c.slot {
		c.looks.Add(1)
		return nil, errors.New("disk failure")
	}
	return c.lookedChain.AppendFrames(ctx, ref, dst)
}

// A block that cannot be read for a while raises the earliest slot only that long.
func TestEarliestSlotAfterAnErrorOfTheChain(t *testing.T) {
	all := fuluChain(215)
	chain := &failingChain{lookedChain: lookedChain{memoryChain: fuluChain(80)}}
	simulate(t, func(t *testing.T, _, server host.Host) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		srv := serveOn(t, server, beacontest.FuluNetwork(), chain, beacon.ServerOptions{Now: fuluNow(215), Logger: logger})
		for _, tt := range []struct {
			name  string
			head  ssz.Slot
			slot  ssz.Slot // cannot be read
			want  ssz.Slot
			looks int64 // at most
			lines int   // logged
		}{
			{"an older block", 86, 82, 83, 16, 1},
			{"the same", 86, 82, 83, 1, 0},
			{"under another head", 98, 94, 95, 12, 1},
			{"read again", 98, 0, 88, 10, 0}, // slot 87 has blobs
			{"the head", 101, 101, 102, 1, 1},
			{"read again", 101, 0, 100, 12, 0}, // slot 99 has blobs
		} {
			chain.setHead(tt.head, all)
			chain.slot = tt.slot
			chain.looks.Store(0)
			log.Reset()
			if got := must(srv.Status(t.Context())).EarliestAvailableSlot; got != tt.want {
				t.Errorf("%s: earliest slot %d, want %d", tt.name, got, tt.want)
			}
			if got := chain.looks.Load(); got > tt.looks {
				t.Errorf("%s: looked at %d blocks, want %d at most", tt.name, got, tt.looks)
			}
			if got := strings.Count(log.String(), "\n"); got != tt.lines {
				t.Errorf("%s: %d lines were logged, want %d: %s", tt.name, got, tt.lines, log.String())
			}
		}
	})
}

// A chain whose head is far in the future has no more looked into than the slots up to now.
func TestEarliestSlotOfAHeadInTheFuture(t *testing.T) {
	for _, head := range []ssz.Slot{1 << 40, 1<<64 - 1} {
		chain := fuluChain(98)
		chain.status.HeadSlot = head
		var clock setClock
		simulate(t, func(t *testing.T, _, server host.Host) {
			n := beacontest.FuluNetwork()
			clock.set(n.TimeAt(90))
			srv := serveOn(t, server, n, &boundedChain{Chain: chain, left: 20}, beacon.ServerOptions{Now: clock.now})
			for _, tt := range []struct{ now, want ssz.Slot }{{90, 88}, {98, 88}, {86, 75}} { // slots 74 and 87 have blobs
				clock.set(n.TimeAt(tt.now))
				status, err := srv.Status(t.Context())
				if err != nil || status.EarliestAvailableSlot != tt.want {
					t.Errorf("head %d in slot %d: earliest slot %d, want %d: %v",
						head, tt.now, status.EarliestAvailableSlot, tt.want, err)
				}
			}
		})
	}
}

// A boundedChain lists a number of ranges, and is reorganized then.
type boundedChain struct {
	beacon.Chain
	left int
}

func (c *boundedChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	if c.left--; c.left < 0 {
		return func(yield func(beacon.Ref, error) bool) { yield(beacon.Ref{}, beacon.ErrDiscarded) }
	}
	return c.Chain.BlocksByRange(ctx, start, count)
}

// A slowChain takes its time to read a block.
type slowChain struct{ *memoryChain }

func (c slowChain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	time.Sleep(4 * time.Millisecond)
	return c.memoryChain.AppendFrames(ctx, ref, dst)
}

// blocksWithoutBlobs returns a chain with the same block of Fulu in each of some slots.
func blocksWithoutBlobs(first, last ssz.Slot) *memoryChain {
	var chain []*beacon.Block
	for _, b := range beacontest.FuluBlocks() {
		if b.Slot != 88 {
			continue
		}
		for slot := first; slot <= last; slot++ {
			same := *b
			same.Slot = slot
			binary.LittleEndian.PutUint64(same.Root[:], uint64(slot))
			chain = append(chain, &same)
		}
	}
	return newMemoryChain(beacon.Status{}, chain)
}

// Peers are answered while the owner's look into many blocks is not finished, with a later slot.
func TestPeersAreAnsweredWhileManyBlocksAreLookedInto(t *testing.T) {
	const first, last = 80, 3000
	simulate(t, func(t *testing.T, client, server host.Host) {
		n := beacontest.FuluNetwork()
		chain := slowChain{blocksWithoutBlobs(first, last)}
		srv := serveOn(t, server, n, chain, beacon.ServerOptions{Now: fuluNow(last)})
		var ended atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			if status := must(srv.Status(t.Context())); status.EarliestAvailableSlot != first {
				t.Errorf("earliest slot %d in the end, want %d", status.EarliestAvailableSlot, first)
			}
			ended.Store(true)
		}()
		time.Sleep(time.Second)
		c := beacon.NewClient(client, beacon.NewFamily(n), nil)
		status, err := c.Status(t.Context(), server.ID(), beacon.Status{ForkDigest: n.DigestAt(n.EpochOf(last))})
		if got := status.EarliestAvailableSlot; err != nil || got <= first || got > last || ended.Load() {
			t.Errorf("a peer is told of slot %d: %v; all was looked into before: %v", got, err, ended.Load())
		}
		<-done
	})
}

// gloasBlock is a block of Gloas with a number of blobs.
type gloasBlock struct {
	slot     ssz.Slot
	blobs    int
	revealed bool // the next block builds on its payload
}

// gloasChain makes blocks of Gloas that build on the payloads that were revealed.
func gloasChain(blocks ...gloasBlock) *memoryChain {
	n := beacontest.Network()
	var chain []*beacon.Block
	var parent, hash ssz.Root
	for _, g := range blocks {
		object := beacontest.Object("SignedBeaconBlock", n.ForkAt(n.EpochOf(g.slot)))
		own := ssz.Root{1}
		binary.LittleEndian.PutUint64(own[8:], uint64(g.slot))
		beacontest.Set(object, "Message.Slot", g.slot)
		beacontest.Set(object, "Message.ParentRoot", parent)
		bid := "Message.Body.SignedExecutionPayloadBid.Message."
		beacontest.Set(object, bid+"ParentBlockHash", hash)
		beacontest.Set(object, bid+"BlockHash", own)
		beacontest.Set(object, bid+"BlobKZGCommitments", make([][48]byte, g.blobs))
		if g.revealed {
			hash = own
		}
		b := &beacon.Block{
			Slot: g.slot, Root: must(object.(ssz.SignedBlock).BlockRoot()), ParentRoot: parent,
			SSZ: beacontest.Encode(object),
		}
		b.Frames = frames(b.SSZ)
		b.Digest, parent = n.DigestAt(n.EpochOf(g.slot)), b.Root
		chain = append(chain, b)
	}
	return newMemoryChain(beacon.Status{}, chain)
}

// An envelopeChain holds the envelopes of some slots.
type envelopeChain struct {
	*memoryChain
	held []ssz.Slot
}

func (c *envelopeChain) ExecutionPayloadEnvelopesByRange(
	_ context.Context, start ssz.Slot, count uint64,
) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, slot := range c.held {
			if slot >= start && uint64(slot-start) < count && !yield(envelopeRef(c.bySlot[slot]), nil) {
				return
			}
		}
	}
}

func (c *envelopeChain) ExecutionPayloadEnvelopesByRoot(
	_ context.Context, roots []ssz.Root,
) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, root := range roots {
			if b := c.byRoot[root]; b != nil && slices.Contains(c.held, b.Slot) && !yield(envelopeRef(b), nil) {
				return
			}
		}
	}
}

func (c *envelopeChain) Sources() beacon.Sources { return beacontest.SourcesOf(c) }

// envelopeRef has the block for an envelope.
func envelopeRef(b *beacon.Block) beacon.Ref {
	ref := refOf(b)
	ref.Kind = beacon.KindExecutionPayloadEnvelope
	return ref
}

// In Gloas blobs are of a block whose payload was revealed, which its child tells.
func TestGloasBlocksWithoutPayloadHaveNoColumns(t *testing.T) {
	const no = reqresp.CodeResourceUnavailable
	const envelopes = "execution_payload_envelopes_by_range"
	s := gloasSlot
	chain := func() *memoryChain {
		return gloasChain(gloasBlock{s, 2, true}, gloasBlock{s + 1, 2, false}, gloasBlock{s + 2, 0, true},
			gloasBlock{s + 3, 0, false}, gloasBlock{s + 6, 1, true}, gloasBlock{s + 7, 0, true}, gloasBlock{s + 8, 3, true})
	}
	common := []unheld{
		{"revealed", columnsByRange, columnRange(s, 1, 0), no},
		{"not revealed", columnsByRange, columnRange(s+1, 1, 0), 0},
		{"no blobs", columnsByRange, columnRange(s+2, 1, 0), 0},
		{"neither", columnsByRange, columnRange(s+1, 5, 0), 0},
		{"and one that was", columnsByRange, columnRange(s+1, 6, 0), no},
		{"no blobs before the head", columnsByRange, columnRange(s+7, 1, 0), 0},
	}
	simulate(t, func(t *testing.T, client, server host.Host) {
		at := beacon.ServerOptions{Now: inSlot(s + 8)}
		srv := serveOn(t, server, beacontest.Network(), chain(), at)
		checkAnswers(t, client, server, append(common,
			// Whether the payload of the head was revealed is not known here.
			unheld{"the head", columnsByRange, columnRange(s+8, 1, 0), no},
			unheld{"an envelope", envelopes, blobRange(s, 1), no},
			unheld{"no envelope", envelopes, blobRange(s+1, 1), 0},
			unheld{"an envelope without blobs", envelopes, blobRange(s+2, 1), no},
			unheld{"the head's envelope", envelopes, blobRange(s+8, 1), no},
			unheld{"empty slots", envelopes, blobRange(s+4, 2), 0},
			unheld{"before gloas", envelopes, blobRange(s-2, 2), 0},
			unheld{
				"envelopes by root", "execution_payload_envelopes_by_root",
				encode(&ssz.ExecutionPayloadEnvelopesByRootRequest{chain().bySlot[s].Root}), 0,
			},
		))
		if got := must(srv.Status(t.Context())).EarliestAvailableSlot; got != s+9 {
			t.Errorf("earliest slot %d, want %d after the head", got, s+9)
		}
		must(0, srv.Stop(t.Context()))

		// The envelope tells of the head.
		with := &envelopeChain{chain(), []ssz.Slot{s, s + 2, s + 6, s + 7}}
		srv = serveOn(t, server, beacontest.Network(), with, at)
		checkAnswers(t, client, server, append(common,
			unheld{"the head, not revealed", columnsByRange, columnRange(s+8, 1, 0), 0},
		))
		if got := must(srv.Status(t.Context())).EarliestAvailableSlot; got != s+7 {
			t.Errorf("earliest slot %d, want %d", got, s+7)
		}
		with.held = append(with.held, s+8)
		checkAnswers(t, client, server, []unheld{{"the head, revealed", columnsByRange, columnRange(s+8, 1, 0), no}})
		if got := must(srv.Status(t.Context())).EarliestAvailableSlot; got != s+9 {
			t.Errorf("earliest slot %d, want %d, as the head was revealed", got, s+9)
		}
		for _, tt := range []struct {
			held []ssz.Slot
			want []ssz.Slot
			code reqresp.Code
		}{
			{[]ssz.Slot{s, s + 2, s + 6, s + 7, s + 8}, []ssz.Slot{s, s + 2, s + 6, s + 7, s + 8}, 0},
			{[]ssz.Slot{s, s + 6}, []ssz.Slot{s}, no},
			{[]ssz.Slot{s, s + 2, s + 6}, []ssz.Slot{s, s + 2, s + 6}, no},
			{nil, nil, no},
		} {
			with.held = tt.held
			got := must(ask(t, client, server, id(envelopes, 1), blobRange(s, 20)))
			var want []byte
			for _, slot := range tt.want {
				want = append(want, chunk(with.bySlot[slot])...)
			}
			if !bytes.HasPrefix(got, want) {
				t.Errorf("with %d: got %d bytes, want %d first", tt.held, len(got), len(want))
			} else if rest := got[len(want):]; tt.code == 0 && len(rest) > 0 {
				t.Errorf("with %d: ended with %x", tt.held, rest)
			} else if tt.code != 0 {
				if _, err := readVerdict(rest, tt.code); err != nil {
					t.Errorf("with %d: %v", tt.held, err)
				}
			}
		}
	})
}

// A head whose payload is revealed late moves the earliest slot, and one that never is moves it back.
func TestEarliestSlotFollowsPayloads(t *testing.T) {
	s := gloasSlot
	blocks := []gloasBlock{{s, 2, true}, {s + 1, 1, false}, {s + 2, 0, true}, {s + 3, 1, false}, {s + 4, 0, true}}
	chain := gloasChain(blocks[0])
	simulate(t, func(t *testing.T, _, server host.Host) {
		srv := serveOn(t, server, beacontest.Network(), chain, beacon.ServerOptions{Now: inSlot(s + 4)})
		for i, want := range []ssz.Slot{s + 1, s + 2, s + 1, s + 4, s + 1} {
			chain.setHead(blocks[i].slot, gloasChain(blocks[:i+1]...))
			if got := must(srv.Status(t.Context())).EarliestAvailableSlot; got != want {
				t.Errorf("with the head in slot %d: earliest slot %d, want %d", blocks[i].slot, got, want)
			}
		}
	})
}

// A reorganization does not have all blocks looked at again.
func TestEarliestSlotAfterAReorganization(t *testing.T) {
	s := gloasSlot
	var blocks, others []gloasBlock
	for i := range ssz.Slot(400) {
		blocks = append(blocks, gloasBlock{s + i, 0, true})
	}
	others = append(slices.Clone(blocks[:390]), gloasBlock{s + 401, 0, true})
	chain := &lookedChain{memoryChain: gloasChain(blocks[0])}
	simulate(t, func(t *testing.T, _, server host.Host) {
		srv := serveOn(t, server, beacontest.Network(), chain, beacon.ServerOptions{Now: inSlot(s + 401)})
		look := func(head ssz.Slot, all []gloasBlock) int64 {
			chain.setHead(head, gloasChain(all...))
			chain.looks.Store(0)
			if got := must(srv.Status(t.Context())).EarliestAvailableSlot; got != s {
				t.Errorf("with the head in slot %d: earliest slot %d, want %d", head, got, s)
			}
			return chain.looks.Load()
		}
		for head := s + 50; head < s+400; head += 50 {
			look(head, blocks)
		}
		look(s+399, blocks)
		if got := look(s+401, others); got > 300 {
			t.Errorf("looked at %d blocks of 391", got)
		}
	})
}
