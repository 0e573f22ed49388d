package store

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/plugin/store/internal/segment"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// SetFinal has blocks up to a slot count as history from now on, and be appended to segment files, whatever the source
// and the anchor are: for one who downloads a chain from a peer that says that they are finalized. Nothing else follows
// from it, and it is not recorded. A slot that is below the one before, or that of the source or the anchor, changes
// nothing.
func (s *Store) SetFinal(slot ssz.Slot) {
	for {
		before := s.final.Load()
		if uint64(slot) <= before || s.final.CompareAndSwap(before, uint64(slot)) {
			return
		}
	}
}

// settled returns the slot up to which blocks are history: that of SetFinal, that of the finalized checkpoint which the
// source claims, or that of the anchor, whichever is latest. It reports false if none of them is known, or the network
// is not.
func (s *Store) settled(v *view) (slot ssz.Slot, ok bool) {
	if v.network == nil {
		return 0, false
	}
	slot = ssz.Slot(s.final.Load())
	if v.Source != nil {
		slot = max(slot, v.network.parsed.StartSlot(v.Source.FinalizedEpoch))
	}
	switch {
	case v.Anchor == nil:
	case v.Anchor.Slot > 0:
		slot = max(slot, v.Anchor.Slot)
	case v.anchor != nil:
		slot = max(slot, *v.anchor)
	}
	return slot, slot > 0
}

// period returns the number of the period of a slot. Like an era file, a segment file is of SLOTS_PER_HISTORICAL_ROOT
// slots.
func (n *network) period(slot ssz.Slot) uint64 { return uint64(slot / era.SlotsPerEra(n.parsed)) }

// slotsOf returns the first and the last slot of a period.
func (n *network) slotsOf(period uint64) (first, last ssz.Slot) {
	perEra := era.SlotsPerEra(n.parsed)
	first = ssz.Slot(period) * perEra
	return first, first + perEra - 1
}

// A historyWriter appends objects of a kind to segment files, one after the other. The index records of what it has
// appended are written after commit.
type historyWriter struct {
	store   *Store
	network *network
	kind    beacon.Kind
	batch   ethdb.KeyValueWriter // gets the lengths of the files

	id        segment.ID
	file      *segment.Writer      // nil if there is none
	committed map[segment.ID]int64 // lengths that are in the batch only
}

// append appends the frames of an object that belongs to the block of a slot.
func (w *historyWriter) append(slot ssz.Slot, frames []byte) (place, error) {
	if period := w.network.period(slot); w.file == nil || w.id.Period != period {
		if err := w.commit(); err != nil {
			return place{}, err
		}
		if err := w.open(period); err != nil {
			return place{}, err
		}
	}
	sum := crc32.Checksum(frames, castagnoli)
	offset, err := w.file.Append(frames)
	return place{w.id.Number, sum, offset}, err
}

// open opens the file to append to in a period: the first one that is as long as the index says. Others stay as they
// are: they are damaged, or the index is an older copy than they are.
func (w *historyWriter) open(period uint64) error {
	for number := range uint16(inDatabase) {
		id := segment.ID{Kind: w.kind, Period: period, Number: number}
		length, err := w.lengthOf(id)
		if err != nil {
			continue // Its length is damaged.
		}
		file, err := w.store.segments.Writer(id, length)
		if errors.Is(err, segment.ErrLength) {
			continue
		}
		if err != nil {
			return err
		}
		w.id, w.file = id, file
		return nil
	}
	return fmt.Errorf("period %d has %d files that cannot be appended to", period, inDatabase)
}

// lengthOf returns the length of a file, 0 if the file is new.
func (w *historyWriter) lengthOf(id segment.ID) (int64, error) {
	if length, ok := w.committed[id]; ok {
		return length, nil
	}
	length, _, err := w.store.readUint(segmentKey(id))
	return int64(length), err
}

