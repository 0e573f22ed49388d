package history

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common/lru"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// maxIndexed is how many eras have their index in memory, beside the last.
const maxIndexed = 32

// maxBusy is how many look-ups read and verify at a time, which take a MiB and more of memory each.
const maxBusy = 8

// A Chain is a directory of era files and a store as one chain. Begin with [Open]. Its methods may be called
// concurrently.
type Chain struct {
	dir     *era.Dir
	network *ssz.Network
	store   *store.Store
	roots   *era.RootIndex // nil if there is none

	first, end ssz.Slot // of the files
	last       *index   // of the last era
	head       position // the last block of the files

	indices *lru.Cache[uint64, *index]
	busy    chan struct{}        // has one element for each look-up that reads and verifies
	link    atomic.Pointer[link] // what is known of the store
}

var _ beacon.Chain = (*Chain)(nil)

// A position is a block's place in the chain.
type position struct {
	slot ssz.Slot
	root ssz.Root
}

// Open returns the chain of a directory and a store, which are of the network. The root index of the directory may be
// nil. The caller closes all three when no method is running any more.
//
// It reads the state's beginning of the last era. The error is a [*LinkError] if the store's blocks do not follow those
// of the files, wraps [era.ErrNotHeld] if the files have no blocks, [era.ErrState] if they are of another network, and
// [era.ErrRootIndex] if the root index is of other files; else it is that of a file or the store.
func Open(
	ctx context.Context, dir *era.Dir, n *ssz.Network, s *store.Store, roots *era.RootIndex,
) (*Chain, error) {
	c := &Chain{
		dir: dir, network: n, store: s, roots: roots,
		indices: lru.NewCache[uint64, *index](maxIndexed), busy: make(chan struct{}, maxBusy),
	}
	c.first, c.end = dir.Slots()
	if c.first == c.end {
		return nil, fmt.Errorf("history: %w: the files have a genesis state and no blocks", era.ErrNotHeld)
	}
	if err := c.findHead(ctx); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	if err := c.checkRoots(ctx); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	begin := c.begin()
	if err := c.checkLink(ctx); err != nil {
		return nil, err
	}
	c.link.Store(&link{begin, true})
	return c, nil
}

// findHead finds the last block of the files.
func (c *Chain) findHead(ctx context.Context) (err error) {
	if c.last, err = c.index(ctx, c.dir.EraOf(c.end-1)); err != nil {
		return err
	}
	for slot := c.end; slot > c.first; slot-- {
		x, err := c.index(ctx, c.dir.EraOf(slot-1))
		if err != nil {
			return err
		}
		if x.holds(slot - 1) {
			c.head = position{slot - 1, x.root(slot - 1)}
			return nil
		}
	}
	return fmt.Errorf("%w: all slots of the files are empty", era.ErrNotHeld)
}

// checkRoots checks that the root index is of the files, if it ends with a slot of theirs.
func (c *Chain) checkRoots(ctx context.Context) error {
	if c.roots == nil {
		return nil
	}
	_, end := c.roots.Slots()
	if end <= c.first || end > c.end {
		return nil
	}
	x, err := c.index(ctx, c.dir.EraOf(end-1))
	if err == nil && x.root(end-1) != c.roots.LastRoot() {
		err = fmt.Errorf("%w: the last block before slot %d is %v, that of the files is %v",
			era.ErrRootIndex, end, c.roots.LastRoot(), x.root(end-1))
	}
	return err
}

// Slots returns the first slot of the files and the one after their last. The two never change.
func (c *Chain) Slots() (first, end ssz.Slot) { return c.first, c.end }

// Status implements [beacon.Chain].
func (c *Chain) Status(ctx context.Context) (beacon.Status, error) {
	status, err := c.store.Status(ctx)
	if err != nil || !c.linked(ctx) {
		return status, err
	}
	status.EarliestAvailableSlot = c.first
	if status.HeadRoot == (ssz.Root{}) || status.HeadSlot < c.head.slot {
		status.HeadSlot, status.HeadRoot = c.head.slot, c.head.root
	}
	return status, nil
}

