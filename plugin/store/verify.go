package store

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Verify reads everything that is stored and verifies that nothing is missing or damaged: that
// each block decodes from its frames as its fork has it, that its slot, parent root and root are
// those recorded, that its parent is the block before it, and that its root leads to it. The signature of a block,
// which its root does not cover, is not verified: that takes the chain's state. What belongs to a block is verified
// against it, KZG proofs included, see [sidecar.Verify].
//
// It yields every block, in ascending order, with a nil error or with a [*CorruptError], and after a block each
// object of another kind that belongs to it and is damaged, with a *CorruptError. A block
// that is missing is yielded, with its error, before the one that names it as its parent, or at
// the very end if only its root is left. Any other error is the last pair: that of ctx or of the
// database, [ErrNoNetwork], [ErrIndexLost], or [ErrDiscarded] if blocks were discarded meanwhile. Blocks that are
// appended meanwhile are not verified. It costs about as much as the hashing of all blocks, and a few milliseconds for
// each block with sidecars.
func (s *Store) Verify(ctx context.Context) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		v := s.view.Load()
		if v.Lost {
			yield(beacon.Ref{}, ErrIndexLost)
			return
		}
		if v.network == nil {
			yield(beacon.Ref{}, ErrNoNetwork)
			return
		}
		if v.Head == nil {
			return
		}
		c := check{
			store:    s,
			view:     v,
			links:    links{store: s, view: v, start: *v.Earliest},
			reported: make(map[ssz.Slot]bool),
			yield:    yield,
		}
		if c.blocks(ctx) {
			c.index(ctx)
		}
	}
}

// A check is one use of Verify. Its methods report false when the caller has had the last pair.
type check struct {
	store *Store
	view  *view
	links links
	yield func(beacon.Ref, error) bool

	afterDamage bool              // The record before is damaged.
	reported    map[ssz.Slot]bool // The slots of the errors yielded.
	frames, ssz []byte            // Buffers.
}

// blocks verifies all blocks of which there is a record.
func (c *check) blocks(ctx context.Context) bool {
	s, head := c.store, c.view.Head.Slot
	for r, err := range s.scan(*c.view.Earliest, head, scanBatch) {
		if ctxErr := ctx.Err(); ctxErr != nil {
			err = ctxErr
		}
		if err != nil {
			c.afterDamage = true
			if !c.report(r.Ref, err) {
				return false
			}
			continue
		}
		if !c.block(ctx, &r) {
			return false
		}
	}
	if err := c.links.checkHead(); err != nil && !c.reported[head] {
		return c.report(beacon.Ref{Slot: head, Root: c.view.Head.Root}, err)
	}
	return true
}

// block verifies one block, and that none is missing before it.
func (c *check) block(ctx context.Context, r *record) bool {
	var linkErr error
	if !c.afterDamage {
		linkErr = c.links.check(r)
	}
	c.links.last, c.afterDamage = position{r.Slot, r.Root}, false
	if missing, ok := errors.AsType[*CorruptError](linkErr); ok && missing.Slot != r.Slot {
		if !c.report(beacon.Ref{Slot: missing.Slot, Root: missing.Root}, missing) {
			return false
		}
		linkErr = nil
	}
	err := linkErr
	if err == nil {
		err = c.checkIndex(r)
	}
	if err == nil {
		err = c.checkContent(ctx, r)
	}
	if err != nil {
		return c.report(r.Ref, err)
	}
	return c.yield(r.Ref, nil) && c.sidecars(ctx, r)
}

// checkIndex verifies that the root of a block leads to it.
func (c *check) checkIndex(r *record) error {
	slot, ok, err := c.store.lookUp(r.Root)
	switch {
	case err != nil:
		return &CorruptError{r.Slot, r.Root, fmt.Errorf("%w: %w", errIndex, err)}
	case !ok:
		return &CorruptError{r.Slot, r.Root, errIndex}
	case slot != r.Slot:
		return &CorruptError{r.Slot, r.Root, fmt.Errorf("%w, but to %d", errIndex, slot)}
	}
	return nil
}

// checkContent verifies the frames of a block, and what is recorded of it.
func (c *check) checkContent(ctx context.Context, r *record) (err error) {
	r.Handle = &r.place
	if c.frames, err = c.store.AppendFrames(ctx, r.Ref, c.frames[:0]); err != nil {
		return err
	}
	if err := c.checkBlock(r); err != nil {
		return &CorruptError{r.Slot, r.Root, err}
	}
	return nil
}

func (c *check) checkBlock(r *record) (err error) {
	if c.ssz, err = snappy.AppendDecoded(c.ssz[:0], c.frames, r.Size); err != nil {
		return err
	}
	n := c.view.network.parsed
	block, err := n.DecodeBlock(n.ForkAt(n.EpochOf(r.Slot)), c.ssz)
	if err != nil {
		return err
	}
	if slot, parent := ssz.Slot(block.Slot()), ssz.Root(block.ParentRoot()); slot != r.Slot || parent != r.parent {
		return fmt.Errorf("%w: slot %d, parent %v", errHeader, slot, parent)
	}
	root, err := block.BlockRoot()
	if err != nil {
		return err
	}
	if root != r.Root {
		return fmt.Errorf("%w: %v", errRoot, ssz.Root(root))
	}
	if want, _ := c.view.network.peekCommitments(r.Slot, c.ssz); r.blobsKnown && r.blobs != want {
		return fmt.Errorf("%w: %+v", errCommitments, r.blobs)
	}
	return nil
}

// index verifies that every root which leads to a slot leads to a block there.
func (c *check) index(ctx context.Context) bool {
	var roots [scanBatch]ssz.Root
	var next []byte
	for all := false; !all; {
		var found []ssz.Root
		var err error
		found, all, err = c.store.roots(roots[:0], next)
		switch {
		case ctx.Err() != nil:
			return c.report(beacon.Ref{}, ctx.Err())
		case err != nil && len(c.reported) > 0:
			return true // What cannot be read has been reported along with its blocks.
		case err != nil:
			return c.report(beacon.Ref{}, &CorruptError{Err: fmt.Errorf("index of the roots: %w", err)})
		}
		for _, root := range found {
			slot, ok, err := c.store.lookUp(root)
			if err != nil || !ok || !c.view.holds(slot) || c.reported[slot] {
				continue // A damaged entry has been reported along with its block.
			}
			if _, _, err = c.store.blockByRoot(root); err == nil {
				continue
			}
			if !c.report(beacon.Ref{Slot: slot, Root: root}, err) {
				return false
			}
		}
		if len(found) > 0 {
			next = append(found[len(found)-1][:], 0)
		}
	}
	return true
}

// report yields an error. It reports false if this was the last pair.
func (c *check) report(ref beacon.Ref, err error) bool {
	err = c.store.readError(c.view, err)
	corrupt, ok := errors.AsType[*CorruptError](err)
	if !ok {
		c.yield(beacon.Ref{}, err)
		return false
	}
	c.reported[corrupt.Slot] = true
	return c.yield(ref, err)
}
