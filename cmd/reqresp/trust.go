package main

import (
	"fmt"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// holdings is what a store holds and how much of it is verified. It is part of the JSON of import
// and serve.
type holdings struct {
	EarliestSlot   ssz.Slot  `json:"earliest_slot"`
	HeadSlot       ssz.Slot  `json:"head_slot"`
	HeadRoot       ssz.Root  `json:"head_root"`
	FinalizedEpoch ssz.Epoch `json:"finalized_epoch"`
	FinalizedRoot  ssz.Root  `json:"finalized_root"`
	// Verified tells that the chain holds a root that a user gave.
	Verified bool `json:"verified"`
	// TrustedRoot is the root that the chain was found to hold, null if there is none. It is
	// verification only if Verified.
	TrustedRoot *ssz.Root `json:"trusted_root"`
	TrustedSlot ssz.Slot  `json:"trusted_slot"`
	// Signatures tells what is known of the blocks' signatures.
	Signatures string `json:"signatures"`

	below bool // TrustedRoot is that of the block before the first
	empty bool
}

// unchecked is what is known of the signatures of blocks: roots do not cover them, and to check them takes the
// chain's state.
const unchecked = "unchecked"

func holdingsOf(s *store.Store) holdings {
	info := s.Info()
	h := holdings{EarliestSlot: info.Earliest, Signatures: unchecked}
	var ok bool
	h.HeadSlot, h.HeadRoot, ok = s.Head()
	h.empty = !ok
	if info.Source != nil {
		h.FinalizedEpoch, h.FinalizedRoot = info.Source.FinalizedEpoch, info.Source.FinalizedRoot
	}
	if info.AnchorBelow {
		h.TrustedRoot, h.below = &info.Anchor.Root, true
	}
	if info.AnchorHeld {
		h.TrustedRoot, h.TrustedSlot = &info.Anchor.Root, info.Anchor.Slot
		h.Verified = info.Anchor.Origin == store.Given
	}
	return h
}

// String tells it in a sentence.
func (h *holdings) String() string {
	if h.empty {
		return "the store is empty: fill it by 'reqresp import' or 'reqresp sync'"
	}
	held := fmt.Sprintf("slots %d to %d, head %v", h.EarliestSlot, h.HeadSlot, h.HeadRoot)
	switch {
	case h.Verified:
		return fmt.Sprintf("%s: verified up to slot %d, by the trusted root %v and hashes, signatures unchecked",
			held, h.TrustedSlot, *h.TrustedRoot)
	case h.below:
		return fmt.Sprintf("%s: NOT verified, it links to the root %v, that of the block before the first", held, *h.TrustedRoot)
	case h.TrustedRoot != nil:
		return fmt.Sprintf("%s: NOT verified, a peer was taken at its word for %v at slot %d", held, *h.TrustedRoot, h.TrustedSlot)
	}
	return held + ": NOT verified, no root is known to trust the chain for"
}
