package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/plugin/store/internal/segment"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Repair makes the index of the segment files anew: of a store whose database is lost, so that it has been opened with
// an empty one, or of one whose index is damaged. It reads all blocks that are in segment files, decodes and hashes
// them, and follows the parent roots down from the head, which is the last block found if the index is lost. It costs
// as much as [Store.Verify]. What belongs to these blocks is found in its files likewise; KZG proofs are not verified.
// Damaged frames stay damaged, and so does what is in the database alone.
//
// Network is that of the store if its database is lost, and is not looked at otherwise. It is recorded once a block of
// it has been found; that there are segment files and none is found is an error. If progress is not nil, it is
// called after each period with the number of periods done and of all. Repair returns how many blocks it has found.
// The error is [ErrNoNetwork] if the network is not known, that of ctx, or that of a file or the database; a repair
// that has been begun has to be run again then, and until it has ended, methods that write return [ErrIndexLost].
func (s *Store) Repair(ctx context.Context, network *Network, progress func(done, all int)) (blocks int, err error) {
	if err := s.turnOf(ctx); err != nil {
		return 0, err
	}
	defer s.unlock()
	v := s.view.Load()
	r := &repair{store: s, next: *v}
	if v.network == nil {
		if network == nil {
			return 0, ErrNoNetwork
		}
		if r.next.network, err = parse(*network); err != nil {
			return 0, fmt.Errorf("store: network: %w", err)
		}
		r.doubtful = true
	}
	if s.segments == nil {
		return 0, nil
	}
	if err := r.begin(); err != nil {
		return 0, err
	}
	if err := r.periods(ctx, progress); err != nil {
		return r.blocks, err
	}
	return r.blocks, r.end()
}

// A repair is one use of Repair.
type repair struct {
	store *Store
	next  view
	lost  bool // Nothing is known of the chain.

	doubtful bool // The network may be another than that of the blocks, of which none was found.
	files    int  // how many there are

	want        ssz.Root  // The root of the next block down; zero if it is not known.
	above       ssz.Slot  // The slot of the block above it.
	first, last *position // Of the blocks that were found. Nil if none was.
	blocks      int
}

// begin records that the index cannot be relied on, and finds the block to begin with.
func (r *repair) begin() error {
	s := r.store
	r.lost = r.next.Head == nil
	r.above = math.MaxUint64
	if !r.lost {
		r.want, r.above = r.next.Head.Root, r.next.Head.Slot
	}
	r.next.Lost = true
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := r.commit(batch); err != nil {
		return err
	}
	if r.lost {
		return nil
	}
	// Above are blocks that are in the database: the parent of the first of them is the last one in a file.
	first := *r.next.Earliest
	if r.next.History != nil {
		first = *r.next.History + 1
	}
	for hot, err := range s.scan(first, r.next.Head.Slot, scanBatch) {
		if err == nil && hot.place.file == inDatabase {
			r.want, r.above = hot.parent, hot.Slot
			break
		}
	}
	return nil
}

// commit commits a batch, and with it the network if that is right.
func (r *repair) commit(batch ethdb.Batch) error {
	next := r.next
	if r.doubtful = r.doubtful && r.blocks == 0; r.doubtful {
		next.network = nil
	} else if err := putJSON(batch, networkKey, next.network.Network); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return r.store.commit(batch, &next)
}

// periods goes through the files, from the last period down.
func (r *repair) periods(ctx context.Context, progress func(done, all int)) error {
	files, err := r.store.segments.List()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	r.files = len(files)
	byPeriod := make(map[uint64][]segment.File)
	for _, f := range files {
		byPeriod[f.Period] = append(byPeriod[f.Period], f)
	}
	all := slices.Sorted(maps.Keys(byPeriod))
	for i, period := range slices.Backward(all) {
		if err := r.period(ctx, byPeriod[period]); err != nil {
			return err
		}
		if progress != nil {
			progress(len(all)-i, len(all))
		}
	}
	return nil
}

// period indexes what the files of a period have of the chain: blocks first, as they tell what belongs to it.
func (r *repair) period(ctx context.Context, files []segment.File) error {
	batch := r.store.db.NewBatch()
	defer batch.Close()
	p := &repairPeriod{
		repair: r, batch: batch, lengths: make(map[segment.ID]int64),
		found: make(map[ssz.Root]*record), chain: make(map[ssz.Root]ssz.Slot),
	}
	for kind := range beacon.KindExecutionPayloadEnvelope + 1 {
		for _, f := range files {
			if f.Kind != kind {
				continue
			}
			if err := p.read(ctx, f.ID); err != nil {
				return err
			}
		}
		if err := p.index(kind); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	for _, f := range files {
		length, ok, err := r.store.readUint(segmentKey(f.ID))
		if ok && err == nil && int64(length) >= p.lengths[f.ID] {
			continue
		}
		// A file in which nothing is found is left as it is.
		length = uint64(cmp.Or(p.lengths[f.ID], f.Size))
		if err := batch.Put(segmentKey(f.ID), segmentValue(int64(length))); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	return r.commit(batch)
}

// end records that the index can be relied on again.
func (r *repair) end() error {
	if r.doubtful && r.files > 0 {
		return fmt.Errorf("store: no block of %v was found in %d segment files", r.next.network.Network, r.files)
	}
	if r.lost && r.first != nil {
		r.next.First, r.next.Earliest = &r.first.Slot, new(earliest(r.first.Slot))
		r.next.Head, r.next.History = r.last, &r.last.Slot
	}
	r.next.Lost = false
	r.next.discards++ // Whoever reads has seen another index.
	r.next.cuts++
	batch := r.store.db.NewBatch()
	defer batch.Close()
	return r.commit(batch)
}
