package history_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/history"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A client gets the blocks of the files and those of the store as one chain, byte for byte.
func TestAClientSyncsFilesAndStore(t *testing.T) {
	t.Parallel()
	serve(t, func(t *testing.T, c *beacon.Client, server host.Host, dir *era.Dir) {
		status, err := c.Status(t.Context(), server.ID(), beacon.Status{ForkDigest: c.Family().Network().DigestAt(26)})
		if err != nil || status.HeadSlot != chainHead || status.HeadRoot != blockAt(t, chainHead).Root {
			t.Errorf("status %+v, %v", status, err)
		}
		into := newStore(t)
		source := rangesync.Source{Client: c, Peer: server.ID(), Status: status}
		if _, err := rangesync.Run(t.Context(), source, into, &rangesync.Options{From: 1}); err != nil {
			t.Fatal(err)
		}
		synced, err := read(t, into, 0, math.MaxUint64)
		if err != nil {
			t.Fatal(err)
		}
		checkBlocks(t, synced, blocks(1, chainHead))
		for _, b := range synced {
			want := b.Frames
			if b.Slot < filesEnd {
				if want, err = dir.AppendFrames(t.Context(), b.Slot, nil); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(b.Frames, want) {
				t.Errorf("slot %d: frames are not those of the file", b.Slot)
			}
		}
		checkBlocks(t, collect(t, c.BlocksByRange(t.Context(), server.ID(), 0, 1)), blocks(0, 0))
	})
}

// An ancestry goes from the store into the files, and over empty slots.
func TestAncestriesCrossTheBorder(t *testing.T) {
	t.Parallel()
	serve(t, func(t *testing.T, c *beacon.Client, server host.Host, _ *era.Dir) {
		for _, tt := range []struct {
			head  ssz.Slot
			count uint64
			first ssz.Slot
		}{{140, 60, 80}, {128, 2, 127}, {118, 2, 116}, {82, 2, 80}} {
			want := blocks(tt.first, tt.head)
			if n := uint64(len(want)); n > tt.count {
				want = want[n-tt.count:]
			}
			got := collect(t, c.BlocksByHead(t.Context(), server.ID(), blockAt(t, tt.head).Root, uint64(len(want))))
			for i, b := range got {
				if i >= len(want) || b.Root != want[len(want)-1-i].Root {
					t.Errorf("from slot %d, %d blocks: %v, want those of %v downward", tt.head, tt.count, slotsOf(got), slotsOf(want))
					break
				}
			}
			if len(got) != len(want) {
				t.Errorf("from slot %d: %d blocks, want %d", tt.head, len(got), len(want))
			}
		}
	})
}

// serve runs f with a client of a server of all files and the rest of the chain.
func serve(t *testing.T, f func(t *testing.T, c *beacon.Client, server host.Host, dir *era.Dir)) {
	t.Helper()
	serveFiles(t, allFiles(t), f)
}

func serveFiles(
	t *testing.T, path string, f func(t *testing.T, c *beacon.Client, server host.Host, dir *era.Dir),
) {
	t.Helper()
	n := beacontest.FuluNetwork()
	o := simtest.Options{At: n.TimeAt(chainHead + 1)}
	simtest.Pair(t, o, func(t *testing.T, client, server host.Host) {
		dir := openDir(t, path)
		chain, err := history.Open(t.Context(), dir, n, newStore(t, blocks(filesEnd, chainHead)...), nil)
		if err != nil {
			t.Fatal(err)
		}
		s := beacon.NewServer(server, n, chain, nil)
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = s.Stop(ctx)
		})
		f(t, beacon.NewClient(client, beacon.NewFamily(n), nil), server, dir)
	})
}

