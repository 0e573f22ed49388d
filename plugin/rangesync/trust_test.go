package rangesync_test

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func finalized(epoch ssz.Epoch, root ssz.Root) func(*beacon.Status) {
	return func(s *beacon.Status) { s.FinalizedEpoch, s.FinalizedRoot = epoch, root }
}

// trusts checks what a run has found, and what is recorded of it.
func trusts(slot ssz.Slot, trust rangesync.Trust, anchor *store.Anchor, confirmed bool) func(*testing.T, *store.Store, rangesync.Result, error) {
	return func(t *testing.T, s *store.Store, r rangesync.Result, _ error) {
		if r.Trust != trust || r.TrustedSlot != slot || r.Trusted != dev(slot, slot)[0].Root {
			t.Errorf("result %+v, want slot %d, %s", r, slot, trust)
		}
		info := s.Info()
		if info.Anchor == nil || *info.Anchor != *anchor {
			t.Errorf("anchor %+v, want %+v", info.Anchor, anchor)
		}
		if info.Confirmed != confirmed {
			t.Errorf("confirmed %v, want %v", info.Confirmed, confirmed)
		}
	}
}

// trustsParent checks that the blocks of a run are found to link to a root below them.
func trustsParent(root ssz.Root) func(*testing.T, *store.Store, rangesync.Result, error) {
	return func(t *testing.T, s *store.Store, r rangesync.Result, _ error) {
		if r.Trust != rangesync.TrustGiven || r.TrustedSlot != 0 || r.Trusted != root {
			t.Errorf("result %+v, want %v", r, root)
		}
		if info := s.Info(); !info.AnchorBelow || info.AnchorHeld || info.Confirmed {
			t.Errorf("info %+v", info)
		}
	}
}

