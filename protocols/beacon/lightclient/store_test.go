package lightclient_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/lightclient"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const (
	full       = beacon.KindLightClientUpdate
	finality   = beacon.KindLightClientFinalityUpdate
	optimistic = beacon.KindLightClientOptimisticUpdate
)

// TestStoreFollowsPeriodsInAllPresetsAndForks follows three periods from a bootstrap on, all of one fork.
func TestStoreFollowsPeriodsInAllPresetsAndForks(t *testing.T) {
	for _, preset := range []ssz.Preset{ssz.MainnetPreset, ssz.MinimalPreset, ssz.GnosisPreset} {
		for fork := ssz.Altair; fork <= ssz.Gloas; fork++ {
			if preset != ssz.MinimalPreset && fork != ssz.Electra {
				continue // large committees take their time
			}
			t.Run(fmt.Sprint(preset, " ", fork), func(t *testing.T) {
				w := newWorld(preset, make([]ssz.Epoch, fork)...)
				s := storeOf(t, w.Network, w.bootstrap(w.block(8, nil)))
				for period := range ssz.Slot(3) {
					finalized := w.block(period*w.period+16, nil)
					u := w.update(recipe{kind: full, attested: w.block(period*w.period+40, finalized), finalized: finalized})
					if err := s.Process(updateOf(t, w.Network, full, u), endOfTime); err != nil {
						t.Fatalf("update of period %d: %v", period, err)
					}
					if s.Finalized().Root != finalized.root() || s.Period() != uint64(period) || !s.KnowsNextCommittee() {
						t.Fatalf("finalized %v of period %d after the update of period %d", s.Finalized(), s.Period(), period)
					}
				}
				// Signed by the committee of the next period.
				head := w.block(3*w.period, nil)
				u := w.update(recipe{kind: optimistic, attested: head})
				if err := s.Process(updateOf(t, w.Network, optimistic, u), endOfTime); err != nil {
					t.Fatal(err)
				}
				if s.Optimistic().Root != head.root() {
					t.Errorf("head in slot %d, want %d", s.Optimistic().Slot, head.header.Slot)
				}
			})
		}
	}
}

// TestHeadersKeepTheirForkInLaterTypes finalizes a block of each fork in a state of each later one.
func TestHeadersKeepTheirForkInLaterTypes(t *testing.T) {
	for of := ssz.Altair; of <= ssz.Gloas; of++ {
		for in := of + 1; in <= ssz.Gloas; in++ {
			t.Run(fmt.Sprint(of, " in ", in), func(t *testing.T) {
				epochs := make([]ssz.Epoch, in)
				for f := of + 1; f <= in; f++ {
					epochs[f-ssz.Altair] = 3
				}
				w := newWorld(ssz.MinimalPreset, epochs...)
				s := storeOf(t, w.Network, w.bootstrap(w.block(8, nil)))
				finalized := w.block(16, nil)
				r := recipe{kind: finality, attested: w.block(24, finalized), finalized: finalized}
				if err := s.Process(updateOf(t, w.Network, finality, w.update(r)), endOfTime); err != nil {
					t.Fatal(err)
				}
				if s.Finalized().Root != finalized.root() {
					t.Errorf("finalized slot %d, want 16", s.Finalized().Slot)
				}
				if in < ssz.Capella {
					return
				}
				r.change = func(x *wire) { x.finalized[len(x.finalized)-1] ^= 1 } // payload, or its branch
				refused := func(what string) {
					s := storeOf(t, w.Network, w.bootstrap(w.block(8, nil)))
					err := s.Process(updateOf(t, w.Network, finality, w.update(r)), endOfTime)
					if !errors.Is(err, lightclient.ErrExecutionBranch) {
						t.Errorf("with another %s: %v", what, err)
					}
				}
				refused("payload")
				if in == ssz.Gloas {
					r.change = func(x *wire) { x.finalized[112+32] ^= 1 } // may be a zero root in front of the branch
					refused("branch")
				}
			})
		}
	}
}

