package store

import (
	"context"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// SetCustody sets the data columns that the node announces to have, in ascending order: see [beacon.CustodyColumns].
// Only blocks of which all of these are held count as held with their columns, see [beacon.Sources]. Until it is called
// one column is enough. The store keeps the slice, which is not to be changed. It is not remembered when the store is
// closed.
func (s *Store) SetCustody(columns []uint64) { s.custody.Store(&columns) }

// Custody returns what was given to SetCustody, nil if it was not called. It is not to be changed.
func (s *Store) Custody() []uint64 {
	if custody := s.custody.Load(); custody != nil {
		return *custody
	}
	return nil
}

// completeLook is how many slots are looked at for one answer. It is twice those of the serve range of mainnet.
const completeLook = 1 << 18

// A completion is from which slot on all objects of a kind are held.
type completion struct {
	turn chan struct{} // holds an element while somebody looks

	// What follows belongs to whoever has the turn.
	discards uint64
	custody  *[]uint64
	head     ssz.Slot
	from     ssz.Slot // so far; zero if nothing is known
}

func newCompletions() (all [len(sidecarKinds)]completion) {
	for i := range all {
		all[i].turn = make(chan struct{}, 1)
	}
	return all
}

// earliest is Earliest of the [beacon.Sources]: the first slot from which on the objects of a kind are held of all
// blocks that have some. Of the head that is taken to be so as long as only the next block can tell. An answer looks at
// completeLook slots and at those since the last answer; what has not been looked at counts as not held.
func (s *Store) earliestOf(ctx context.Context, kind beacon.Kind) (ssz.Slot, error) {
	v := s.view.Load()
	switch {
	case v.Head == nil:
		return 0, nil
	case v.network == nil:
		return v.Head.Slot + 1, nil // There are no objects, and it is not known which blocks have some.
	}
	c := &s.complete[slices.Index(sidecarKinds[:], kind)]
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	custody := s.custody.Load()
	if c.discards != v.discards || c.custody != custody || c.head > v.Head.Slot || c.from == 0 {
		c.discards, c.custody, c.head, c.from = v.discards, custody, v.Head.Slot, v.Head.Slot+1
	}
	look := completeness{store: s, view: v, kind: kind, custody: custody}
	first := max(*v.Earliest, look.first())
	// The head before may have a child now, which tells what belongs to it.
	from, err := look.down(ctx, max(first, c.head), v.Head.Slot)
	if err == nil && from <= max(first, c.head) {
		from, err = look.down(ctx, max(first, c.from-min(c.from, completeLook)), c.from-1)
	}
	if err != nil {
		return 0, err
	}
	c.head, c.from = v.Head.Slot, from
	if from <= first {
		return *v.Earliest, nil
	}
	return from, nil
}

// A completeness looks for blocks of which objects of a kind are missing.
type completeness struct {
	store   *Store
	view    *view
	kind    beacon.Kind
	custody *[]uint64
	child   *record // the block after the one that is looked at
}

// first returns the first slot whose blocks may have such objects.
func (c *completeness) first() ssz.Slot {
	fork := map[beacon.Kind]ssz.Fork{
		beacon.KindBlobSidecar: ssz.Deneb, beacon.KindDataColumnSidecar: ssz.Fulu,
		beacon.KindExecutionPayloadEnvelope: ssz.Gloas,
	}[c.kind]
	n := c.view.network.parsed
	return n.StartSlot(n.Config().Forks[fork].Epoch)
}

// down returns the slot, from first to last+1, from which on no objects of blocks are missing up to last.
func (c *completeness) down(ctx context.Context, first, last ssz.Slot) (ssz.Slot, error) {
	end := last + 1
	for end > first {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		low := end - min(end-first, scanBatch)
		if slot, found := c.among(low, end-1); found {
			return slot + 1, nil
		}
		end = low
	}
	return end, nil
}

// among returns the last slot of a few of whose block objects are missing. It reports false if there is none.
func (c *completeness) among(first, last ssz.Slot) (slot ssz.Slot, found bool) {
	held := make(map[ssz.Slot]sidecarRecord)
	for r, err := range c.store.scanSidecars(c.kind, first, last) {
		if err == nil {
			held[r.slot] = r
		}
	}
	var blocks []record
	for r, err := range c.store.scan(first, last, scanBatch) {
		if err != nil {
			slot, found = r.Slot, true // It cannot be told.
			blocks = blocks[:0]
			continue
		}
		blocks = append(blocks, r)
	}
	for i := range slices.Backward(blocks) {
		r := &blocks[i]
		lacks, err := c.lacks(r, held[r.Slot])
		if err != nil || lacks {
			return r.Slot, true
		}
		c.child = r
	}
	return slot, found
}

// lacks reports whether objects of a block are missing.
func (c *completeness) lacks(r *record, held sidecarRecord) (bool, error) {
	n := c.view.network.parsed
	fork := n.ForkAt(n.EpochOf(r.Slot))
	if fork < ssz.Deneb {
		return false, nil
	}
	says, err := c.store.blobsOf(c.view, r)
	if err != nil {
		return false, err
	}
	revealed := true
	if fork >= ssz.Gloas {
		if revealed, err = c.store.buildsOn(c.view, says, c.child); err != nil {
			return false, err
		}
	}
	if held.root != r.Root {
		held.objects = nil
	}
	switch c.kind {
	case beacon.KindBlobSidecar:
		return fork < ssz.Fulu && len(held.objects) < says.Count, nil
	case beacon.KindDataColumnSidecar:
		return fork >= ssz.Fulu && says.Count > 0 && revealed && c.lacksColumns(held), nil
	default:
		return fork >= ssz.Gloas && revealed && len(held.objects) == 0, nil
	}
}

func (c *completeness) lacksColumns(held sidecarRecord) bool {
	if c.custody == nil {
		return len(held.objects) == 0
	}
	return slices.ContainsFunc(*c.custody, func(column uint64) bool { return held.find(column) == nil })
}

// blobsOf returns what a block says of its blobs.
func (s *Store) blobsOf(v *view, r *record) (says ssz.BlobCommitments, err error) {
	n := v.network.parsed
	if r.blobsKnown || n.ForkAt(n.EpochOf(r.Slot)) < ssz.Deneb {
		return r.blobs, nil
	}
	frames, err := s.readFrames(v, &r.Ref, &r.place, nil)
	if err != nil {
		return says, err
	}
	block, err := snappy.NewReaderAt(frames)
	if err != nil {
		return says, err
	}
	return n.PeekBlobCommitments(n.ForkAt(n.EpochOf(r.Slot)), block, block.Size())
}

// buildsOn reports whether a child builds on the execution payload of a block that says this of it. There may be no
// child.
func (s *Store) buildsOn(v *view, says ssz.BlobCommitments, child *record) (bool, error) {
	if child == nil {
		return false, nil
	}
	theirs, err := s.blobsOf(v, child)
	return err == nil && theirs.ParentBlockHash == says.BlockHash, err
}

// builtOn reports whether the chain has built on the execution payload of the block of a slot.
func (s *Store) builtOn(v *view, slot ssz.Slot) (bool, error) {
	var room [2]record
	blocks, _, err := s.records(room[:0], slot, v.Head.Slot)
	if err != nil || len(blocks) < 2 || blocks[0].Slot != slot {
		return false, err
	}
	says, err := s.blobsOf(v, &blocks[0])
	if err != nil {
		return false, err
	}
	return s.buildsOn(v, says, &blocks[1])
}
