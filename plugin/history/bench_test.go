package history_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/history"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/minimal"
)

// BenchmarkServe looks up and appends blocks of 100 KiB, which are hot: for the first time, and again.
func BenchmarkServe(b *testing.B) {
	path := b.TempDir()
	writeBlocks(b, path, 100<<10)
	dir, err := era.OpenDir(b.Context(), path, beacontest.FuluNetwork(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer dir.Close()
	open := func() *history.Chain {
		c, err := history.Open(b.Context(), dir, beacontest.FuluNetwork(), newStore(b), nil)
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	dst := make([]byte, 0, 200<<10)
	run := func(b *testing.B, c *history.Chain) (n int) {
		for ref, err := range c.BlocksByRange(b.Context(), 0, slotsPerEra) {
			if err != nil {
				b.Fatal(err)
			}
			if dst, err = c.AppendFrames(b.Context(), ref, dst[:0]); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(dst)))
			n++
		}
		return n
	}
	b.Run("first", func(b *testing.B) {
		for n := 0; n < b.N; {
			n += run(b, open())
		}
	})
	b.Run("again", func(b *testing.B) {
		c := open()
		run(b, c)
		b.ResetTimer()
		for n := 0; n < b.N; {
			n += run(b, c)
		}
	})
}

// writeBlocks writes an era of blocks that do not compress.
func writeBlocks(b *testing.B, dir string, size int) {
	b.Helper()
	n := beacontest.FuluNetwork()
	random := rand.NewChaCha8([32]byte{})
	var parent ssz.Root
	var blocks []*beacon.Block
	for slot := range ssz.Slot(slotsPerEra) {
		fork := n.ForkAt(n.EpochOf(slot))
		decoded, err := n.DecodeBlock(fork, madeUpBlock(b, slot, parent).SSZ)
		if err != nil {
			b.Fatal(err)
		}
		transaction := make([]byte, size)
		_, _ = random.Read(transaction)
		switch block := decoded.(type) {
		case *minimal.SignedBeaconBlockDeneb:
			block.Message.Body.ExecutionPayload.Transactions = [][]byte{transaction}
		case *minimal.SignedBeaconBlockElectra:
			block.Message.Body.ExecutionPayload.Transactions = [][]byte{transaction}
		}
		encoded, err := decoded.MarshalSSZ()
		if err != nil {
			b.Fatal(err)
		}
		root, err := decoded.BlockRoot()
		if err != nil {
			b.Fatal(err)
		}
		blocks = append(blocks, &beacon.Block{Slot: slot, Root: root, Frames: snappy.AppendFrames(nil, encoded)})
		parent = root
	}
	writeFile(b, filepath.Join(dir, era.Name{Config: "vecdev", Era: 1}.String()), madeUpEra(b, 1, ssz.Root{}, blocks))
}
