package store

import (
	"context"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// An Origin tells how a trusted root was obtained.
type Origin string

// The origins of a trusted root.
const (
	// Given is the origin of a root that the user gave, on grounds of their own.
	Given Origin = "given"
	// FromPeer is the origin of a root that a peer's status named. It is worth
	// as much as the peer's word.
	FromPeer Origin = "a peer's status"
)

// An Anchor is the block that a chain is trusted for: what it links to, down to the first block,
// is as good as the anchor.
type Anchor struct {
	// Root is the root of the block.
	Root ssz.Root `json:"root"`
	// Slot is the slot that the block is expected in. Zero means that it is not known.
	Slot ssz.Slot `json:"slot"`
	// Origin tells how the root was obtained.
	Origin Origin `json:"origin"`
}

// Info is what a store knows of its chain besides the blocks.
type Info struct {
	// Earliest is the slot from which on, up to the head, the store holds every block of the chain: that of the first
	// block, or a later one that Prune has set. Zero if the first block is that of slot 1, or if the store is empty.
	Earliest ssz.Slot
	// Source is what the source of the blocks last said of itself: a claim, unless Confirmed. Nil
	// if none is recorded.
	Source *beacon.Status
	// Final is the slot up to which blocks are history, and are kept in segment files. Zero if it is not known.
	Final ssz.Slot
	// Anchor is the block that the chain is trusted for. Nil if none is recorded.
	Anchor *Anchor
	// AnchorHeld tells that the store holds the anchor, at its slot if that is known. The blocks
	// below it are then those that it links to.
	AnchorHeld bool
	// AnchorBelow tells that the anchor is the parent of the first block, which the store does not hold: the blocks
	// then link to the anchor, and not the anchor to them.
	AnchorBelow bool
	// Confirmed tells that the source's finalized block is the anchor or one that the anchor
	// links to, and that the anchor was given. It is derived whenever something changes, and
	// false as long as one of these blocks is missing.
	Confirmed bool
}

// Info returns what the store knows of its chain. The caller owns what it points to.
func (s *Store) Info() Info {
	v := s.view.Load()
	var info Info
	info.Final, _ = s.settled(v)
	if v.Earliest != nil {
		info.Earliest = *v.Earliest
	}
	if v.Source != nil {
		status := beacon.Status(*v.Source)
		info.Source = &status
	}
	if v.Anchor != nil {
		anchor := *v.Anchor
		info.Anchor = &anchor
		info.AnchorBelow = v.below
		info.AnchorHeld = v.anchor != nil && (anchor.Slot == 0 || anchor.Slot == *v.anchor)
		info.Confirmed = info.AnchorHeld && anchor.Origin == Given && v.finalized != nil && *v.finalized <= *v.anchor
	}
	return info
}

// FirstParent returns the root of the parent of the first block, which the store does not hold. It reports false if the
// store is empty. The error is a [*CorruptError].
func (s *Store) FirstParent(ctx context.Context) (parent ssz.Root, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return ssz.Root{}, false, err
	}
	return s.firstParent(&s.view.Load().chain)
}

// SetSource records what the source of the blocks says of itself. The store reports the finalized
// checkpoint as its own in [Store.Status] when it holds the block.
func (s *Store) SetSource(ctx context.Context, status beacon.Status) error {
	return s.update(ctx, func(c *chain) error {
		source := sourceStatus(status)
		c.Source = &source
		return nil
	})
}

// SetAnchor records the block that the chain is trusted for, in place of any other. The error
// names an origin that is neither Given nor FromPeer.
func (s *Store) SetAnchor(ctx context.Context, a Anchor) error {
	if a.Origin != Given && a.Origin != FromPeer {
		return fmt.Errorf("store: origin %q of anchor: want %q or %q", a.Origin, Given, FromPeer)
	}
	return s.update(ctx, func(c *chain) error {
		c.Anchor = &a
		return nil
	})
}

// update changes what is recorded of the chain.
func (s *Store) update(ctx context.Context, change func(*chain) error) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	next := *s.view.Load()
	if err := change(&next.chain); err != nil {
		return err
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := s.commit(batch, &next); err != nil {
		return err
	}
	_, _ = s.settle(ctx) // What cannot be moved is left to the next Append, which tells why.
	return nil
}

// sourceStatus is the stored form of a status.
type sourceStatus struct {
	ForkDigest            ssz.ForkDigest `json:"fork_digest"`
	FinalizedRoot         ssz.Root       `json:"finalized_root"`
	FinalizedEpoch        ssz.Epoch      `json:"finalized_epoch"`
	HeadRoot              ssz.Root       `json:"head_root"`
	HeadSlot              ssz.Slot       `json:"head_slot"`
	EarliestAvailableSlot ssz.Slot       `json:"earliest_available_slot"`
}
