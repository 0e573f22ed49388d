package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Retention is how much of its history a store keeps of a kind of objects: a positive number of epochs before that of
// the head, or one of the constants.
type Retention int64

const (
	// RetainAll keeps everything. It is the default.
	RetainAll Retention = 0
	// RetainSpec keeps as many epochs as the consensus specs have a node serve, such as
	// MIN_EPOCHS_FOR_BLOCK_REQUESTS.
	RetainSpec Retention = -1
)

// String returns "all", "spec" or the number of epochs.
func (r Retention) String() string {
	switch r {
	case RetainAll:
		return "all"
	case RetainSpec:
		return "spec"
	}
	return strconv.FormatInt(int64(r), 10)
}

// MarshalText implements [encoding.TextMarshaler], in the form of String.
func (r Retention) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler], in the form of String.
func (r *Retention) UnmarshalText(text []byte) error {
	switch string(text) {
	case "all":
		*r = RetainAll
		return nil
	case "spec":
		*r = RetainSpec
		return nil
	}
	epochs, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || epochs <= 0 {
		return fmt.Errorf("retention %q: want all, spec, or a number of epochs", text)
	}
	*r = Retention(epochs)
	return nil
}

// epochs returns how many epochs before that of the head are kept. It reports false if all are.
func (r Retention) epochs(n *ssz.Network, kind beacon.Kind) (epochs uint64, limited bool) {
	switch {
	case r == RetainAll:
		return 0, false
	case r > 0:
		return uint64(r), true
	}
	cfg := n.Config()
	switch kind {
	case beacon.KindBlobSidecar:
		return cfg.MinEpochsForBlobSidecarsRequests, true
	case beacon.KindDataColumnSidecar:
		return cfg.MinEpochsForDataColumnSidecarsRequests, true
	default:
		return n.MinEpochsForBlockRequests(), true
	}
}

// From returns the first slot that is kept of a kind if the head is at some slot. [Store.Retain] keeps more.
func (r Retention) From(n *ssz.Network, kind beacon.Kind, head ssz.Slot) ssz.Slot {
	epochs, limited := r.epochs(n, kind)
	if !limited {
		return 0
	}
	epoch := n.EpochOf(head)
	return n.StartSlot(epoch - min(epoch, ssz.Epoch(epochs)))
}

// Retain discards what need not be kept of a kind: blocks, with all that belongs to them, blob sidecars, data column
// sidecars or execution payload envelopes. It is to be called from time to time, for each kind that is not kept for
// good. Whole segment files are removed, so that something is discarded once for each SLOTS_PER_HISTORICAL_ROOT slots,
// and as much is kept beyond the retention; the earliest slots of [Store.Status] and of [beacon.Sources] follow.
//
// Ranges that are read meanwhile end with [ErrDiscarded], if anything is discarded. The error is [ErrNoNetwork] if the
// network is not known, as slots have no epochs then, that of ctx, or that of a write.
func (s *Store) Retain(ctx context.Context, kind beacon.Kind, keep Retention) error {
	v := s.view.Load()
	if v.network == nil {
		return ErrNoNetwork
	}
	if v.Head == nil {
		return nil
	}
	from := keep.From(v.network.parsed, kind, v.Head.Slot)
	if from == 0 {
		return nil
	}
	before, _ := v.network.slotsOf(v.network.period(from))
	if kind == beacon.KindBlock {
		return s.Prune(ctx, before)
	}
	return s.pruneSidecars(ctx, kind, before)
}

// pruneSidecars discards the objects of a kind that belong to blocks below a slot.
func (s *Store) pruneSidecars(ctx context.Context, kind beacon.Kind, before ssz.Slot) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	// There may be some below that came late.
	found, _, err := s.sidecarRecords(kind, 0, max(before, 1)-1)
	if before == 0 || err == nil && len(found) == 0 {
		return nil
	}
	next := *s.view.Load()
	next.setPruned(kind, max(next.Pruned[kind], before))
	next.discards++
	s.publish(&next) // first, so that no reader takes for damage what is being deleted
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := deleteSidecars(batch, kind, 0, before-1); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	after := next // which readers have
	after.cuts++  // last, so that nothing counts that was seen before it was deleted
	return errors.Join(s.commit(batch, &after), s.dropFiles(before, kind))
}

// setPruned sets the slot below which objects of a kind have been discarded.
func (c *chain) setPruned(kind beacon.Kind, before ssz.Slot) {
	if before == c.Pruned[kind] {
		return
	}
	pruned := map[beacon.Kind]ssz.Slot{kind: before}
	for k, slot := range c.Pruned { // which does not change, as readers have it
		if k != kind {
			pruned[k] = slot
		}
	}
	c.Pruned = pruned
}
