package main

import (
	"bytes"
	"context"
	"errors"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// mismatches counts the slots in which a store does not hold, byte for byte, the block of a
// chain, or holds one that is damaged or not of the chain. Roots and parent links are computed
// anew from what is stored.
func mismatches(ctx context.Context, s *store.Store, chain []*beacon.Block) (int, error) {
	sound := make(map[ssz.Slot]beacon.Ref)
	for ref, err := range s.Verify(ctx) {
		if _, corrupt := errors.AsType[*store.CorruptError](err); corrupt {
			continue // Its slot will be missed.
		}
		if err != nil {
			return 0, err
		}
		sound[ref.Slot] = ref
	}
	differ := 0
	for _, want := range chain {
		ref, ok := sound[want.Slot]
		if !ok || ref.Root != want.Root || !holds(ctx, s, ref, want.SSZ) {
			differ++
		}
		delete(sound, want.Slot)
	}
	return differ + len(sound), nil
}

// holds reports whether the frames stored for a block are those of its SSZ.
func holds(ctx context.Context, s *store.Store, ref beacon.Ref, want []byte) bool {
	frames, err := s.AppendFrames(ctx, ref, nil)
	if err != nil {
		return false
	}
	got, err := snappy.AppendDecoded(nil, frames, ref.Size)
	return err == nil && bytes.Equal(got, want)
}