// Sources implements [beacon.Chain]. The files have blocks alone: what belongs to blocks is that of the store. What
// blocks of the store say of their blobs is known without reading them.
func (c *Chain) Sources() beacon.Sources {
	stored := c.store.Sources()
	sources := stored
	sources.BlobCommitments = func(ctx context.Context, ref beacon.Ref) (ssz.BlobCommitments, error) {
		if ref.Handle == (inFile{}) {
			return ssz.BlobCommitments{}, fmt.Errorf("%w: commitments of slot %d", beacon.ErrUnavailable, ref.Slot)
		}
		return stored.BlobCommitments(ctx, ref)
	}
	sources.Earliest = func(ctx context.Context, kind beacon.Kind) (ssz.Slot, error) {
		slot, err := stored.Earliest(ctx, kind)
		if err == nil && c.linked(ctx) {
			slot = max(slot, c.end)
		}
		return slot, err
	}
	return sources
}

// BlocksByRange implements [beacon.Chain]. Blocks that are looked up for the first time are verified.
func (c *Chain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		if count == 0 {
			return
		}
		linked := c.linked(ctx)
		if linked && start < c.first {
			yield(beacon.Ref{}, fmt.Errorf("%w: from slot %d, the earliest is %d", beacon.ErrUnavailable, start, c.first))
			return
		}
		last := start + ssz.Slot(count-1)
		if last < start {
			last = math.MaxUint64
		}
		if linked {
			if start < c.end && !c.fileRange(ctx, start, min(last, c.end-1)+1, yield) {
				return
			}
			if _, _, some := c.store.Head(); !some {
				return
			}
			start = max(start, c.end, c.store.Info().Earliest)
		}
		if start > last {
			return
		}
		for ref, err := range c.store.BlocksByRange(ctx, start, uint64(min(last-start, math.MaxUint64-1))+1) {
			if !yield(ref, err) {
				return
			}
		}
	}
}

// fileRange yields the blocks of the files from a slot to the one before end. It reports whether the loop goes on.
func (c *Chain) fileRange(ctx context.Context, slot, end ssz.Slot, yield func(beacon.Ref, error) bool) bool {
	for slot < end {
		refs, next, err := c.lookUp(ctx, slot, end)
		for _, ref := range refs {
			if !yield(ref, nil) {
				return false
			}
		}
		if err != nil {
			yield(beacon.Ref{}, err)
			return false
		}
		slot = next
	}
	return true
}

// BlocksByRoot implements [beacon.Chain]. It finds the blocks of the store, those in the root index, and those of the
// eras whose index is in memory, the last among them.
func (c *Chain) BlocksByRoot(ctx context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	if !c.linked(ctx) {
		return c.store.BlocksByRoot(ctx, roots)
	}
	return func(yield func(beacon.Ref, error) bool) {
		for _, root := range roots {
			ref, ok, err := c.blockByRoot(ctx, root)
			if err != nil {
				yield(beacon.Ref{}, err)
				return
			}
			if ok && !yield(ref, nil) {
				return
			}
		}
	}
}

func (c *Chain) blockByRoot(ctx context.Context, root ssz.Root) (ref beacon.Ref, ok bool, err error) {
	for ref, err := range c.store.BlocksByRoot(ctx, []ssz.Root{root}) {
		return ref, err == nil, err
	}
	slot, ok, err := c.slotOf(ctx, root)
	if err != nil || !ok {
		return beacon.Ref{}, false, err
	}
	refs, _, err := c.lookUp(ctx, slot, slot+1)
	if err != nil || len(refs) == 0 || refs[0].Root != root {
		return beacon.Ref{}, false, err
	}
	return refs[0], true, nil
}

// slotOf returns the slot of a block of the files. What the root index says is not verified.
func (c *Chain) slotOf(ctx context.Context, root ssz.Root) (slot ssz.Slot, ok bool, err error) {
	if slot, ok = c.last.find(root); ok {
		return slot, true, nil
	}
	for _, n := range c.indices.Keys() {
		if x, held := c.indices.Peek(n); held {
			if slot, ok = x.find(root); ok {
				return slot, true, nil
			}
		}
	}
	if c.roots != nil {
		slot, ok, err = c.roots.SlotOf(ctx, root)
	}
	return slot, ok && slot >= c.first && slot < c.end, err
}

// AppendFrames implements [beacon.Chain]. Frames of a file are appended by one read and compared with those that were
// verified. Upon an error it returns dst as it was.
func (c *Chain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	if ref.Handle != (inFile{}) {
		return c.store.AppendFrames(ctx, ref, dst)
	}
	return c.appendFrames(ctx, ref.Slot, dst)
}