// commit makes durable what was appended, and adds its file's length to the batch.
func (w *historyWriter) commit() error {
	if w.file == nil {
		return nil
	}
	length, err := w.file.Commit()
	if errors.Is(err, segment.ErrSync) {
		w.store.failed = err
	}
	if err := errors.Join(err, w.close()); err != nil {
		return err
	}
	if w.committed == nil {
		w.committed = make(map[segment.ID]int64)
	}
	w.committed[w.id] = length
	return w.batch.Put(segmentKey(w.id), segmentValue(length))
}

// close closes the file, if there is one. It may be called again.
func (w *historyWriter) close() error {
	if w.file == nil {
		return nil
	}
	file := w.file
	w.file = nil
	return file.Close()
}

// settleBytes is about how many bytes of frames are moved in one batch.
const settleBytes = 8 << 20

// settleBatches is how many batches are moved along with another write.
const settleBatches = 4

// unsettled returns the slots from which blocks are to be moved to segment files. It reports false if there are none.
func (s *Store) unsettled(v *view) (first, last ssz.Slot, some bool) {
	last, ok := s.settled(v)
	if s.segments == nil || !ok || v.Head == nil {
		return 0, 0, false
	}
	first, last = *v.Earliest, min(last, v.Head.Slot)
	if v.History != nil && *v.History >= first {
		if *v.History >= last {
			return 0, 0, false
		}
		first = *v.History + 1
	}
	return first, last, first <= last
}

