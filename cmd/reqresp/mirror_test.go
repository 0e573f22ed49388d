package main

import (
	"errors"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestMirrorClaimsTheViewOfThePeerAndHoldsNothing(t *testing.T) {
	t.Parallel()
	var m mirror
	theirs := beacon.Status{HeadRoot: ssz.Root{1}, HeadSlot: 2, FinalizedRoot: ssz.Root{3}, FinalizedEpoch: 4}
	for _, want := range []beacon.Status{{}, theirs} {
		if got, err := m.Status(t.Context()); err != nil || got != want {
			t.Errorf("status %+v, error %v, want %+v", got, err, want)
		}
		m.peer.Store(&theirs)
	}
	n := 0
	for ref, err := range m.BlocksByRange(t.Context(), 0, 3) {
		n++
		if !errors.Is(err, beacon.ErrUnavailable) {
			t.Errorf("range yields %v, error %v", ref, err)
		}
	}
	if n != 1 {
		t.Errorf("range yields %d pairs, want one error", n)
	}
	for ref, err := range m.BlocksByRoot(t.Context(), []ssz.Root{{1}}) {
		t.Errorf("root yields %v, error %v", ref, err)
	}
}
