package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync/atomic"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// readAhead is about how many bytes of frames are read and verified at a time.
const readAhead = 1 << 20

// inFile is the handle of refs of blocks that are in files.
type inFile struct{}

// An index is what is known of an era's blocks.
type index struct {
	group   *era.Group
	first   ssz.Slot
	roots   []ssz.Root
	offsets []int64 // of the records; 0 for empty slots
	byRoot  []int   // the places of the blocks, in the order of their roots

	blocks []atomic.Pointer[block] // of those that have been verified
}

// A block is what is remembered of a block that has been verified.
type block struct {
	size, frames int    // of its SSZ, and of its frames in the file
	sum          uint32 // the CRC-32C of these frames
	odd          bool   // they are valid, but some peers reject them
}

// inMemory returns the index of an era if it is in memory.
func (c *Chain) inMemory(n uint64) (*index, bool) {
	if c.last != nil && c.last.group.Era() == n {
		return c.last, true
	}
	return c.indices.Get(n)
}

// index returns the index of an era.
func (c *Chain) index(ctx context.Context, n uint64) (*index, error) {
	if x, ok := c.inMemory(n); ok {
		return x, nil
	}
	g, err := c.dir.Group(ctx, n)
	if err != nil {
		return nil, err
	}
	roots, err := g.BlockRoots(ctx, c.network)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", g.FileName(), err)
	}
	x := newIndex(g, roots)
	c.indices.Add(n, x)
	return x, nil
}

func newIndex(g *era.Group, roots []ssz.Root) *index {
	x := &index{
		group: g, roots: roots,
		offsets: make([]int64, len(roots)), blocks: make([]atomic.Pointer[block], len(roots)),
	}
	x.first, _ = g.Slots()
	for slot, offset := range g.Blocks() {
		x.offsets[slot-x.first] = offset
		x.byRoot = append(x.byRoot, int(slot-x.first))
	}
	slices.SortFunc(x.byRoot, func(a, b int) int { return bytes.Compare(roots[a][:], roots[b][:]) })
	return x
}

// end returns the slot after the era's last.
func (x *index) end() ssz.Slot { return x.first + ssz.Slot(len(x.roots)) }

// holds reports whether there is a block in a slot of the era.
func (x *index) holds(slot ssz.Slot) bool { return x.offsets[slot-x.first] != 0 }

// root returns the root of the block in a slot of the era, or of the one before.
func (x *index) root(slot ssz.Slot) ssz.Root { return x.roots[slot-x.first] }

// find returns the slot of the block with a root.
func (x *index) find(root ssz.Root) (ssz.Slot, bool) {
	i, ok := slices.BinarySearchFunc(x.byRoot, root, func(at int, root ssz.Root) int {
		return bytes.Compare(x.roots[at][:], root[:])
	})
	if !ok {
		return 0, false
	}
	return x.first + ssz.Slot(x.byRoot[i]), true
}

// fault returns what is wrong with a slot, with the name of the file.
func (x *index) fault(slot ssz.Slot, kind error, format string, args ...any) error {
	err := fmt.Errorf("%w: %w", kind, fmt.Errorf(format, args...))
	return x.inFile(&era.Error{Offset: x.offsets[slot-x.first], Slot: slot, Err: err})
}

func (x *index) inFile(err error) error { return fmt.Errorf("%s: %w", x.group.FileName(), err) }

// lookUp returns the blocks of some slots from a slot on, before end and in the same era, and the slot that comes next.
// It reads and verifies about as many blocks as one read gives. Upon an error it returns those before it.
func (c *Chain) lookUp(ctx context.Context, slot, end ssz.Slot) (refs []beacon.Ref, next ssz.Slot, err error) {
	x, next, failed := c.verified(ctx, slot, end)
	if x == nil {
		return nil, slot, failed
	}
	for ; slot < next; slot++ {
		if !x.holds(slot) {
			if err := c.verifyEmpty(ctx, x, slot); err != nil {
				return refs, slot, err
			}
			continue
		}
		b := x.blocks[slot-x.first].Load()
		if b == nil {
			return refs, slot, failed
		}
		refs = append(refs, beacon.Ref{
			Slot: slot, Root: x.root(slot), Size: b.size, FramesSize: b.frames, Handle: inFile{},
		})
	}
	return refs, next, nil
}

// verified returns the index of a slot's era, and the slot up to which blocks have been verified, but for an error.
// It waits while others read and verify. The index is nil if it cannot be made.
func (c *Chain) verified(ctx context.Context, slot, end ssz.Slot) (x *index, next ssz.Slot, err error) {
	n := c.dir.EraOf(slot)
	if x, ok := c.inMemory(n); ok {
		if next = x.reach(slot, min(end, x.end())); x.allKnown(slot, next) {
			return x, next, nil
		}
	}
	select {
	case c.busy <- struct{}{}:
		defer func() { <-c.busy }()
	case <-ctx.Done():
		return nil, slot, context.Cause(ctx)
	}
	if x, err = c.index(ctx, n); err != nil {
		return nil, slot, err
	}
	next = x.reach(slot, min(end, x.end()))
	return x, next, c.verify(ctx, x, slot, next)
}

// reach returns how far one read goes: the slot before whose block it ends, at most end.
func (x *index) reach(slot, end ssz.Slot) ssz.Slot {
	begin := int64(0)
	for ; slot < end; slot++ {
		switch offset := x.offsets[slot-x.first]; {
		case offset == 0:
		case begin == 0:
			begin = offset
		case offset-begin >= readAhead:
			return slot
		}
	}
	return end
}

