package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"

	"github.com/seed-2dd5877b/reqresp/plugin/store/internal/segment"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// sidecars indexes what is in the files of other kinds and belongs to blocks that are held, or have been found.
func (r *repair) sidecars(ctx context.Context) error {
	files, err := r.store.segments.List()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	for _, f := range files {
		if f.Kind == beacon.KindBlock {
			continue
		}
		if err := r.sidecarFile(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// sidecarFile indexes the objects of a file that no record leads to.
func (r *repair) sidecarFile(ctx context.Context, f segment.File) error {
	s := r.store
	blocks, changed := make(map[ssz.Slot]*sidecarRecord), make(map[ssz.Slot]bool)
	var buf []byte
	for o, err := range s.segments.Objects(ctx, f.ID) {
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		var found sidecarRecord
		if found, buf, err = r.next.network.decodeSidecar(f.Kind, o.Frames, buf); err != nil {
			continue
		}
		block, ok, err := s.record(found.slot)
		if err != nil || !ok || block.Root != found.root || r.next.network.period(found.slot) != f.Period {
			continue
		}
		held := blocks[found.slot]
		if held == nil {
			held = new(s.storedOf(f.Kind, found.slot, found.root))
			blocks[found.slot] = held
		}
		object := found.objects[0]
		if held.find(uint64(object.index)) != nil {
			continue
		}
		object.place = place{file: f.Number, sum: crc32.Checksum(o.Frames, castagnoli), offset: o.Offset}
		held.objects = append(held.objects, object)
		changed[found.slot] = true
	}
	return r.putSidecars(f, blocks, changed)
}

// putSidecars writes the records that have changed, and how long their file is at least.
func (r *repair) putSidecars(f segment.File, blocks map[ssz.Slot]*sidecarRecord, changed map[ssz.Slot]bool) error {
	s := r.store
	batch := s.db.NewBatch()
	defer batch.Close()
	var length int64
	for _, held := range blocks {
		length = max(length, held.end(f.Number))
	}
	for slot := range maps.Keys(changed) {
		held := blocks[slot]
		slices.SortFunc(held.objects, func(a, b object) int { return cmp.Compare(a.index, b.index) })
		if err := batch.Put(sidecarKey(f.Kind, slot), held.value()); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	if known, ok, err := s.readUint(segmentKey(f.ID)); !ok || err != nil || int64(known) < length {
		// A file in which nothing is found is left as it is.
		if err := batch.Put(segmentKey(f.ID), segmentValue(cmp.Or(length, f.Size))); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	next := r.next
	return s.commit(batch, &next)
}

// decodeSidecar returns what is to be recorded of the object in frames, but for its place. It uses a buffer, and
// returns it for the next time.
func (n *network) decodeSidecar(kind beacon.Kind, frames, buf []byte) (r sidecarRecord, _ []byte, err error) {
	size, err := snappy.CheckFrames(frames)
	if err != nil || size > snappy.MaxPayloadSize {
		return r, buf, errors.Join(err, ErrSidecar)
	}
	if buf, err = snappy.AppendDecoded(buf[:0], frames, size); err != nil {
		return r, buf, err
	}
	// The form of a kind depends on the fork, and the fork on the slot in it.
	for fork := ssz.Deneb; fork <= ssz.Heze; fork++ {
		slot, root, index, err := decodeSidecar(n.parsed, kind, beacon.Chunk{Fork: fork, SSZ: buf})
		if err != nil || n.parsed.ForkAt(n.parsed.EpochOf(slot)) != fork {
			continue
		}
		r = sidecarRecord{kind: kind, slot: slot, root: root, objects: []object{{
			index: uint16(index), size: uint32(size), framesSize: uint32(len(frames)),
		}}}
		return r, buf, nil
	}
	return r, buf, ErrSidecar
}
