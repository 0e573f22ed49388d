package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// maxValueKept is the largest buffer that is kept from one Append to the next, in bytes.
const maxValueKept = 1 << 20

// Append stores blocks, in ascending order of their slots, above the head. What is written is synced: when Append
// returns nil all of them are stored for good, else none of
// them is. Larger batches cost fewer syncs; all of a batch is in memory meanwhile.
//
// Blocks up to the slot that the store takes for final, see the package documentation, are appended to segment files.
// Others are in the database until that slot has passed them: a later Append moves them.
//
// The first block of an empty store may be any, and is the earliest: what may be before it is not known. (Before slot 1
// is nothing that could be sent; the earliest slot is 0 then.) The parent of every other block has to be the block
// before it, or the error is a [*LinkError]. A block that is stored already, by its slot and root,
// is passed over. Other blocks that are not above the head are [ErrOrder].
//
// Frames that every peer can read, see snappy.CheckFrames, are stored as they are; else the SSZ is
// framed anew. Neither roots nor the content of frames are verified: blocks come from a
// beacon.Client, which has done so. A block that contradicts itself is [ErrBlock]. Where too little is free on the disk
// it is a [*SpaceError].
//
// Append keeps no reference to the blocks.
func (s *Store) Append(ctx context.Context, blocks ...*beacon.Block) error {
	return s.append(ctx, blocks, nil)
}

// append stores blocks, and what belongs to them.
func (s *Store) append(ctx context.Context, blocks []*beacon.Block, of []beacon.Sidecars) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	next := *s.view.Load()
	fresh, size, err := s.checkBlocks(&next, blocks)
	if err != nil {
		return err
	}
	sidecars, sidecarSize, err := s.checkSidecars(next.network, of)
	if err != nil || len(fresh)+len(sidecars) == 0 {
		return err
	}
	// What goes to the database is written to a log, and then to a table.
	if err := s.CheckSpace(Reserve + 2*uint64(size+sidecarSize)); err != nil {
		return err
	}
	direct, err := s.settle(ctx)
	if err != nil {
		return err
	}
	next.History = s.view.Load().History
	return s.store(&next, fresh, sidecars, direct)
}

// A block is one that is to be stored.
type block struct {
	*beacon.Block

	frames []byte // what is stored of it
}

// checkBlocks returns the blocks that are not stored yet, and about how many bytes they take, after verifying that they
// come next. It makes the last one the head of next.
func (s *Store) checkBlocks(next *view, blocks []*beacon.Block) (fresh []block, size int, err error) {
	for _, b := range blocks {
		stored, err := s.checkPlace(&next.chain, b)
		if err != nil {
			return nil, 0, err
		}
		if stored {
			continue
		}
		frames, err := canonicalFrames(b)
		if err != nil {
			return nil, 0, err
		}
		fresh = append(fresh, block{b, frames})
		size += len(frames) + recordSize + commitmentsSize + indexKeySize
		if next.Head == nil {
			next.First, next.Earliest = new(b.Slot), new(earliest(b.Slot))
		}
		next.Head = &position{b.Slot, b.Root}
	}
	return fresh, size, nil
}