// TestSignatureDomainIsOfTheSlotBefore has a fork begin in slot 24: the committee signs the block of slot 23 for slot
// 24 under the old fork, and if slot 24 is missed for slot 25 under the new one.
func TestSignatureDomainIsOfTheSlotBefore(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 3)
	before, after := w.PeriodAt(2).Version, w.PeriodAt(3).Version
	attested := w.block(23, nil)
	for _, test := range []struct {
		slot    ssz.Slot
		version ssz.Version
		want    error
	}{
		{24, before, nil},
		{24, after, lightclient.ErrSignature},
		{25, after, nil},
		{25, before, lightclient.ErrSignature},
	} {
		s := storeOf(t, w.Network, w.bootstrap(w.block(8, nil)))
		u := w.update(recipe{kind: optimistic, attested: attested, slot: test.slot, version: &test.version})
		if err := s.Process(updateOf(t, w.Network, optimistic, u), endOfTime); !errors.Is(err, test.want) {
			t.Errorf("slot %d under version %v: %v, want %v", test.slot, test.version, err, test.want)
		}
	}
}

// TestFinalityTakesTwoThirds has 21 and 22 of 32 members sign.
func TestFinalityTakesTwoThirds(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	finalized := w.block(16, nil)
	attested := w.block(32, finalized)
	for signers, final := range map[int]bool{1: false, 21: false, 22: true, 32: true} {
		s := storeOf(t, w.Network, w.bootstrap(w.block(8, nil)))
		u := w.update(recipe{kind: full, attested: attested, finalized: finalized, signers: signers})
		if err := s.Process(updateOf(t, w.Network, full, u), endOfTime); err != nil {
			t.Fatalf("%d signers: %v", signers, err)
		}
		if got := s.Finalized().Slot == 16; got != final || s.KnowsNextCommittee() != final {
			t.Errorf("%d signers: finalized slot %d, next committee known: %t",
				signers, s.Finalized().Slot, s.KnowsNextCommittee())
		}
		if s.Optimistic().Slot != 32 {
			t.Errorf("%d signers: head in slot %d", signers, s.Optimistic().Slot)
		}
		if want := (lightclient.Checkpoint{Epoch: 2, Root: finalized.root()}); final && s.Checkpoint() != want {
			t.Errorf("checkpoint %v, want %v", s.Checkpoint(), want)
		}
	}
}

// TestHeadTakesHalfOfTheParticipants has few sign after many have.
func TestHeadTakesHalfOfTheParticipants(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	s := storeOf(t, w.Network, w.bootstrap(w.block(8, nil)))
	for i, test := range []struct {
		signers int
		head    ssz.Slot
	}{{32, 20}, {16, 20}, {17, 22}} {
		u := w.update(recipe{kind: optimistic, attested: w.block(ssz.Slot(20+i), nil), signers: test.signers})
		if err := s.Process(updateOf(t, w.Network, optimistic, u), endOfTime); err != nil {
			t.Fatal(err)
		}
		if s.Optimistic().Slot != test.head {
			t.Errorf("%d signers: head in slot %d, want %d", test.signers, s.Optimistic().Slot, test.head)
		}
	}
}

// TestFinalizedGenesisHasNoHeader has a state finalize the zero root.
func TestFinalizedGenesisHasNoHeader(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	s := storeOf(t, w.Network, w.bootstrap(w.block(0, nil)))
	u := w.update(recipe{kind: full, attested: w.block(9, nil)})
	if err := s.Process(updateOf(t, w.Network, full, u), endOfTime); err != nil {
		t.Fatal(err)
	}
	if !s.KnowsNextCommittee() || s.Finalized().Slot != 0 || s.Checkpoint() != (lightclient.Checkpoint{}) {
		t.Errorf("finalized %v, next committee known: %t", s.Finalized(), s.KnowsNextCommittee())
	}
}

