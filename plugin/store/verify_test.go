package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestVerifyFindsAWholeChainGood(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s := openWith(t, db)
		checkVerified(t, s, nil)
		must(t, s.Append(t.Context(), realBlocks()...))
		checkVerified(t, s, realBlocks())
		must(t, s.Prune(t.Context(), 70))
		must(t, s.Truncate(t.Context(), 140))
		checkVerified(t, s, realBlocks()[69:139])
	})
}

// TestVerifyFindsWhatAppendTakesOnTrust stores blocks that are not what they claim to be.
func TestVerifyFindsWhatAppendTakesOnTrust(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	synthetic := syntheticBlocks(11, 500, 30)[0]
	tests := map[string]func(b *beacon.Block){
		"root":    func(b *beacon.Block) { b.Root = ssz.Root{1} },
		"content": func(b *beacon.Block) { b.Frames = nil; b.SSZ = append([]byte{}, b.SSZ...); b.SSZ[200] ^= 1 },
		"form":    func(b *beacon.Block) { *b = *synthetic; b.ParentRoot = ssz.Root{} },
		"frames": func(b *beacon.Block) {
			b.Frames = append([]byte{}, b.Frames...)
			b.Frames[len(b.Frames)-1] ^= 1
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := *blocks[29]
			change(&b)
			s := openWith(t, memorydb.New(), &b)
			checkVerified(t, s, []*beacon.Block{&b}, 30)
		})
	}
}

func TestVerifyReportsEachCorruptBlock(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		blocks := realBlocks()
		s := openWith(t, db, blocks...)
		damageFrames(t, db, blocks[0], damages["last bit"])
		damage(t, db, slotKey("r", 20), damages["first bit"])
		damage(t, db, slotKey("r", 21), damages["cut by one"])
		damage(t, db, slotKey("r", 22), damages["deleted"])
		damage(t, db, slotKey("r", 64), damages["deleted"])
		damage(t, db, indexKey(blocks[64].Root), damages["deleted"])
		damageFrames(t, db, blocks[99], damages["zeroed"])
		damage(t, db, slotKey("r", 142), damages["middle bit"])
		// Slot 22 follows damage: only the index still tells of it.
		checkVerified(t, s, blocks, 1, 20, 21, 64, 65, 100, 142, 22)
	})
}

func TestVerifyEnds(t *testing.T) {
	t.Parallel()
	s := openWith(t, memorydb.New(), realBlocks()...)
	n := 0
	for range s.Verify(t.Context()) {
		if n++; n == 5 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tests := map[string]struct {
		store *store.Store
		after func()
		want  error
	}{
		"with the context":          {s, cancel, context.Canceled},
		"when blocks are discarded": {s, func() { must(t, s.Truncate(t.Context(), 70)) }, store.ErrDiscarded},
		"without a network":         {open(t, memorydb.New()), nil, store.ErrNoNetwork},
	}
	for name, tt := range tests {
		n, last := 0, error(nil)
		verifyCtx := ctx
		if tt.want != context.Canceled {
			verifyCtx = t.Context()
		}
		for _, err := range tt.store.Verify(verifyCtx) {
			if n++; n == 10 {
				tt.after()
			}
			last = err
		}
		if !errors.Is(last, tt.want) || n > 142 {
			t.Errorf("%s: after %d pairs, error %v, want %v", name, n, last, tt.want)
		}
	}
}
