package ssz_test

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

func BenchmarkBlock(b *testing.B) {
	n := ssz.Mainnet()
	encoded := bigBlock(b)
	block, err := n.DecodeBlock(ssz.Electra, encoded)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Peek", func(b *testing.B) {
		run(b, len(encoded), func() error { _, err := ssz.PeekBlock(encoded); return err })
	})
	b.Run("Check", func(b *testing.B) { run(b, len(encoded), func() error { return n.CheckBlock(ssz.Electra, encoded) }) })
	b.Run("Decode", func(b *testing.B) {
		run(b, len(encoded), func() error { _, err := n.DecodeBlock(ssz.Electra, encoded); return err })
	})
	b.Run("Root", func(b *testing.B) { run(b, len(encoded), func() error { _, err := block.BlockRoot(); return err }) })
	b.Run("RootOfBytes", func(b *testing.B) {
		run(b, len(encoded), func() error { _, err := n.BlockRoot(ssz.Electra, encoded); return err })
	})
	b.Run("HashTreeRoot", func(b *testing.B) { // with fastssz, of block and signature
		run(b, len(encoded), func() error { _, err := block.HashTreeRoot(); return err })
	})
	buf := make([]byte, 0, len(encoded))
	b.Run("Encode", func(b *testing.B) {
		run(b, len(encoded), func() error { _, err := block.MarshalSSZTo(buf); return err })
	})
}

func run(b *testing.B, size int, f func() error) {
	b.ReportAllocs()
	b.SetBytes(int64(size))
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
}