// distrusts checks that nothing is recorded of a root that was not found.
func distrusts(before *store.Anchor) func(*testing.T, *store.Store, rangesync.Result, error) {
	return func(t *testing.T, s *store.Store, _ rangesync.Result, _ error) {
		switch got := s.Info().Anchor; {
		case before == nil && got != nil:
			t.Errorf("anchor %+v, want none", got)
		case before != nil && (got == nil || *got != *before):
			t.Errorf("anchor %+v, want %+v", got, before)
		}
	}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	final := finalized(devchain.FinalizedEpoch, devchain.FinalizedRoot())
	unknown := ssz.Root{1, 2, 3}
	opts := func(root ssz.Root) rangesync.Options { return rangesync.Options{TrustedRoot: root} }
	at := func(slot ssz.Slot) rangesync.Options { return opts(dev(slot, slot)[0].Root) }
	from := func(slot ssz.Slot, o rangesync.Options) rangesync.Options {
		o.From = slot
		return o
	}
	given, word := rangesync.TrustGiven, store.FromPeer
	tests := []*syncTest{
		{name: "given", opts: at(64), check: trusts(64, given, anchorAt(64, store.Given), true)},
		{name: "given above the finalized", opts: at(142), check: trusts(142, given, anchorAt(142, store.Given), true)},
		{name: "given below the finalized", opts: at(10), check: trusts(10, given, anchorAt(10, store.Given), false)},
		{name: "given at the first block", opts: at(1), check: trusts(1, given, anchorAt(1, store.Given), false)},
		{name: "given, nothing to do", held: whole, opts: at(64), check: trusts(64, given, anchorAt(64, store.Given), true)},
		{name: "given is unknown", opts: opts(unknown), err: rangesync.ErrUntrusted, check: distrusts(nil)},
		{name: "given is genesis", opts: opts(whole[0].ParentRoot), check: trustsParent(whole[0].ParentRoot)},
		// The block of a checkpoint is of an earlier slot if the first of the epoch is empty.
		{name: "given is the parent of the first block", opts: from(100, at(99)), stored: dev(100, 142), check: trustsParent(whole[98].Root)},
		{
			name: "given before is the parent of the first block", held: dev(100, 120), anchor: &store.Anchor{Root: whole[98].Root, Origin: store.Given},
			stored: dev(100, 142), check: trustsParent(whole[98].Root),
		},
		{name: "given is the parent of the second block before", opts: from(100, at(98)), stored: dev(100, 142), err: rangesync.ErrUntrusted, check: distrusts(nil)},
		{name: "given is above the head", opts: at(142), peer: scriptedPeer{chain: dev(1, 140)}, stored: dev(1, 140), err: rangesync.ErrUntrusted, check: distrusts(nil)},
		{name: "given is below the earliest", opts: from(100, at(64)), stored: dev(100, 142), err: rangesync.ErrUntrusted, check: distrusts(nil)},
		{name: "given is unknown, another was found before", held: whole, anchor: anchorAt(64, store.Given), opts: opts(unknown), err: rangesync.ErrUntrusted, check: distrusts(anchorAt(64, store.Given))},
		{name: "given before", held: dev(1, 70), anchor: anchorAt(64, store.Given), check: trusts(64, given, anchorAt(64, store.Given), true)},
		{name: "given before, not reached", held: dev(1, 70), anchor: anchorAt(100, store.Given), check: trusts(100, given, anchorAt(100, store.Given), true)},
		{
			name: "given before, not in the chain", held: dev(1, 70), anchor: &store.Anchor{Root: unknown, Slot: 100, Origin: store.Given},
			err: rangesync.ErrUntrusted, check: distrusts(&store.Anchor{Root: unknown, Slot: 100, Origin: store.Given}),
		},
		{name: "given before, higher than now", held: whole, anchor: anchorAt(100, store.Given), opts: at(10), check: trusts(10, given, anchorAt(100, store.Given), true)},
		{name: "given before, lower than now", held: whole, anchor: anchorAt(10, store.Given), opts: at(100), check: trusts(100, given, anchorAt(100, store.Given), true)},
		{name: "given before, pruned since", held: dev(30, 70), anchor: anchorAt(20, store.Given), stored: dev(30, 142), check: trusts(64, rangesync.TrustFinalized, anchorAt(64, word), false)},
		{name: "given after the peer's word", held: whole, anchor: anchorAt(64, word), opts: at(64), check: trusts(64, given, anchorAt(64, store.Given), true)},
		{name: "peer's finalized", check: trusts(64, rangesync.TrustFinalized, anchorAt(64, word), false)},
		{name: "peer's finalized is unknown", status: finalized(2, unknown), err: rangesync.ErrUntrusted, check: distrusts(nil)},
		{name: "peer's finalized is zero", status: finalized(2, ssz.Root{}), err: rangesync.ErrUntrusted, check: distrusts(nil)},
		{name: "peer has finalized nothing", status: finalized(0, ssz.Root{}), check: trusts(142, rangesync.TrustHead, anchorAt(142, word), false)},
		{name: "peer has finalized nothing from there on", opts: from(65, rangesync.Options{}), stored: dev(65, 142), check: trusts(142, rangesync.TrustHead, anchorAt(142, word), false)},
		{name: "peer has finalized the first block", opts: from(64, rangesync.Options{}), stored: dev(64, 142), check: trusts(64, rangesync.TrustFinalized, anchorAt(64, word), false)},
		{name: "peer's head is unknown", status: func(s *beacon.Status) { s.HeadRoot = unknown }, err: rangesync.ErrUntrusted, check: distrusts(nil)},
	}
	for _, tt := range tests {
		if tt.peer.chain == nil {
			tt.peer.chain = whole
		}
		if tt.stored == nil {
			tt.stored = whole
		}
		if tt.status == nil {
			tt.status = final
		}
	}
	runAll(t, tests)
}

func TestSourceIsRecorded(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		peer := scriptedPeer{chain: dev(1, 142)}
		peer.serve(t, server)
		status := peer.status()
		finalized(devchain.FinalizedEpoch, devchain.FinalizedRoot())(&status)
		s := newStore(t)
		if _, err := rangesync.Run(t.Context(), source(client, server, status), s, nil); err != nil {
			t.Fatal(err)
		}
		if got := s.Info().Source; got == nil || *got != status {
			t.Errorf("source %+v, want %+v", got, status)
		}
	})
}
