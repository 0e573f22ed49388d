package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// TestReadersAndWritersAtOnce verifies that, whatever writers do meanwhile, readers see nothing
// but blocks of the chain, without gaps, and never take for damage what is being discarded.
func TestReadersAndWritersAtOnce(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db ethdb.KeyValueStore) {
		s := openWith(t, db)
		must(t, s.SetSource(t.Context(), beacon.Status{FinalizedRoot: realBlocks()[63].Root, FinalizedEpoch: 2}))
		var done atomic.Bool
		var readers, writers sync.WaitGroup
		for seed := range 3 {
			readers.Go(func() {
				for n := seed; !done.Load(); n++ {
					if err := readSome(s, n); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 2 {
			writers.Go(func() {
				for range 4 {
					if err := rewrite(s); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		writers.Wait()
		done.Store(true)
		readers.Wait()
		must(t, s.Truncate(t.Context(), 0))
		must(t, s.Append(t.Context(), realBlocks()...))
		checkServed(t, s, realBlocks())
		checkVerified(t, s, realBlocks())
	})
}

// rewrite appends the chain in pieces, and discards it at both ends. That another writer does so
// as well is no error.
func rewrite(s *store.Store) error {
	ctx, blocks := context.Background(), realBlocks()
	for i := 0; i < len(blocks); i += 13 {
		err := s.Append(ctx, blocks[i:min(i+13, len(blocks))]...)
		_, isLink := errors.AsType[*store.LinkError](err)
		if err != nil && !isLink && !errors.Is(err, store.ErrOrder) {
			return err
		}
	}
	if err := s.Prune(ctx, 40); err != nil {
		return err
	}
	if err := s.Truncate(ctx, 90); err != nil {
		return err
	}
	return s.Truncate(ctx, 0)
}

// readSome reads a range, its roots and its frames, and the status.
func readSome(s *store.Store, n int) error {
	blocks := realBlocks()
	status, err := s.Status(context.Background())
	if err != nil {
		return err
	}
	_ = s.Info()
	start := status.EarliestAvailableSlot + ssz.Slot(n%50)
	refs, err := byRange(s, start, uint64(n%100))
	if err != nil && !errors.Is(err, beacon.ErrUnavailable) && !errors.Is(err, store.ErrDiscarded) {
		return err
	}
	roots := []ssz.Root{blocks[n%len(blocks)].Root}
	for i, ref := range refs {
		if i > 0 && ref.Slot != refs[i-1].Slot+1 {
			return errors.New("a range has a gap")
		}
		if ref != refOf(blocks[ref.Slot-1]) {
			return errors.New("a block is not of the chain")
		}
		roots = append(roots, ref.Root)
	}
	found, err := byRoot(s, roots...)
	if err != nil {
		return err
	}
	for _, ref := range found {
		if err := checkFrames(s, blocks[ref.Slot-1]); err != nil && !errors.Is(err, store.ErrDiscarded) {
			return err
		}
	}
	return nil
}