// store stores blocks and what belongs to them: first frames, and then what leads to them. Blocks that are history go
// to segment files if all before them are there.
func (s *Store) store(next *view, blocks []block, sidecars []*freshSidecars, direct bool) error {
	batch := s.db.NewBatch()
	defer batch.Close()
	w := &historyWriter{store: s, network: next.network, kind: beacon.KindBlock, batch: batch}
	defer func() { _ = w.close() }() // It has been closed, unless something else has failed.
	others := s.newSidecarWriter(next.network, batch)
	defer func() { _ = others.close() }() // Likewise.
	settled, ok := s.settled(next)
	direct = direct && ok && s.segments != nil
	for i := range blocks {
		b := &blocks[i]
		at := place{file: inDatabase}
		var err error
		if direct && b.Slot <= settled {
			at, err = w.append(b.Slot, b.frames)
			next.History = new(b.Slot)
		} else {
			err = s.putFrames(batch, b)
		}
		if err == nil {
			err = putRecord(batch, next.network, b, at)
		}
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	for _, f := range sidecars {
		next.setPruned(f.record.kind, min(f.record.slot, next.Pruned[f.record.kind]))
		if err := others.put(f, next.History != nil && f.record.slot <= *next.History); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	if err := errors.Join(w.commit(), others.commit()); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return s.commit(batch, next)
}

// Reserve is how many bytes Append leaves free on the volumes of the store, see [FreeSpace]: for what the database
// writes in the background.
const Reserve = 64 << 20

// CheckSpace returns a [*SpaceError] if fewer than want bytes are free on the volumes of the store, see [FreeSpace].
func (s *Store) CheckSpace(want uint64) error {
	if s.free == nil {
		return nil
	}
	if free, err := s.free(); err == nil && free < want {
		return &SpaceError{Free: free, Want: want}
	}
	return nil
}

// checkPlace tells whether b is stored already, or else verifies that it comes next.
func (s *Store) checkPlace(c *chain, b *beacon.Block) (stored bool, err error) {
	switch {
	case c.Head == nil:
		return false, nil
	case b.Slot < *c.Earliest:
		return false, fmt.Errorf("%w: slot %d, the earliest is %d", ErrOrder, b.Slot, *c.Earliest)
	case b.Slot > c.Head.Slot:
		if b.ParentRoot != c.Head.Root {
			return false, &LinkError{b.Slot, b.ParentRoot, c.Head.Slot, c.Head.Root}
		}
		return false, nil
	case *c.Head == position{b.Slot, b.Root}:
		return true, nil
	}
	r, ok, err := s.record(b.Slot)
	switch {
	case err != nil:
		return false, err
	case !ok:
		return false, fmt.Errorf("%w: slot %d, the head is at slot %d", ErrOrder, b.Slot, c.Head.Slot)
	case r.Root != b.Root:
		return false, fmt.Errorf("%w: slot %d holds %v, not %v", ErrOrder, b.Slot, r.Root, b.Root)
	}
	return true, nil
}

// putFrames adds the frames of a block to a batch.
func (s *Store) putFrames(w ethdb.KeyValueWriter, b *block) error {
	s.value = appendFramesValue(s.value[:0], b.Root, b.frames)
	err := w.Put(slotKey(framesPrefix, b.Slot), s.value)
	if cap(s.value) > maxValueKept {
		s.value = nil
	}
	return err
}

// putRecord adds what leads to the frames of a block to a batch.
func putRecord(w ethdb.KeyValueWriter, n *network, b *block, at place) error {
	r := record{
		Ref:    beacon.Ref{Slot: b.Slot, Root: b.Root, Size: len(b.SSZ), FramesSize: len(b.frames)},
		parent: b.ParentRoot, place: at,
	}
	r.blobs, r.blobsKnown = n.peekCommitments(b.Slot, b.SSZ)
	if err := w.Put(slotKey(recordPrefix, b.Slot), r.appendTo(nil)); err != nil {
		return err
	}
	slot := binary.BigEndian.AppendUint64(make([]byte, sumSize), uint64(b.Slot))
	return w.Put(indexKey(b.Root), seal(slot))
}

// canonicalFrames returns the frames to store for a block, after checking that its parts agree.
func canonicalFrames(b *beacon.Block) ([]byte, error) {
	header, err := ssz.PeekBlock(b.SSZ)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: slot %d: %w", ErrBlock, b.Slot, err)
	case len(b.SSZ) > snappy.MaxPayloadSize:
		return nil, fmt.Errorf("%w: slot %d: %d bytes of SSZ, at most %d can be sent",
			ErrBlock, b.Slot, len(b.SSZ), snappy.MaxPayloadSize)
	case header.Slot != b.Slot:
		return nil, fmt.Errorf("%w: slot %d has SSZ of slot %d", ErrBlock, b.Slot, header.Slot)
	case header.ParentRoot != b.ParentRoot:
		return nil, fmt.Errorf("%w: slot %d with parent %v has SSZ with parent %v",
			ErrBlock, b.Slot, b.ParentRoot, header.ParentRoot)
	}
	frames, err := framesToStore(b.SSZ, b.Frames)
	if err != nil {
		return nil, fmt.Errorf("%w: slot %d: %w", ErrBlock, b.Slot, err)
	}
	return frames, nil
}

// framesToStore returns frames of an object as they are if every peer can read them, and else others.
func framesToStore(encoded, frames []byte) ([]byte, error) {
	n, err := snappy.CheckFrames(frames)
	switch {
	case err != nil, len(frames) == 0:
		return snappy.AppendFrames(nil, encoded), nil
	case n != len(encoded):
		return nil, fmt.Errorf("frames of %d bytes beside SSZ of %d", n, len(encoded))
	}
	return frames, nil
}

// commit writes a batch along with the record of the chain, syncs, and then publishes next.
func (s *Store) commit(batch ethdb.Batch, next *view) error {
	if err := s.write(batch, &next.chain); err != nil {
		return err
	}
	if err := s.sync(); err != nil {
		return err
	}
	s.publish(next)
	return nil
}

// write writes a batch along with the record of the chain.
func (s *Store) write(batch ethdb.Batch, c *chain) error {
	version := binary.BigEndian.AppendUint32(make([]byte, sumSize), schemaVersion)
	if err := put(batch, versionKey, version); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := putJSON(batch, chainKey, c); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := batch.Write(); err != nil {
		s.failed = err
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// sync makes what has been written durable.
func (s *Store) sync() error {
	if err := s.db.SyncKeyValue(); err != nil {
		s.failed = err
		return fmt.Errorf("store: %w", err)
	}
	return nil
}
