package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"

	"github.com/seed-2dd5877b/reqresp/plugin/store/internal/segment"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Repair makes the index of the segment files anew: of a store whose database is lost, so that it has been opened with
// an empty one, or of one whose index is damaged. It reads all blocks that are in segment files, decodes and hashes
// them, and follows the parent roots down from the head, which is the last block found if the index is lost. It costs
// as much as [Store.Verify]. What belongs to these blocks is found in its files likewise, KZG proofs not being verified.
// Damaged frames stay damaged, and so does what is in the database alone.
//
// Network is that of the store if its database is lost, and is not looked at otherwise. If progress is not nil, it is
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
	if r.next.network == nil && network != nil {
		if r.next.network, err = parse(*network); err != nil {
			return 0, fmt.Errorf("store: network: %w", err)
		}
	}
	if r.next.network == nil {
		return 0, ErrNoNetwork
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
	if err := r.sidecars(ctx); err != nil {
		return r.blocks, err
	}
	return r.blocks, r.end()
}

// A repair is one use of Repair.
type repair struct {
	store *Store
	next  view
	lost  bool // Nothing is known of the chain.

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
	if err := putJSON(batch, networkKey, r.next.network.Network); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	next := r.next
	if err := s.commit(batch, &next); err != nil {
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

// periods goes through the files, from the last period down.
func (r *repair) periods(ctx context.Context, progress func(done, all int)) error {
	files, err := r.store.segments.List()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	files = slices.DeleteFunc(files, func(f segment.File) bool { return f.Kind != beacon.KindBlock })
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

// period indexes those blocks in the files of a period that are of the chain.
func (r *repair) period(ctx context.Context, files []segment.File) error {
	s := r.store
	found := make(map[ssz.Root]*record)
	for _, f := range files {
		if err := r.read(ctx, f.ID, found); err != nil {
			return err
		}
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	lengths := make(map[uint16]int64)
	for _, b := range r.follow(found) {
		slot := seal(binary.BigEndian.AppendUint64(make([]byte, sumSize), uint64(b.Slot)))
		if err := errors.Join(
			batch.Put(slotKey(recordPrefix, b.Slot), b.appendTo(nil)),
			batch.Put(indexKey(b.Root), slot),
		); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		lengths[b.place.file] = max(lengths[b.place.file], b.end())
		r.blocks++
		r.first = &position{b.Slot, b.Root}
		if r.last == nil {
			r.last = r.first
		}
	}
	for _, f := range files {
		length, ok, err := s.readUint(segmentKey(f.ID))
		if ok && err == nil && int64(length) >= lengths[f.Number] {
			continue
		}
		// A file in which nothing is found is left as it is.
		length = uint64(cmp.Or(lengths[f.Number], f.Size))
		if err := batch.Put(segmentKey(f.ID), segmentValue(int64(length))); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	next := r.next
	return s.commit(batch, &next)
}

// follow returns those of the blocks that are of the chain, from the last one down. Where the chain cannot be followed,
// as a block is damaged, it goes on with the one below the gap.
func (r *repair) follow(found map[ssz.Root]*record) (blocks []*record) {
	sorted := slices.SortedFunc(maps.Values(found), func(a, b *record) int { return cmp.Compare(b.Slot, a.Slot) })
	for len(sorted) > 0 {
		b, ok := found[r.want]
		if !ok || b.Slot > sorted[0].Slot {
			b = sorted[0]
		}
		blocks = append(blocks, b)
		r.want, r.above = b.parent, b.Slot
		for len(sorted) > 0 && sorted[0].Slot >= b.Slot {
			sorted = sorted[1:]
		}
	}
	return blocks
}

// read adds the blocks of a file that may be of the chain to those found.
func (r *repair) read(ctx context.Context, id segment.ID, found map[ssz.Root]*record) error {
	var buf []byte
	for o, err := range r.store.segments.Objects(ctx, id) {
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		var b *record
		if b, buf, err = r.next.network.decode(o.Frames, buf); err != nil {
			continue
		}
		if r.next.network.period(b.Slot) != id.Period || b.Slot >= r.above && b.Root != r.want ||
			r.next.Earliest != nil && b.Slot < *r.next.Earliest {
			continue
		}
		b.place = place{file: id.Number, sum: crc32.Checksum(o.Frames, castagnoli), offset: o.Offset}
		found[b.Root] = b
	}
	return nil
}

// decode returns what is to be recorded of the block in frames, but for its place. It uses a buffer, and returns it
// for the next time.
func (n *network) decode(frames, buf []byte) (*record, []byte, error) {
	size, err := snappy.CheckFrames(frames)
	if err != nil || size > snappy.MaxPayloadSize {
		return nil, buf, errors.Join(err, ErrBlock)
	}
	if buf, err = snappy.AppendDecoded(buf[:0], frames, size); err != nil {
		return nil, buf, err
	}
	header, err := ssz.PeekBlock(buf)
	if err != nil {
		return nil, buf, err
	}
	block, err := n.parsed.DecodeBlock(n.parsed.ForkAt(n.parsed.EpochOf(header.Slot)), buf)
	if err != nil {
		return nil, buf, err
	}
	root, err := block.BlockRoot()
	if err != nil {
		return nil, buf, err
	}
	b := &record{
		Ref:    beacon.Ref{Slot: header.Slot, Root: root, Size: size, FramesSize: len(frames)},
		parent: header.ParentRoot,
	}
	b.blobs, b.blobsKnown = n.peekCommitments(b.Slot, buf)
	return b, buf, nil
}

// end records that the index can be relied on again.
func (r *repair) end() error {
	if r.lost && r.first != nil {
		r.next.First, r.next.Earliest = &r.first.Slot, new(earliest(r.first.Slot))
		r.next.Head, r.next.History = r.last, &r.last.Slot
	}
	r.next.Lost = false
	r.next.discards++ // Whoever reads has seen another index.
	batch := r.store.db.NewBatch()
	defer batch.Close()
	return r.store.commit(batch, &r.next)
}
