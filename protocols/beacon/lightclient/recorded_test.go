package lightclient_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/lightclient"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func recordings() map[string]*recording {
	return map[string]*recording{"mainnet": mainnetRecording(), "minimal": minimalRecording()}
}

// TestRecordedChainIsFollowed begins with each bootstrap, and processes everything by ascending slot.
func TestRecordedChainIsFollowed(t *testing.T) {
	for name, r := range recordings() {
		t.Run(name, func(t *testing.T) {
			updates := r.all(t)
			for _, c := range r.bootstraps[:2] {
				s := storeOf(t, r.network, c)
				for _, u := range updates {
					err := s.Process(u, u.SignatureSlot)
					if err != nil && !errors.Is(err, lightclient.ErrIrrelevant) {
						t.Fatalf("%v attested in slot %d: %v", u.Kind, u.Attested.Slot, err)
					}
					if u.Attested.Slot > s.Optimistic().Slot {
						t.Fatalf("head in slot %d after a valid %v of slot %d", s.Optimistic().Slot, u.Kind, u.Attested.Slot)
					}
				}
				if got := s.Checkpoint(); got != r.finalized {
					t.Errorf("checkpoint %v, want %v", got, r.finalized)
				}
				if s.Finalized().Root != r.finalized.Root {
					t.Errorf("finalized %v, want %v", s.Finalized().Root, r.finalized.Root)
				}
			}
		})
	}
}

// TestRecordedHeadersAreTheBlocks compares what is accepted with the chain's blocks.
func TestRecordedHeadersAreTheBlocks(t *testing.T) {
	r := minimalRecording()
	blocks := make(map[ssz.Slot]ssz.Root)
	for _, b := range beacontest.FuluBlocks() {
		blocks[b.Slot] = b.Root
	}
	for _, u := range r.all(t) {
		if u.Attested.Root != blocks[u.Attested.Slot] {
			t.Errorf("attested in slot %d: %v, want %v", u.Attested.Slot, u.Attested.Root, blocks[u.Attested.Slot])
		}
		if u.Finalized != (lightclient.Header{}) && u.Finalized.Root != blocks[u.Finalized.Slot] {
			t.Errorf("finalized in slot %d: %v, want %v", u.Finalized.Slot, u.Finalized.Root, blocks[u.Finalized.Slot])
		}
	}
}

// TestRecordedSignaturesCoverTheHeader changes each bit of participation, and some of the signature.
func TestRecordedSignaturesCoverTheHeader(t *testing.T) {
	r := minimalRecording()
	first := r.optimistic[1]
	s := storeOf(t, r.network, r.bootstraps[0])
	offset := int(first.SSZ[0]) // of the header, behind the fixed part
	for i := 4; i < offset-8; i += 3 {
		c := beacon.Chunk{Fork: first.Fork, SSZ: slices.Clone(first.SSZ)}
		c.SSZ[i] ^= 1
		err := s.Process(updateOf(t, r.network, optimistic, c), endOfTime)
		if !errors.Is(err, lightclient.ErrSignature) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
}
