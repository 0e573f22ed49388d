package era

import (
	"context"
	"errors"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Check verifies the file, which it reads as a whole:
//
//   - every group is a Version record, the blocks of its index in the order of their slots, the state and its index;
//   - all frames are valid, with their checksums, and hold well-formed blocks and states of the network;
//   - the block root of every block is that of its slot in the state, and its parent is the block before it; the
//     state's roots of empty slots are those of the slots before;
//   - the state roots that blocks say are those in the state;
//   - the state's historical root or summary of the era is that of its block and state roots;
//   - the root of a state is the one that the next group says, if there is one;
//   - the name of the file is that of its content.
//
// This proves that the file is intact and consistent, not that it is of the canonical chain: its name has only 4
// bytes of a root. [GroupReport.EraRoot] of the last group, if it equals that of a trusted later state, proves all
// blocks and all states but the last one; [GroupReport.StateRoot] proves the last state, if a trusted block or the
// file of the next era has the same. No root covers the signatures of blocks, and Check does not verify them.
//
// The report lists everything that was found: one damaged record does not hide another. It is never nil. The error is
// the first of its problems, or nil; or the error of the source or of ctx that ended the check early. Check holds one
// state in memory at a time, see [Group.State].
func (f *File) Check(ctx context.Context, n *ssz.Network) (*Report, error) {
	c := &checker{file: f, network: n}
	for _, g := range f.groups {
		if err := c.group(ctx, g); err != nil {
			return &c.report, err
		}
	}
	c.name()
	if len(c.report.Problems) > 0 {
		return &c.report, c.report.Problems[0]
	}
	return &c.report, nil
}

// A checker is a check in progress. Its roots are zero while they are unknown.
type checker struct {
	file    *File
	network *ssz.Network
	report  Report

	lastRoot  ssz.Root // of the last block
	before    *Group   // the group before
	stateRoot ssz.Root // of its state
	buf       []byte
}

// group checks a group. The error is that of the source.
func (c *checker) group(ctx context.Context, g *Group) error {
	c.report.Groups = append(c.report.Groups, GroupReport{Era: g.number})
	c.warnOfIndices(g)
	state, err := g.State(ctx, c.network)
	if err := c.report.problem(err); err != nil {
		return err
	}
	if state != nil {
		c.checkStateBefore(g, state)
		c.checkEmptySlots(g, state)
	}
	w := walk{checker: c, group: g, reader: e2store.NewReader(c.file.src, g.start, g.firstIndex()), state: state}
	if err := w.run(ctx); err != nil {
		return err
	}
	c.current().BlockRoot = c.lastRoot
	c.before, c.stateRoot = g, ssz.Root{}
	if state != nil {
		c.checkState(g, state)
	}
	return nil
}

// current returns the report of the group that is checked.
func (c *checker) current() *GroupReport { return &c.report.Groups[len(c.report.Groups)-1] }

func (c *checker) fault(off int64, slot ssz.Slot, kind error, format string, args ...any) {
	c.report.Problems = append(c.report.Problems, fault(off, slot, kind, format, args...))
}

func (c *checker) warnOfIndices(g *Group) {
	for _, x := range []*slotIndex{&g.blocks, &g.states} {
		if x.unsigned {
			c.report.warn(x.offset, NoSlot, ErrOffsetSign, "index of %d slots from %d on", len(x.entries), x.first)
		}
		if x.versions {
			c.report.warn(x.offset, NoSlot, ErrEmptyOffset, "index of %d slots from %d on", len(x.entries), x.first)
		}
	}
}

// checkEmptySlots checks that the state knows no blocks in the slots that are empty by the index.
func (c *checker) checkEmptySlots(g *Group, state *State) {
	for i, off := range g.blocks.entries {
		slot := g.blocks.first + ssz.Slot(i)
		root, _ := state.BlockRoot(slot)
		before := c.lastRoot
		if i > 0 {
			before, _ = state.BlockRoot(slot - 1)
		}
		if off == 0 && root != before && before != (ssz.Root{}) {
			c.fault(g.blocks.entryOffset(i), slot, ErrBlockRoot, "the slot is empty, the state has the block %v", root)
		}
	}
}

// checkState checks what the state says of the chain.
func (c *checker) checkState(g *Group, state *State) {
	at, slot := g.states.entries[0], g.StateSlot()
	report := c.current()
	report.Fork = state.Fork()
	var err error
	if report.StateRoot, err = state.Root(); err != nil {
		c.fault(at, slot, ErrState, "%w", err)
	}
	c.stateRoot = report.StateRoot
	root, ok := state.EraRoot(g.number)
	if !ok {
		c.fault(at, slot, ErrState, "it has no historical root of era %d", g.number)
	}
	report.EraRoot = root
	if g.number == 0 {
		return
	}
	if computed := state.eraRootOfRoots(); ok && computed != root {
		c.fault(at, slot, ErrState, "historical root of era %d is %v, that of its roots %v", g.number, root, computed)
	}
	c.checkLatestBlock(at, slot, state)
	first, _ := g.Slots()
	report.FirstStateRoot, _ = state.StateRoot(first)
}

// checkLatestBlock checks that the latest block of a state is the last of the era, or the child of that one.
func (c *checker) checkLatestBlock(at int64, slot ssz.Slot, state *State) {
	last, _ := state.BlockRoot(slot - 1)
	latest, parent, root, ok := state.latestBlock()
	switch {
	case latest == slot && parent != last:
		c.fault(at, slot, ErrState, "the parent of its latest block is %v, the last block %v", parent, last)
	case latest != slot && (!ok || root != last):
		c.fault(at, slot, ErrState, "its latest block is %v, the last block %v", root, last)
	}
}

// checkStateBefore compares the root of the state before the group with what the state of the group says it is.
func (c *checker) checkStateBefore(g *Group, state *State) {
	says, ok := state.StateRoot(g.blocks.first)
	if ok && c.stateRoot != (ssz.Root{}) && says != c.stateRoot {
		c.fault(c.before.states.entries[0], c.before.StateSlot(), ErrStateRoot,
			"it is %v, the state of slot %d says %v", c.stateRoot, g.StateSlot(), says)
	}
}

// name compares the name of the file with what is in it.
func (c *checker) name() {
	if c.file.name == "" {
		return
	}
	name, err := ParseName(c.file.name)
	if err != nil {
		c.report.Warnings = append(c.report.Warnings, &Error{0, NoSlot, err})
		return
	}
	last := c.current()
	want := Name{Config: c.network.Config().Name, Era: c.file.groups[0].number, Root: [4]byte(last.EraRoot[:4])}
	if want.Config == "" {
		want.Config = name.Config
	}
	if last.EraRoot == (ssz.Root{}) {
		want.Root = name.Root
	}
	if name != want {
		c.fault(0, NoSlot, ErrName, "it is %v, by its content %v", name, want)
	}
}

// A walk goes through the records of a group.
type walk struct {
	*checker

	group  *Group
	reader *e2store.Reader
	state  *State // nil if it is damaged
	pos    int64  // of the next record
}

// run checks the records from the beginning of the group to its first index.
func (w *walk) run(ctx context.Context) error {
	if err := w.version(ctx); err != nil {
		return err
	}
	for slot, off := range w.group.Blocks() {
		if err := w.others(ctx, off, false); err != nil {
			return err
		}
		if err := w.block(ctx, slot, off); err != nil {
			return err
		}
	}
	state := w.group.states.entries[0]
	if err := w.others(ctx, state, false); err != nil {
		return err
	}
	w.pos = state
	if r, err := w.group.StateRecord(ctx); err == nil { // else it has been reported
		w.pos = r.End()
		return w.others(ctx, w.group.firstIndex(), true)
	}
	return nil
}

// version checks the record that the group begins with.
func (w *walk) version(ctx context.Context) error {
	r, err := w.next(ctx, w.group.start)
	if err == nil && (r.Type != e2store.Version || r.Length != 0) {
		err = fault(r.Offset, NoSlot, ErrGroup, "it begins with a record of type %v and %d bytes: want %v", r.Type, r.Length,
			e2store.Version)
	}
	w.pos = w.group.start + e2store.HeaderSize
	return w.report.problem(err)
}

// next reads the header of the record at an offset.
func (w *walk) next(ctx context.Context, off int64) (e2store.Record, error) {
	w.reader.SkipTo(off)
	r, err := w.reader.Next(ctx)
	if err != nil {
		return r, recordError(err, off, NoSlot)
	}
	return r, nil
}

// others checks the records that are in no index, until an offset where a record begins that is in one.
func (w *walk) others(ctx context.Context, until int64, afterState bool) error {
	for w.pos < until {
		r, err := w.next(ctx, w.pos)
		switch {
		case err != nil:
		case r.End() > until:
			err = fault(r.Offset, NoSlot, ErrRecord, "%d bytes of data reach into the next record at %d", r.Length, until)
		case r.Type == e2store.CompressedSignedBeaconBlock && afterState:
			err = fault(r.Offset, NoSlot, ErrGroup, "block behind the state")
		case r.Type == e2store.CompressedSignedBeaconBlock || r.Type == e2store.CompressedBeaconState:
			err = fault(r.Offset, NoSlot, ErrGroup, "%v that is not in the index", r.Type)
		default:
			w.report.warn(r.Offset, NoSlot, ErrUnknownRecord, "type %v, %d bytes of data", r.Type, r.Length)
		}
		if err != nil {
			w.pos = until // the way to the next record is lost
			return w.report.problem(err)
		}
		w.pos = r.End()
	}
	return nil
}

// block checks a block of the index.
func (w *walk) block(ctx context.Context, slot ssz.Slot, off int64) error {
	w.current().Blocks++
	_, w.pos, _ = w.group.blockAt(slot) // unless the header of the record tells better
	var root ssz.Root
	b, err := w.group.readBlock(ctx, w.reader, slot, off)
	if err == nil {
		w.pos = off + e2store.HeaderSize + int64(len(b.Frames))
		root, err = w.content(b)
	}
	w.lastRoot = root
	return w.report.problem(err)
}

// content checks what is in a block's record, and returns the block root.
func (w *walk) content(b Block) (ssz.Root, error) {
	if err := w.decode(b); err != nil {
		return ssz.Root{}, err
	}
	fork := w.network.ForkAt(w.network.EpochOf(b.Slot))
	root, err := w.network.BlockRoot(fork, w.buf)
	if err != nil {
		return ssz.Root{}, fault(b.Offset, b.Slot, ErrBlock, "%w", err)
	}
	header, err := ssz.PeekBlock(w.buf)
	if err != nil {
		return ssz.Root{}, fault(b.Offset, b.Slot, ErrBlock, "%w", err)
	}
	if header.Slot != b.Slot {
		return ssz.Root{}, fault(b.Offset, b.Slot, ErrBlock, "it is that of slot %d", header.Slot)
	}
	if err := w.compare(b, root, header); err != nil {
		return ssz.Root{}, err
	}
	return root, nil
}

// decode decodes the frames of a block into the buffer.
func (w *walk) decode(b Block) error {
	size, err := snappy.CheckFrames(b.Frames)
	if errors.Is(err, snappy.ErrNotCanonical) || errors.Is(err, snappy.ErrMaxCompressedLen) {
		w.report.warn(b.Offset, b.Slot, ErrNotCanonical, "%w", err)
		size, err = snappy.DecodedLen(b.Frames)
	}
	if err == nil {
		w.buf, err = snappy.AppendDecoded(w.buf[:0], b.Frames, size)
	}
	if err != nil {
		return fault(b.Offset, b.Slot, ErrFrames, "%w", err)
	}
	return nil
}

// compare compares a well-formed block with the state and with the block before it.
func (w *walk) compare(b Block, root ssz.Root, header ssz.BlockHeader) error {
	if w.current().Blocks == 1 {
		w.current().ParentRoot = header.ParentRoot
	}
	parent := w.lastRoot
	if w.state != nil {
		if want, _ := w.state.BlockRoot(b.Slot); root != want {
			return fault(b.Offset, b.Slot, ErrBlockRoot, "it is %v, in the state %v", root, want)
		}
		if want, _ := w.state.StateRoot(b.Slot); header.StateRoot != want {
			return fault(b.Offset, b.Slot, ErrStateRoot, "it is %v, in the state of the era %v", header.StateRoot, want)
		}
	}
	if b.Slot > 0 && parent != (ssz.Root{}) && header.ParentRoot != parent {
		return fault(b.Offset, b.Slot, ErrParent, "it is %v, the block before is %v", header.ParentRoot, parent)
	}
	return nil
}