// TestBrokenRulesAreToldApart breaks one rule at a time.
func TestBrokenRulesAreToldApart(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	finalized := w.block(16, nil)
	attested := w.block(40, finalized)
	other := w.committee(9)
	infinity := append([]byte{0xc0}, make([]byte, 95)...)
	for _, test := range []struct {
		name string
		r    recipe
		want error
	}{
		{"nobody signed", recipe{change: func(x *wire) { clear(x.bits) }}, lightclient.ErrNoParticipants},
		{
			"nobody signed, at infinity",
			recipe{change: func(x *wire) { clear(x.bits); x.signature = infinity }},
			lightclient.ErrNoParticipants,
		},
		{"signed in the attested slot", recipe{slot: 40}, lightclient.ErrSlotOrder},
		{"signed before the attested slot", recipe{slot: 39}, lightclient.ErrSlotOrder},
		{"signed in slot 0", recipe{change: func(x *wire) { x.slot = 0 }}, lightclient.ErrSlotOrder},
		{"finalized after attested", recipe{finalized: w.block(41, nil)}, lightclient.ErrSlotOrder},
		{"signed in the future", recipe{slot: 51}, lightclient.ErrFuture},
		{
			"a period skipped",
			recipe{attested: w.block(40+2*w.period, finalized), slot: 0},
			lightclient.ErrUnknownCommittee,
		},
		{"of the next period", recipe{attested: w.block(w.period, finalized)}, lightclient.ErrUnknownCommittee},
		{"not newer", recipe{attested: w.block(8, nil), noNext: true, noFinality: true}, lightclient.ErrIrrelevant},
		{
			"another payload",
			recipe{change: func(x *wire) { x.attested[len(x.attested)-1] ^= 1 }},
			lightclient.ErrExecutionBranch,
		},
		{
			"another payload branch",
			recipe{change: func(x *wire) { x.attested[120] ^= 1 }},
			lightclient.ErrExecutionBranch,
		},
		{
			"another finalized payload",
			recipe{change: func(x *wire) { x.finalized[len(x.finalized)-1] ^= 1 }},
			lightclient.ErrExecutionBranch,
		},
		{"another finalized block", recipe{finalized: w.block(17, nil)}, lightclient.ErrFinalityBranch},
		{
			"another finality branch",
			recipe{change: func(x *wire) { x.finalityBranch[5] ^= 1 }},
			lightclient.ErrFinalityBranch,
		},
		{
			"a finalized block without branch",
			recipe{change: func(x *wire) { clear(x.finalityBranch) }},
			lightclient.ErrUnproven,
		},
		{
			"genesis finalized with a header",
			recipe{change: func(x *wire) { x.finalized = w.lightHeader(ssz.Fulu, w.block(0, nil)) }},
			lightclient.ErrFinalityBranch,
		},
		{
			"genesis finalized, with its header",
			recipe{attested: w.block(40, w.block(0, nil)), finalized: w.block(0, nil)},
			lightclient.ErrFinalityBranch,
		},
		{
			"no finalized block with a branch",
			recipe{change: func(x *wire) { x.finalized = w.lightHeader(ssz.Fulu, nil) }},
			lightclient.ErrFinalityBranch,
		},
		{"another next committee", recipe{next: other}, lightclient.ErrNextCommitteeBranch},
		{
			"another next committee's branch",
			recipe{change: func(x *wire) { x.nextBranch[5] ^= 1 }},
			lightclient.ErrNextCommitteeBranch,
		},
		{
			"a next committee without branch",
			recipe{change: func(x *wire) { clear(x.nextBranch) }},
			lightclient.ErrUnproven,
		},
		{
			"a member too many",
			recipe{signers: 31, change: func(x *wire) { x.bits[3] = 0xff }},
			lightclient.ErrSignature,
		},
		{"a member too few", recipe{change: func(x *wire) { x.bits[3] = 0x7f }}, lightclient.ErrSignature},
		{
			"the signature at infinity",
			recipe{change: func(x *wire) { x.signature = infinity }},
			lightclient.ErrSignature,
		},
		{"the signature zero", recipe{change: func(x *wire) { clear(x.signature) }}, lightclient.ErrSignature},
		{
			"the signature's sign",
			recipe{change: func(x *wire) { x.signature[0] ^= 0x20 }},
			lightclient.ErrSignature,
		},
		{"the attested slot", recipe{change: func(x *wire) { x.attested[0]-- }}, lightclient.ErrSignature},
		{"the attested proposer", recipe{change: func(x *wire) { x.attested[8]++ }}, lightclient.ErrSignature},
		{"another domain", recipe{version: &ssz.Version{1}}, lightclient.ErrSignature},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := storeOf(t, w.Network, w.bootstrap(w.block(8, nil)))
			r := test.r
			r.kind = full
			if r.attested == nil {
				r.attested = attested
			}
			if r.finalized == nil && !r.noFinality {
				r.finalized = finalized
			}
			err := s.Process(updateOf(t, w.Network, full, w.update(r)), 50+2*ssz.Slot(btoi(r.attested != attested))*w.period)
			if !errors.Is(err, test.want) {
				t.Fatalf("%v, want %v", err, test.want)
			}
			blameless := []error{lightclient.ErrFuture, lightclient.ErrUnknownCommittee, lightclient.ErrIrrelevant}
			if got := errors.Is(err, reqresp.ErrViolation); got == slices.Contains(blameless, test.want) {
				t.Errorf("%v: violation: %t", err, got)
			}
			if s.Finalized().Slot != 8 || s.Optimistic().Slot != 8 || s.KnowsNextCommittee() {
				t.Errorf("the store has changed")
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestNextCommitteeIsNotReplaced has a committee sign a state that has another next committee than the state before.
func TestNextCommitteeIsNotReplaced(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	s := storeOf(t, w.Network, w.bootstrap(w.block(8, nil)))
	finalized := w.block(16, nil)
	u := w.update(recipe{kind: full, attested: w.block(32, finalized), finalized: finalized})
	if err := s.Process(updateOf(t, w.Network, full, u), endOfTime); err != nil {
		t.Fatal(err)
	}
	other := w.committee(9)
	attested := w.block(40, finalized, w.committee(0), other)
	u = w.update(recipe{kind: full, attested: attested, finalized: finalized, next: other})
	if err := s.Process(updateOf(t, w.Network, full, u), endOfTime); !errors.Is(err, lightclient.ErrNextCommittee) {
		t.Errorf("%v, want %v", err, lightclient.ErrNextCommittee)
	}
}

// TestObjectsAreSharedByStores has stores begin with one bootstrap and process the same updates concurrently.
func TestObjectsAreSharedByStores(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	b := bootstrapOf(t, w.Network, w.bootstrap(w.block(8, nil)))
	var updates []*lightclient.Update
	for period := range ssz.Slot(2) {
		finalized := w.block(period*w.period+16, nil)
		r := recipe{kind: full, attested: w.block(period*w.period+40, finalized), finalized: finalized}
		updates = append(updates, updateOf(t, w.Network, full, w.update(r)))
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			s, err := lightclient.NewStore(w.Network, b.Header.Root, b)
			for _, u := range updates {
				err = errors.Join(err, s.Process(u, endOfTime))
			}
			if err != nil || s.Period() != 1 {
				t.Errorf("period %d: %v", s.Period(), err)
			}
		})
	}
	wg.Wait()
}

// TestInvalidKeysDoNotSign has a trusted state whose committee has keys that are no keys.
func TestInvalidKeysDoNotSign(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	for name, key := range map[string][]byte{
		"zero":     make([]byte, 48),
		"infinity": append([]byte{0xc0}, make([]byte, 47)...),
	} {
		t.Run(name, func(t *testing.T) {
			committee := w.committee(0)
			for i := range int(w.Preset().SyncCommitteeSize()) {
				copy(committee[48*i:], key)
			}
			b := w.block(8, nil, committee, w.committee(1))
			c := w.bootstrap(b)
			copy(c.SSZ[4:], committee)
			s := storeOf(t, w.Network, c)
			u := w.update(recipe{kind: optimistic, attested: w.block(9, nil), change: func(x *wire) {
				x.signature = append([]byte{0xc0}, make([]byte, 95)...) // the sum of no points
			}})
			err := s.Process(updateOf(t, w.Network, optimistic, u), endOfTime)
			if !errors.Is(err, lightclient.ErrSignature) {
				t.Errorf("%v, want %v", err, lightclient.ErrSignature)
			}
		})
	}
}

// TestPeriodsAreNotSkippedWithAKnownCommittee has the committee of the period after the next one sign.
func TestPeriodsAreNotSkippedWithAKnownCommittee(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	s := storeOf(t, w.Network, w.bootstrap(w.block(8, nil)))
	finalized := w.block(16, nil)
	u := w.update(recipe{kind: full, attested: w.block(32, finalized), finalized: finalized})
	if err := s.Process(updateOf(t, w.Network, full, u), endOfTime); err != nil {
		t.Fatal(err)
	}
	u = w.update(recipe{kind: optimistic, attested: w.block(2*w.period, nil)})
	err := s.Process(updateOf(t, w.Network, optimistic, u), endOfTime)
	if !errors.Is(err, lightclient.ErrUnknownCommittee) {
		t.Errorf("%v", err)
	}
}

func TestBootstrapIsVerified(t *testing.T) {
	for fork := ssz.Altair; fork <= ssz.Gloas; fork++ {
		t.Run(fork.String(), func(t *testing.T) {
			w := newWorld(ssz.MinimalPreset, make([]ssz.Epoch, fork)...)
			b := w.block(8, nil)
			committee := 112 // where it begins: behind the header, or its offset
			if hasVariableHeaders(fork) {
				committee = 4
			} else if fork >= ssz.Gloas {
				committee += 32 + 11*32
			}
			branch := committee + len(w.committee(0))
			for name, test := range map[string]struct {
				trusted ssz.Root
				change  int // a byte of the object, or -1
				want    error
			}{
				"valid":           {b.root(), -1, nil},
				"another block":   {ssz.Root{1}, -1, lightclient.ErrUntrusted},
				"another key":     {b.root(), committee, lightclient.ErrCurrentCommitteeBranch},
				"another branch":  {b.root(), branch, lightclient.ErrCurrentCommitteeBranch},
				"end of branch":   {b.root(), branch + 32*5 - 1, lightclient.ErrCurrentCommitteeBranch},
				"another payload": {b.root(), -2, lightclient.ErrExecutionBranch},
			} {
				c := w.bootstrap(b)
				switch {
				case test.change >= 0:
					c.SSZ[test.change] ^= 1
				case test.change == -2 && fork < ssz.Capella:
					continue
				case test.change == -2 && fork >= ssz.Gloas:
					c.SSZ[112] ^= 1
				case test.change == -2:
					c.SSZ[len(c.SSZ)-1] ^= 1
				}
				_, err := lightclient.NewStore(w.Network, test.trusted, bootstrapOf(t, w.Network, c))
				if !errors.Is(err, test.want) {
					t.Errorf("%s: %v, want %v", name, err, test.want)
				}
			}
		})
	}
}

func TestMalformedObjectsAreRefused(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0, 5) // Fulu, whose types are Electra's, is later
	b := w.block(8, nil)
	bootstrap, update := w.bootstrap(b), w.update(recipe{kind: full, attested: b})
	for name, c := range map[string]beacon.Chunk{
		"empty":           {Fork: bootstrap.Fork},
		"truncated":       {Fork: bootstrap.Fork, SSZ: bootstrap.SSZ[:len(bootstrap.SSZ)-50]},
		"of another kind": {Fork: bootstrap.Fork, SSZ: update.SSZ},
		"of phase0":       {Fork: ssz.Phase0, SSZ: bootstrap.SSZ},
		"of no fork":      {Fork: 99, SSZ: bootstrap.SSZ},
		"of a later fork": {Fork: ssz.Fulu, SSZ: bootstrap.SSZ},
	} {
		_, err := lightclient.DecodeBootstrap(w.Network, c)
		if !errors.Is(err, lightclient.ErrMalformed) || !errors.Is(err, reqresp.ErrViolation) {
			t.Errorf("bootstrap %s: %v", name, err)
		}
		switch name {
		case "of another kind":
			c.SSZ = bootstrap.SSZ
		case "of a later fork":
			c.SSZ = update.SSZ
		}
		if _, err := lightclient.DecodeUpdate(w.Network, full, c); !errors.Is(err, lightclient.ErrMalformed) {
			t.Errorf("update %s: %v", name, err)
		}
	}
}
