package era

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// minState is the least size of a state's record, which is that of its header.
const minState = e2store.HeaderSize

// A Group is the blocks of one era and the state at its end. It is immutable; its methods may be called concurrently.
type Group struct {
	file *File

	number uint64
	start  int64 // of its Version record
	end    int64
	blocks slotIndex // none in era 0
	states slotIndex
}

// Era returns the number of the era. Era n ends before slot n × SLOTS_PER_HISTORICAL_ROOT; era 0 is the genesis state.
func (g *Group) Era() uint64 { return g.number }

// FileName returns the name of the file that the group is in, without a directory.
func (g *Group) FileName() string { return g.file.name }

// Slots returns the first slot of the era and the one after its last. They are equal in era 0, which has no blocks.
func (g *Group) Slots() (first, end ssz.Slot) {
	end = g.StateSlot()
	return end - ssz.Slot(len(g.blocks.entries)), end
}

// StateSlot returns the slot of the state, which is the one after the last of the era. The state is that after the
// block of that slot, if there is one; the block itself is in the next era.
func (g *Group) StateSlot() ssz.Slot { return g.states.first }

// Blocks returns the slots that have blocks, in ascending order, with the offsets of their records. It reads nothing
// but the index, which is in memory.
func (g *Group) Blocks() iter.Seq2[ssz.Slot, int64] {
	return func(yield func(ssz.Slot, int64) bool) {
		for i, off := range g.blocks.entries {
			if off != 0 && !yield(g.blocks.first+ssz.Slot(i), off) {
				return
			}
		}
	}
}

// blockAt returns where the record of a slot's block begins, and where it has to end: where the next one begins.
func (g *Group) blockAt(slot ssz.Slot) (off, end int64, err error) {
	i := int(slot - g.blocks.first)
	if off = g.blocks.entries[i]; off == 0 {
		return 0, 0, &Error{g.blocks.entryOffset(i), slot, ErrEmptySlot}
	}
	for _, next := range g.blocks.entries[i+1:] {
		if next != 0 {
			return off, next, nil
		}
	}
	return off, g.states.entries[0], nil
}

// readGroup reads the group that ends at an offset. The guess is how many slots its index probably has.
func readGroup(ctx context.Context, f *File, end int64, guess uint64) (*Group, error) {
	g := &Group{file: f, end: end}
	n := min(end, indexSize(1)+indexSize(guess))
	tail, err := e2store.AppendRange(ctx, f.src, nil, end-n, n)
	if err != nil {
		return nil, &Error{end - n, NoSlot, err}
	}
	if err := g.readStateIndex(tail); err != nil {
		return nil, err
	}
	if g.StateSlot() > 0 {
		if err := g.readBlockIndex(ctx, tail[:n-indexSize(1)]); err != nil {
			return nil, err
		}
	}
	if err := g.resolve(); err != nil {
		return nil, err
	}
	return g, nil
}

// readStateIndex reads the index that a group ends with.
func (g *Group) readStateIndex(tail []byte) error {
	x, need, err := parseIndex(tail, g.end)
	if err != nil {
		return err
	}
	if len(x.entries) != 1 || need > int64(len(tail)) {
		return fault(x.offset, NoSlot, ErrIndex, "the last index of a group has more than one state")
	}
	g.states = x
	return nil
}

// readBlockIndex reads the index before that of the state, which tail ends with if it is large enough.
func (g *Group) readBlockIndex(ctx context.Context, tail []byte) error {
	end := g.states.offset
	x, need, err := parseIndex(tail, end)
	if err == nil && need > int64(len(tail)) {
		if tail, err = e2store.AppendRange(ctx, g.file.src, nil, end-need, need); err != nil {
			return &Error{end - need, NoSlot, err}
		}
		x, _, err = parseIndex(tail, end)
	}
	if err != nil {
		return err
	}
	count := ssz.Slot(len(x.entries))
	if x.first > g.StateSlot() || x.first+count != g.StateSlot() || x.first%count != 0 {
		return fault(x.offset, NoSlot, ErrIndex, "%d slots from %d on, in a group whose state is of slot %d",
			count, x.first, g.StateSlot())
	}
	g.blocks, g.number = x, uint64(g.StateSlot()/count)
	return nil
}

// resolve checks where the entries of the indices lead to and finds out where the group begins.
func (g *Group) resolve() error {
	first := g.firstIndex()
	state := g.states.entries[0]
	if state < e2store.HeaderSize || state > first-minState {
		return fault(g.states.entryOffset(0), g.StateSlot(), ErrIndex,
			"state at offset %d, the index is at %d", state, first)
	}
	g.clearVersionEntries()
	last, begin := int64(0), state
	for i, off := range g.blocks.entries {
		if off == 0 {
			continue
		}
		if last == 0 {
			last, begin = off-e2store.HeaderSize, off
		}
		if off < last+e2store.HeaderSize || off > state-e2store.HeaderSize || off < e2store.HeaderSize {
			return fault(g.blocks.entryOffset(i), g.blocks.first+ssz.Slot(i), ErrIndex,
				"block at offset %d, behind one at %d and before the state at %d", off, last, state)
		}
		last = off
	}
	g.start = begin - e2store.HeaderSize
	return nil
}

// firstIndex returns where the first index of the group begins.
func (g *Group) firstIndex() int64 {
	if len(g.blocks.entries) > 0 {
		return g.blocks.offset
	}
	return g.states.offset
}

// clearVersionEntries makes those entries empty that lead to the group's Version record, which need not be the file's
// first. It is 8 bytes before the first block, or before the state if there is none. No block has a record of 8 bytes.
func (g *Group) clearVersionEntries() {
	entries := g.blocks.entries
	lowest, next := g.states.entries[0], g.states.entries[0]
	for _, off := range entries {
		switch {
		case off == 0 || off == lowest:
		case off < lowest:
			lowest, next = off, lowest
		default:
			next = min(next, off)
		}
	}
	if next-lowest != e2store.HeaderSize {
		return
	}
	for i, off := range entries {
		if off == lowest {
			entries[i], g.blocks.versions = 0, true
		}
	}
}

// record reads the header of the record that an index says is at an offset. It has to be of a type and to end at or
// before end.
func (g *Group) record(ctx context.Context, t e2store.Type, slot ssz.Slot, off, end int64) (e2store.Record, error) {
	r, err := e2store.ReadRecord(ctx, g.file.src, off, end)
	if err != nil {
		return r, recordError(err, off, slot)
	}
	return r, checkType(r, t, slot)
}

func checkType(r e2store.Record, want e2store.Type, slot ssz.Slot) error {
	if r.Type != want {
		return fault(r.Offset, slot, ErrRecord, "type is %v: want %v", r.Type, want)
	}
	return nil
}

// recordError returns an *Error for one of package e2store, which is ErrRecord if the record is at fault and not its
// source.
func recordError(err error, off int64, slot ssz.Slot) error {
	if e, ok := errors.AsType[*e2store.Error](err); ok {
		err = e.Err
	}
	if isRecordFault(err) {
		err = fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return &Error{off, slot, err}
}