// verify verifies those blocks of a range that have not been verified yet, and ends with the first that is damaged.
func (c *Chain) verify(ctx context.Context, x *index, slot, end ssz.Slot) error {
	for slot < end && x.known(slot) {
		slot++
	}
	for slot < end && x.known(end-1) {
		end--
	}
	if slot == end {
		return nil
	}
	err := c.verifyAll(ctx, x, slot, end)
	if err == nil || ctx.Err() != nil {
		return err
	}
	// A read that fails fails for all blocks that it is for. Alone, those that can be read are.
	for ; slot < end; slot++ {
		if x.known(slot) {
			continue
		}
		if err := c.verifyAll(ctx, x, slot, slot+1); err != nil {
			return err
		}
	}
	return nil
}

// known reports whether there is nothing to verify in a slot.
func (x *index) known(slot ssz.Slot) bool {
	return !x.holds(slot) || x.blocks[slot-x.first].Load() != nil
}

func (x *index) allKnown(slot, end ssz.Slot) bool {
	for ; slot < end; slot++ {
		if !x.known(slot) {
			return false
		}
	}
	return true
}

// verifyAll verifies the blocks of a range, which are read together.
func (c *Chain) verifyAll(ctx context.Context, x *index, slot, end ssz.Slot) error {
	var buf []byte
	for b, err := range c.dir.Blocks(ctx, slot, end) {
		if err != nil {
			return err
		}
		if x.known(b.Slot) {
			continue
		}
		if buf, err = c.verifyBlock(ctx, x, b, buf); err != nil {
			return err
		}
	}
	for ; slot < end; slot++ {
		if !x.known(slot) {
			return x.fault(slot, era.ErrIndex, "the file has changed: it has no block there any more")
		}
	}
	return nil
}

// verifyBlock verifies a block and remembers it. The buffer has room for its SSZ.
func (c *Chain) verifyBlock(ctx context.Context, x *index, b era.Block, buf []byte) ([]byte, error) {
	buf, header, root, err := b.Decode(c.network, buf[:0])
	if err != nil {
		return buf, x.inFile(err)
	}
	if want := x.root(b.Slot); root != want {
		return buf, x.fault(b.Slot, era.ErrBlockRoot, "it is %v, in the state %v", root, want)
	}
	before, known := c.rootBefore(ctx, x, b.Slot)
	if ctx.Err() != nil {
		return buf, context.Cause(ctx)
	}
	if known && header.ParentRoot != before {
		return buf, x.fault(b.Slot, era.ErrParent, "it is %v, the block before is %v", header.ParentRoot, before)
	}
	_, odd := snappy.CheckFrames(b.Frames)
	x.blocks[b.Slot-x.first].Store(&block{
		size: len(buf), frames: len(b.Frames), sum: crc32.Checksum(b.Frames, castagnoli), odd: odd != nil,
	})
	return buf, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// verifyEmpty verifies that the state knows no block of a slot that is empty.
func (c *Chain) verifyEmpty(ctx context.Context, x *index, slot ssz.Slot) error {
	before, known := c.rootBefore(ctx, x, slot)
	if !known || before == x.root(slot) {
		return nil
	}
	fault := &era.Error{
		Slot: slot,
		Err:  fmt.Errorf("%w: the slot is empty, the state has the block %v", era.ErrBlockRoot, x.root(slot)),
	}
	_, err := c.dir.AppendFrames(ctx, slot, nil)
	if entry, ok := errors.AsType[*era.Error](err); ok { // it tells where the index says so
		fault.Offset = entry.Offset
	}
	return x.inFile(fault)
}

// rootBefore returns the root of the latest block before a slot. It is not known of the first slot of the files, nor of
// that of an era if the state of the era before cannot be read: one damaged file is not to spoil another.
func (c *Chain) rootBefore(ctx context.Context, x *index, slot ssz.Slot) (root ssz.Root, known bool) {
	if slot > x.first {
		return x.root(slot - 1), true
	}
	if slot == c.first {
		return ssz.Root{}, false
	}
	before, err := c.index(ctx, x.group.Era()-1)
	if err != nil {
		return ssz.Root{}, false
	}
	return before.root(slot - 1), true
}

// appendFrames appends the frames of a block in a file.
func (c *Chain) appendFrames(ctx context.Context, slot ssz.Slot, dst []byte) ([]byte, error) {
	x, _, err := c.verified(ctx, slot, slot+1) // unless its index was dropped the block is
	if err != nil {
		return dst, err
	}
	out, err := c.dir.AppendFrames(ctx, slot, dst)
	if err != nil {
		return dst, err
	}
	b, frames := x.blocks[slot-x.first].Load(), out[len(dst):]
	if sum := crc32.Checksum(frames, castagnoli); sum != b.sum {
		return dst, x.fault(slot, era.ErrFrames, "they have changed: checksum %#08x, it was %#08x", sum, b.sum)
	}
	if !b.odd {
		return out, nil
	}
	encoded, err := snappy.AppendDecoded(nil, frames, b.size)
	if err != nil {
		return dst, x.fault(slot, era.ErrFrames, "%w", err)
	}
	return snappy.AppendFrames(dst, encoded), nil
}
