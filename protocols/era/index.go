package era

import (
	"encoding/binary"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A slot index is a record of the first slot, one offset for each slot, and their count, all of 8 bytes. An offset is
// relative to where the record begins, and thus negative; 0 is that of an empty slot.
const (
	wordSize = 8

	// maxCount is the most slots that an index may have: many times SLOTS_PER_HISTORICAL_ROOT of any preset.
	maxCount = 1 << 16
)

// indexSize returns the size of the index record of a number of slots.
func indexSize(count uint64) int64 { return e2store.HeaderSize + wordSize*(int64(count)+2) }

// A slotIndex is a decoded index.
type slotIndex struct {
	offset  int64 // of its record
	first   ssz.Slot
	entries []int64 // offsets in the file; as they are for those that are 0
	// unsigned reports that there are entries that are not sign-extended.
	unsigned bool
	// versions reports that there were entries that led to the Version record, and that stand for empty slots.
	versions bool
}

// parseIndex reads the index that b ends with. The last byte of b is at the offset end-1 of the file. An index that
// goes beyond the beginning of b is one of need bytes.
func parseIndex(b []byte, end int64) (x slotIndex, need int64, err error) {
	if len(b) < wordSize {
		return x, 0, fault(end, NoSlot, ErrIndex, "%d bytes are too few", len(b))
	}
	count := binary.LittleEndian.Uint64(b[len(b)-wordSize:])
	if count == 0 || count > maxCount {
		return x, 0, fault(end-wordSize, NoSlot, ErrIndex, "index of %d slots: want 1 to %d", count, maxCount)
	}
	size := indexSize(count)
	x.offset = end - size
	if x.offset < 0 {
		return x, 0, fault(end-wordSize, NoSlot, ErrIndex, "index of %d slots begins before the file does", count)
	}
	if size > int64(len(b)) {
		return x, size, nil
	}
	b = b[int64(len(b))-size:]
	h, err := e2store.ParseHeader(b)
	switch {
	case err != nil:
		return x, 0, fault(x.offset, NoSlot, ErrIndex, "%w", err)
	case h.Type != e2store.SlotIndex:
		return x, 0, fault(x.offset, NoSlot, ErrIndex, "record of type %v where an index of %d slots begins", h.Type, count)
	case int64(h.Length) != size-e2store.HeaderSize:
		return x, 0, fault(x.offset, NoSlot, ErrIndex, "record of %d bytes for %d slots", h.Length, count)
	}
	x.decode(b[e2store.HeaderSize : size-wordSize])
	return x, size, nil
}

// decode reads the first slot and the entries.
func (x *slotIndex) decode(b []byte) {
	x.first = ssz.Slot(binary.LittleEndian.Uint64(b))
	x.entries = make([]int64, 0, len(b)/wordSize-1)
	for word := range slices.Chunk(b[wordSize:], wordSize) {
		v, extended := signExtend(int64(binary.LittleEndian.Uint64(word)))
		x.unsigned = x.unsigned || extended
		if v != 0 {
			v += x.offset
			x.versions = x.versions || v == 0 // the file's first record
		}
		x.entries = append(x.entries, v)
	}
}

// signExtend extends 48 bits of two's complement to 64, as Lodestar writes no more. No valid offset is positive.
func signExtend(v int64) (int64, bool) {
	const sign, end = 1 << 47, 1 << 48
	if v >= sign && v < end {
		return v - end, true
	}
	return v, false
}

// entryOffset returns where in the file the i-th entry is.
func (x *slotIndex) entryOffset(i int) int64 {
	return x.offset + e2store.HeaderSize + wordSize*int64(i+1)
}

// appendIndex appends the data of an index whose record begins at an offset of the file. The entries are offsets in
// the file, or 0 for empty slots.
func appendIndex(dst []byte, offset int64, first ssz.Slot, entries []int64) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(first))
	for _, v := range entries {
		if v != 0 {
			v -= offset
		}
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(len(entries)))
}