// settle moves blocks that have become history since they were appended from the database to segment files, as many as
// a write may take along. It reports whether none are left.
func (s *Store) settle(ctx context.Context) (all bool, err error) {
	for range settleBatches {
		first, last, some := s.unsettled(s.view.Load())
		if !some {
			return true, nil
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if _, err := s.settleSome(first, last); err != nil {
			return false, err
		}
	}
	_, _, some := s.unsettled(s.view.Load())
	return !some, nil
}

// settleSome moves blocks from the first slot on until there are enough for a batch, or up to the last slot. It returns
// about how many bytes they have. What is damaged stays where it is.
func (s *Store) settleSome(first, last ssz.Slot) (moved int, err error) {
	if err := s.CheckSpace(Reserve + 2*settleBytes); err != nil {
		return 0, err
	}
	next := *s.view.Load()
	batch := s.db.NewBatch()
	defer batch.Close()
	m := mover{
		historyWriter: historyWriter{store: s, network: next.network, kind: beacon.KindBlock, batch: batch},
		batch:         batch,
	}
	defer func() { _ = m.close() }() // It has been closed, unless something else has failed.
	others := s.newSidecarWriter(next.network, batch)
	defer func() { _ = others.close() }() // Likewise.
	for r, err := range s.scan(first, last, scanBatch) {
		if err == nil {
			err = m.move(&r)
		} else {
			err = m.forget() // It is damaged, and perhaps what follows as well.
		}
		if err != nil {
			return 0, fmt.Errorf("store: %w", err)
		}
		n, err := others.settle(&next, r.Slot)
		if err != nil {
			return 0, fmt.Errorf("store: %w", err)
		}
		if m.moved += n; m.moved >= settleBytes {
			last = r.Slot
			break
		}
	}
	if err := errors.Join(m.forget(), m.commit(), others.commit()); err != nil {
		return 0, fmt.Errorf("store: %w", err)
	}
	next.History = &last
	return m.moved, s.commit(batch, &next)
}

// A mover moves blocks from the database to segment files.
type mover struct {
	historyWriter

	batch ethdb.Batch

	first, last *ssz.Slot // The blocks that were moved, and are in the database still. Nil if none are.
	frames      []byte    // A buffer.
	moved       int       // bytes
}

// move moves a block, if its frames are in the database and sound. Else it leaves it as it is.
func (m *mover) move(r *record) (err error) {
	s := m.store
	if r.place.file == inDatabase {
		m.frames, err = s.readHot(&r.Ref, m.frames[:0])
	}
	if err != nil || r.place.file != inDatabase {
		return m.forget()
	}
	if !r.blobsKnown {
		r.blobs, r.blobsKnown = s.oldCommitments(r.Slot, r.Root)
	}
	if r.place, err = m.append(r.Slot, m.frames); err != nil {
		return err
	}
	if m.last = new(r.Slot); m.first == nil {
		m.first = m.last
	}
	m.moved += len(m.frames)
	return m.batch.Put(slotKey(recordPrefix, r.Slot), r.appendTo(nil))
}

// forget deletes from the database the blocks that have been moved. A range is dropped where single keys would have to
// be merged away: there must be nothing else in it.
func (m *mover) forget() error {
	if m.first == nil {
		return nil
	}
	first, last := *m.first, *m.last
	m.first, m.last = nil, nil
	for _, prefix := range []byte{framesPrefix, oldCommitmentsPrefix} {
		end := append(slotKey(prefix, last), 0) // All keys of slots are of the same length.
		if err := m.batch.DeleteRange(slotKey(prefix, first), end); err != nil {
			return err
		}
	}
	return nil
}

// cutFiles removes what no block is in any more above the head: whole files, and the end of the head's file. Files that
// the index has no length of stay as they are.
func (s *Store) cutFiles() error {
	v := s.view.Load()
	if v.network == nil {
		return nil // There are no files.
	}
	return s.trim(func(f segment.File) (length int64, err error) {
		_, known, err := s.readUint(segmentKey(f.ID))
		switch {
		case err == nil && !known:
			return f.Size, nil
		case v.Head == nil, f.Period > v.network.period(v.Head.Slot):
			return 0, nil
		case f.Period == v.network.period(v.Head.Slot):
			return s.usedLength(v, f)
		}
		return f.Size, nil
	})
}

// usedLength returns the length up to which a file has frames of blocks. If not all records of its period can be read,
// it is all of the file.
func (s *Store) usedLength(v *view, f segment.File) (length int64, err error) {
	first, last := v.network.slotsOf(f.Period)
	if f.Kind != beacon.KindBlock {
		for r, err := range s.scanSidecars(f.Kind, first, min(last, v.Head.Slot)) {
			if err != nil {
				return f.Size, nil
			}
			length = max(length, r.end(f.Number))
		}
		return length, nil
	}
	for r, err := range s.scan(first, min(last, v.Head.Slot), scanBatch) {
		if err != nil {
			return f.Size, nil
		}
		if r.place.file == f.Number {
			length = max(length, r.end())
		}
	}
	return length, nil
}

// dropFiles removes the files of some kinds whose periods end before a slot.
func (s *Store) dropFiles(before ssz.Slot, kinds ...beacon.Kind) error {
	period := uint64(0)
	if n := s.view.Load().network; n != nil {
		period = n.period(before)
	}
	return s.trim(func(f segment.File) (length int64, err error) {
		if f.Period < period && slices.Contains(kinds, f.Kind) {
			return 0, nil
		}
		return f.Size, nil
	})
}

// trim cuts each segment file to a length, and removes it if that is 0. The index follows first, so that no file is
// shorter than it says.
func (s *Store) trim(lengthOf func(segment.File) (int64, error)) error {
	if s.segments == nil || s.failed != nil {
		return nil
	}
	files, err := s.segments.List()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	var removed []segment.ID
	var cut []segment.File
	for _, f := range files {
		length, err := lengthOf(f)
		switch {
		case err == nil && length == 0:
			removed = append(removed, f.ID)
			err = batch.Delete(segmentKey(f.ID))
		case err == nil && length < f.Size:
			cut = append(cut, segment.File{ID: f.ID, Size: length})
			err = batch.Put(segmentKey(f.ID), segmentValue(length))
		}
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	if batch.ValueSize() == 0 {
		return nil
	}
	v := *s.view.Load()
	if err := s.commit(batch, &v); err != nil {
		return err
	}
	err = s.segments.Remove(removed...)
	for _, f := range cut {
		err = errors.Join(err, s.segments.Truncate(f.ID, f.Size))
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}
