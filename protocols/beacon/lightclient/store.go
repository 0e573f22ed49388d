package lightclient

import (
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/internal/bls"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Checkpoint is a finalized checkpoint: the root of the last block up to the first slot of an epoch.
type Checkpoint struct {
	Epoch ssz.Epoch
	Root  ssz.Root
}

// A Store is the LightClientStore of the specs: it follows the sync committees of a chain from a trusted block on, and
// accepts what they have signed. It is not safe for concurrent use.
//
// A store never takes a block for final that two thirds of a sync committee have not signed the finality of: there is
// no process_light_client_store_force_update.
type Store struct {
	network               *ssz.Network
	finalized, optimistic Header
	checkpoint            Checkpoint
	current               *signers // of the period of finalized
	next                  *signers // of the period after that; nil if it is not known

	// The most participants in the signatures of a period.
	previousMaxParticipants, currentMaxParticipants int
}

// NewStore is initialize_light_client_store of the specs: it returns a store that begins with a trusted block. The
// error wraps one of ErrUntrusted, ErrExecutionBranch and ErrCurrentCommitteeBranch.
func NewStore(n *ssz.Network, trusted ssz.Root, b *Bootstrap) (*Store, error) {
	if b.Header.Root != trusted {
		return nil, violation(ErrUntrusted, "block %v of slot %d, want %v", b.Header.Root, b.Header.Slot, trusted)
	}
	if err := b.header.verify(n); err != nil {
		return nil, err
	}
	gindex := stateGindices(b.Fork).currentCommittee
	if !isValidBranch(b.committee.root, b.branch, gindex, b.Header.StateRoot) {
		return nil, violation(ErrCurrentCommitteeBranch, "slot %d", b.Header.Slot)
	}
	return &Store{network: n, finalized: b.Header, optimistic: b.Header, current: b.committee.signers()}, nil
}

// Finalized returns the latest header that is known to be final: the trusted block's at first.
func (s *Store) Finalized() Header { return s.finalized }

// Checkpoint returns the finalized checkpoint whose block Finalized is. It is zero as long as that is the trusted
// block.
func (s *Store) Checkpoint() Checkpoint { return s.checkpoint }

// Optimistic returns the latest attested header with more participants than half of the most that were seen in this
// period and the one before. In a new store a single signature is enough: process a finality update first.
func (s *Store) Optimistic() Header { return s.optimistic }

// Period returns the sync committee period of Finalized.
func (s *Store) Period() uint64 { return s.periodOf(s.finalized.Slot) }

// KnowsNextCommittee is is_next_sync_committee_known of the specs: whether updates of the period after Period can be
// verified.
func (s *Store) KnowsNextCommittee() bool { return s.next != nil }

// Process is process_light_client_update of the specs, for all kinds of updates: it verifies an update and takes what
// is new. The current slot is that of the caller's clock.
//
// A finalized header and a next sync committee are taken if two thirds of the sync committee have signed. Fewer are
// not an error. The error wraps one of this package's errors; the store is as it was then. The signature is verified
// last, which takes about a millisecond, and 30 ms more for a committee that was not used before.
func (s *Store) Process(u *Update, current ssz.Slot) error {
	if err := s.validate(u, current); err != nil {
		return err
	}
	s.currentMaxParticipants = max(s.currentMaxParticipants, u.Participants)
	if u.Participants > s.safetyThreshold() && u.Attested.Slot > s.optimistic.Slot {
		s.optimistic = u.Attested
	}
	finalNextCommittee := s.next == nil && u.hasNextCommittee() && u.hasFinality() &&
		s.periodOf(u.Finalized.Slot) == s.periodOf(u.Attested.Slot)
	if u.hasSupermajority() && (u.Finalized.Slot > s.finalized.Slot || finalNextCommittee) {
		s.apply(u)
	}
	return nil
}

// safetyThreshold is get_safety_threshold of the specs.
func (s *Store) safetyThreshold() int {
	return max(s.previousMaxParticipants, s.currentMaxParticipants) / 2
}

// apply is apply_light_client_update of the specs.
func (s *Store) apply(u *Update) {
	var next *signers
	if u.hasNextCommittee() {
		next = u.next.signers()
	}
	period := s.Period()
	switch {
	case s.next == nil:
		s.next = next // the update is of this period, as its signature is
	case s.periodOf(u.Finalized.Slot) == period+1:
		s.current, s.next = s.next, next
		s.previousMaxParticipants, s.currentMaxParticipants = s.currentMaxParticipants, 0
	}
	if u.Finalized.Slot > s.finalized.Slot {
		// The head is not behind that: two thirds are more than half of any participation, so the attested header was
		// taken before.
		s.finalized = u.Finalized
		s.checkpoint = Checkpoint{u.finalizedEpoch(), u.Finalized.Root}
	}
}

func (s *Store) periodOf(slot ssz.Slot) uint64 { return periodOf(s.network, slot) }

// validate is validate_light_client_update of the specs. What costs most comes last.
func (s *Store) validate(u *Update, current ssz.Slot) error {
	if err := s.checkSlots(u, current); err != nil {
		return err
	}
	if err := s.checkRelevance(u); err != nil {
		return err
	}
	if err := u.attested.verify(s.network); err != nil {
		return err
	}
	if err := s.checkFinality(u); err != nil {
		return err
	}
	if err := s.checkNextCommittee(u); err != nil {
		return err
	}
	return s.checkSignature(u)
}

func (s *Store) checkSlots(u *Update, current ssz.Slot) error {
	switch {
	case u.Participants == 0: // MIN_SYNC_COMMITTEE_PARTICIPANTS is 1
		return violation(ErrNoParticipants, "slot %d", u.Attested.Slot)
	case u.SignatureSlot <= u.Attested.Slot || u.Attested.Slot < u.Finalized.Slot:
		return violation(ErrSlotOrder, "signed in %d, attested %d, finalized %d",
			u.SignatureSlot, u.Attested.Slot, u.Finalized.Slot)
	case u.SignatureSlot > current:
		return problem(ErrFuture, "signed in slot %d, current slot is %d", u.SignatureSlot, current)
	}
	return nil
}

// checkRelevance checks that the committee is known that has signed, and that the update is of use.
func (s *Store) checkRelevance(u *Update) error {
	period, signed := s.Period(), s.periodOf(u.SignatureSlot)
	if signed != period && (s.next == nil || signed != period+1) {
		return problem(ErrUnknownCommittee, "signed in period %d, finalized period is %d", signed, period)
	}
	tellsCommittee := s.next == nil && u.hasNextCommittee() && s.periodOf(u.Attested.Slot) == period
	if u.Attested.Slot <= s.finalized.Slot && !tellsCommittee {
		return problem(ErrIrrelevant, "attested slot %d, finalized slot is %d", u.Attested.Slot, s.finalized.Slot)
	}
	return nil
}

// checkFinality checks that the finalized header is that of the checkpoint in the attested state. A finalized
// checkpoint of genesis has a zero root.
func (s *Store) checkFinality(u *Update) error {
	if !u.hasFinality() {
		if u.Kind != beacon.KindLightClientOptimisticUpdate && !u.finalized.isEmpty {
			return violation(ErrUnproven, "finalized header of slot %d", u.Finalized.Slot)
		}
		return nil
	}
	if u.Finalized.Slot == 0 && !u.finalized.isEmpty {
		return violation(ErrFinalityBranch, "genesis is finalized with a header")
	}
	if u.Finalized.Slot != 0 {
		if err := u.finalized.verify(s.network); err != nil {
			return err
		}
	}
	gindex := stateGindices(u.Fork).finalizedRoot
	if !isValidBranch(u.Finalized.Root, u.finalityBranch, gindex, u.Attested.StateRoot) {
		return violation(ErrFinalityBranch, "finalized slot %d, attested slot %d", u.Finalized.Slot, u.Attested.Slot)
	}
	return nil
}

func (s *Store) checkNextCommittee(u *Update) error {
	if !u.hasNextCommittee() {
		if u.next != nil && !u.next.isEmpty {
			return violation(ErrUnproven, "next sync committee at slot %d", u.Attested.Slot)
		}
		return nil
	}
	if s.next != nil && s.periodOf(u.Attested.Slot) == s.Period() && u.next.root != s.next.root {
		return violation(ErrNextCommittee, "period %d", s.Period())
	}
	gindex := stateGindices(u.Fork).nextCommittee
	if !isValidBranch(u.next.root, u.nextBranch, gindex, u.Attested.StateRoot) {
		return violation(ErrNextCommitteeBranch, "attested slot %d", u.Attested.Slot)
	}
	return nil
}

// checkSignature verifies the sync committee's signature. Its domain is that of the fork in the slot before the
// signature's: the committee signs the head of that slot, whether the slot has a block or not.
func (s *Store) checkSignature(u *Update) error {
	c := s.current
	if s.periodOf(u.SignatureSlot) != s.Period() {
		c = s.next
	}
	epoch := s.network.EpochOf(u.SignatureSlot - 1) // it is after the attested slot, so not 0
	message := bls.SigningRoot(s.network, bls.DomainSyncCommittee, epoch, u.Attested.Root)
	if err := c.verify(u.participation, message, u.signature); err != nil {
		return violation(ErrSignature, "slot %d: %v", u.Attested.Slot, err)
	}
	return nil
}