func collect(t *testing.T, seq func(func(*beacon.Block, error) bool)) (all []*beacon.Block) {
	t.Helper()
	for b, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func TestRangesOfFilesAndStore(t *testing.T) {
	t.Parallel()
	for _, from := range []ssz.Slot{filesEnd, 100, 1} { // of the store
		c := open(t, allFiles(t), newStore(t, blocks(from, chainHead)...))
		for range 2 { // the second time all are known
			for _, tt := range []struct {
				start ssz.Slot
				count uint64
				last  ssz.Slot
			}{
				{0, math.MaxUint64, chainHead},
				{0, 1, 0},
				{29, 1, 29},
				{60, 10, 69},
				{127, 1, 127},
				{127, 2, 128},
				{128, 1, 128},
				{200, 1000, chainHead},
				{500, math.MaxUint64 - 499, 500},
				{64, 64, 127},
			} {
				got, err := read(t, c, tt.start, tt.count)
				if err != nil {
					t.Errorf("store from slot %d: range %d+%d: %v", from, tt.start, tt.count, err)
				}
				checkBlocks(t, got, blocks(tt.start, tt.last))
			}
		}
	}
}

func TestAnEmptyStore(t *testing.T) {
	t.Parallel()
	c := open(t, allFiles(t), newStore(t))
	got, err := read(t, c, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	checkBlocks(t, got, blocks(0, 127))
	status, err := c.Status(t.Context())
	want := beacon.Status{HeadSlot: 127, HeadRoot: blockAt(t, 127).Root}
	if err != nil || status != want {
		t.Errorf("status %+v, %v, want %+v", status, err, want)
	}
}

// The files count from the last gap on, and what is announced is what is served.
func TestAMissingFile(t *testing.T) {
	t.Parallel()
	c := open(t, files(t, genesisFile, secondFile), newStore(t, blocks(filesEnd, chainHead)...))
	status, err := c.Status(t.Context())
	if err != nil || status.EarliestAvailableSlot != 64 || status.HeadSlot != chainHead {
		t.Errorf("status %+v, %v", status, err)
	}
	if got, err := read(t, c, 63, 10); !errors.Is(err, beacon.ErrUnavailable) || len(got) > 0 {
		t.Errorf("before the first slot: %d blocks, %v", len(got), err)
	}
	got, err := read(t, c, 64, 1000)
	if err != nil {
		t.Fatal(err)
	}
	checkBlocks(t, got, blocks(64, chainHead))
}

// By root the last era and the store are found at any time, and earlier eras once their blocks were asked for.
func TestBlocksByRoot(t *testing.T) {
	t.Parallel()
	s := newStore(t, blocks(filesEnd, chainHead)...)
	c := open(t, allFiles(t), s)
	asked := []ssz.Root{blockAt(t, 130).Root, blockAt(t, 20).Root, {1}, blockAt(t, 100).Root, blockAt(t, 100).Root}
	found := func() (slots []ssz.Slot) {
		for ref, err := range c.BlocksByRoot(t.Context(), asked) {
			if err != nil {
				t.Fatal(err)
			}
			frames, err := c.AppendFrames(t.Context(), ref, []byte("header"))
			if err != nil {
				t.Fatal(err)
			}
			checkBlocks(t, []*beacon.Block{blockOf(t, ref, frames)}, blocks(ref.Slot, ref.Slot))
			slots = append(slots, ref.Slot)
		}
		return slots
	}
	if got := found(); len(got) != 3 || got[0] != 130 || got[1] != 100 || got[2] != 100 {
		t.Errorf("found %v", got)
	}
	if _, err := read(t, c, 10, 1); err != nil {
		t.Fatal(err)
	}
	if got := found(); len(got) != 4 || got[1] != 20 {
		t.Errorf("found %v once the era was asked for", got)
	}
}

// What blocks of files say of their blobs is for the server to read.
func TestCommitments(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	genesis, root := beacontest.FuluGenesis()
	network := store.Network{
		Config: beacontest.FuluConfig(), GenesisTime: uint64(genesis.Unix()), GenesisValidatorsRoot: root,
	}
	if err := s.SetNetwork(t.Context(), network); err != nil {
		t.Fatal(err)
	}
	appendTo(t, s, blocks(filesEnd, chainHead)...)
	c := open(t, allFiles(t), s)
	for ref, err := range c.BlocksByRange(t.Context(), 125, 20) {
		if err != nil {
			t.Fatal(err)
		}
		commitments, err := c.Sources().BlobCommitments(t.Context(), ref)
		if ref.Slot < filesEnd && !errors.Is(err, beacon.ErrUnavailable) {
			t.Errorf("slot %d of a file: %v", ref.Slot, err)
		}
		if ref.Slot >= filesEnd && (err != nil || (commitments.Count > 0) != (ref.Slot == 138)) {
			t.Errorf("slot %d of the store: %d blobs, %v", ref.Slot, commitments.Count, err)
		}
	}
}

// A server of a damaged file answers with a server error where the damage is, and goes on to serve the rest.
func TestSidecarsAreThoseOfTheStore(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	genesis, root := beacontest.FuluGenesis()
	if err := s.SetNetwork(t.Context(), store.Network{
		Config: beacontest.FuluConfig(), GenesisTime: uint64(genesis.Unix()), GenesisValidatorsRoot: root,
	}); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks(128, beacontest.FuluHead) {
		of := beacon.Sidecars{Block: b}
		for _, column := range beacontest.Fulu().DataColumnSidecars() {
			if column.BlockRoot == b.Root && column.Index < 3 {
				of.Columns = append(of.Columns, column)
			}
		}
		if err := s.AppendSidecars(t.Context(), of); err != nil {
			t.Fatal(err)
		}
	}
	c := open(t, allFiles(t), s)
	sources := c.Sources()
	n := 0
	for ref, err := range sources.Columns.DataColumnSidecarsByRange(t.Context(), 128, 100, []uint64{1, 2, 3}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.AppendFrames(t.Context(), ref, nil); err != nil {
			t.Error(err)
		}
		n++
	}
	if n != 14 { // of seven blocks
		t.Errorf("%d columns, want 14", n)
	}
	s.SetCustody([]uint64{1, 2})
	for _, want := range []ssz.Slot{128, 215} {
		if slot, err := sources.Earliest(t.Context(), beacon.KindDataColumnSidecar); err != nil || slot != want {
			t.Errorf("earliest slot %d, %v, want %d", slot, err, want)
		}
		s.SetCustody([]uint64{1, 2, 3})
	}
}

func TestDamageIsAServerError(t *testing.T) {
	t.Parallel()
	path := allFiles(t)
	flip(t, filepath.Join(path, secondFile), 95, 200)
	serveFiles(t, path, func(t *testing.T, c *beacon.Client, server host.Host, _ *era.Dir) {
		var got []*beacon.Block
		var failed error
		for b, err := range c.BlocksByRange(t.Context(), server.ID(), 90, 10) {
			if err != nil {
				failed = err
				break
			}
			got = append(got, b)
		}
		checkBlocks(t, got, blocks(90, 94))
		if e, ok := errors.AsType[*reqresp.Error](failed); !ok || e.Code != reqresp.CodeServerError {
			t.Errorf("error %v", failed)
		}
		checkBlocks(t, collect(t, c.BlocksByRange(t.Context(), server.ID(), 96, 100)), blocks(96, 195))
	})
}
