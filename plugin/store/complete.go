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

// completeLook is about how many slots are looked at for one answer.
const completeLook = 1 << 13

// A completion is what is known of from which slot on all objects of a kind are held. It grows upward with the chain,
// and downward as far as there is something to find.
type completion struct {
	turn chan struct{} // holds an element while a goroutine looks, which owns seen

	seen
}

// seen is what a completion has found out.
type seen struct {
	known   bool
	cuts    uint64
	custody *[]uint64
	from    ssz.Slot // from here up to head nothing is missing
	head    ssz.Slot // up to here all blocks have been looked at
	below   stretch  // the longest stretch below from in which nothing is missing
}

// A stretch is the slots from one on up to, but not including, another.
type stretch struct{ from, end ssz.Slot }

func newCompletions() (all [len(sidecarKinds)]completion) {
	for i := range all {
		all[i].turn = make(chan struct{}, 1)
	}
	return all
}

// earliestOf is Earliest of the [beacon.Sources]: the first slot from which on the objects of a kind are held of all
// blocks that have some. Of the head that is taken to be so as long as only the next block can tell. An answer looks at
// completeLook slots, and the next one goes on where it has ended, or where ctx has ended it; what has not been looked
// at counts as not held.
func (s *Store) earliestOf(ctx context.Context, kind beacon.Kind) (ssz.Slot, error) {
	c := &s.complete[slices.Index(sidecarKinds[:], kind)]
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	v, custody := s.view.Load(), s.custody.Load()
	switch {
	case v.Head == nil:
		return 0, nil
	case v.network == nil:
		return v.Head.Slot + 1, nil // There are no objects, and it is not known which blocks have some.
	}
	look := completeness{store: s, view: v, kind: kind, custody: custody}
	first := max(*v.Earliest, look.first())
	if !c.known || c.cuts != v.cuts || c.custody != custody {
		c.seen = seen{known: true, cuts: v.cuts, custody: custody, from: v.Head.Slot + 1, head: v.Head.Slot}
	}
	if err := c.run(ctx, &look, first); err != nil {
		return 0, err
	}
	switch {
	case c.head < v.Head.Slot:
		return v.Head.Slot + 1, nil
	case c.from <= first:
		return *v.Earliest, nil
	}
	return c.from, nil
}

// run looks at slots: at new ones first, and then downward to the first slot.
func (c *completion) run(ctx context.Context, look *completeness, first ssz.Slot) error {
	top := look.view.Head.Slot
	c.head = max(c.head, min(first, top))
	for range completeLook / scanBatch {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case c.head < top:
			c.up(look, top)
		case c.from <= first || !c.down(look, first):
			return nil
		}
	}
	return nil
}

// up looks at some slots above the head so far, and again at it: it has a child now, which tells what belongs to it.
func (c *completion) up(look *completeness, top ssz.Slot) {
	low, high := c.head, min(c.head+scanBatch-1, top)
	if slot, found := look.among(low, high); found {
		if low > c.from && low-c.from > c.below.end-c.below.from {
			c.below = stretch{c.from, low}
		}
		c.from = slot + 1
	}
	c.head = high
}

// down looks at some slots below from. It reports false if something is missing of one of them.
func (c *completion) down(look *completeness, first ssz.Slot) bool {
	low := max(first, c.below.end, c.from-min(c.from, scanBatch))
	slot, found := look.among(low, c.from-1)
	switch {
	case found:
		c.from = slot + 1
	case low == c.below.end:
		c.from, c.below = c.below.from, stretch{}
	default:
		c.from = low
	}
	return !found
}

// A completeness looks for blocks of which objects of a kind are missing.
type completeness struct {
	store   *Store
	view    *view
	kind    beacon.Kind
	custody *[]uint64
}

// first returns the first slot whose blocks may have such objects.
func (c *completeness) first() ssz.Slot {
	n := c.view.network.parsed
	return n.StartSlot(n.Config().Forks[firstFork(c.kind)].Epoch)
}

// among returns the last slot of a few of whose block objects are missing. It reports false if there is none.
func (c *completeness) among(first, last ssz.Slot) (slot ssz.Slot, found bool) {
	held := make(map[ssz.Slot]sidecarRecord)
	for r, err := range c.store.scanSidecars(c.kind, first, last) {
		if err == nil {
			held[r.slot] = r
		}
	}
	child, err := c.after(last)
	if err != nil {
		return last, true // It cannot be told.
	}
	var blocks []record
	for r, err := range c.store.scan(first, last, scanBatch) {
		if err != nil {
			slot, found = r.Slot, true // Likewise.
			blocks = blocks[:0]
			continue
		}
		blocks = append(blocks, r)
	}
	for i := range slices.Backward(blocks) {
		r := &blocks[i]
		lacks, err := c.lacks(r, held[r.Slot], child)
		if err != nil || lacks {
			return r.Slot, true
		}
		child = r
	}
	return slot, found
}

// after returns the first block after a slot, nil if there is none, or if it tells nothing of what belongs to others.
func (c *completeness) after(slot ssz.Slot) (*record, error) {
	n, head := c.view.network.parsed, c.view.Head.Slot
	if slot >= head || n.ForkAt(n.EpochOf(slot)) < ssz.Gloas {
		return nil, nil
	}
	var room [1]record
	blocks, _, err := c.store.records(room[:0], slot+1, head)
	if len(blocks) == 0 {
		return nil, err
	}
	return &blocks[0], nil
}

// lacks reports whether objects of a block are missing.
func (c *completeness) lacks(r *record, held sidecarRecord, child *record) (bool, error) {
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
		if revealed, err = c.store.buildsOn(c.view, says, child); err != nil {
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
