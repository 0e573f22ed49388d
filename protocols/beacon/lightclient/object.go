package lightclient

import (
	"encoding/binary"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/internal/bls"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Bootstrap is a decoded LightClientBootstrap. It is immutable.
type Bootstrap struct {
	// Chunk is the object as it was received.
	beacon.Chunk
	// Header is that of the block whose state has the sync committee.
	Header Header

	header    lightClientHeader
	committee *committee
	branch    []byte
}

// DecodeBootstrap decodes a LightClientBootstrap of a chunk's fork. It verifies nothing but the encoding; the chunk may
// come from anywhere. The error wraps ErrMalformed. The bootstrap shares the chunk's memory.
func DecodeBootstrap(n *ssz.Network, c beacon.Chunk) (*Bootstrap, error) {
	p, err := newParts(n, beacon.KindLightClientBootstrap, c)
	if err != nil {
		return nil, err
	}
	b := &Bootstrap{Chunk: c, branch: p.of("current_sync_committee_branch")}
	if b.header, err = p.header("header"); err != nil {
		return nil, err
	}
	if b.committee, err = p.committee("current_sync_committee"); err != nil {
		return nil, err
	}
	b.Header = b.header.Header
	return b, p.checkFork(b.Header.Slot)
}

// An Update is a decoded LightClientUpdate, LightClientFinalityUpdate or LightClientOptimisticUpdate. It is immutable.
type Update struct {
	// Chunk is the object as it was received.
	beacon.Chunk
	// Kind says which of the three it is.
	Kind beacon.Kind
	// Attested is the header that the sync committee has signed.
	Attested Header
	// Finalized is the header of the block that is final in the attested state. It is zero if there is none.
	Finalized Header
	// SignatureSlot is the slot whose sync committee has signed.
	SignatureSlot ssz.Slot
	// Participants is how many members have signed.
	Participants int

	attested, finalized        lightClientHeader
	next                       *committee // nil in kinds that have none
	nextBranch, finalityBranch []byte     // empty in kinds that have none
	participation              []byte     // bits
	signature                  *[bls.SignatureSize]byte
}

// DecodeUpdate decodes an update of a kind and of a chunk's fork. It verifies nothing but the encoding; the chunk may
// come from anywhere. The error wraps ErrMalformed. The update shares the chunk's memory. DecodeUpdate panics if the
// kind is not one of the three kinds of updates.
func DecodeUpdate(n *ssz.Network, kind beacon.Kind, c beacon.Chunk) (*Update, error) {
	p, err := newParts(n, kind, c)
	if err != nil {
		return nil, err
	}
	aggregate := p.of("sync_aggregate")
	split := len(aggregate) - bls.SignatureSize
	u := &Update{
		Chunk: c, Kind: kind,
		SignatureSlot: ssz.Slot(binary.LittleEndian.Uint64(p.of("signature_slot"))),
		participation: aggregate[:split],
		signature:     (*[bls.SignatureSize]byte)(aggregate[split:]),
	}
	u.Participants = countBits(u.participation)
	if u.attested, err = p.header("attested_header"); err != nil {
		return nil, err
	}
	if kind != beacon.KindLightClientOptimisticUpdate {
		u.finalityBranch = p.of("finality_branch")
		if u.finalized, err = p.header("finalized_header"); err != nil {
			return nil, err
		}
	}
	if kind == beacon.KindLightClientUpdate {
		u.nextBranch = p.of("next_sync_committee_branch")
		if u.next, err = p.committee("next_sync_committee"); err != nil {
			return nil, err
		}
	}
	u.Attested, u.Finalized = u.attested.Header, u.finalized.Header
	return u, p.checkFork(u.Attested.Slot)
}

// hasNextCommittee is is_sync_committee_update of the specs.
func (u *Update) hasNextCommittee() bool { return !isZero(u.nextBranch) }

// hasFinality is is_finality_update of the specs.
func (u *Update) hasFinality() bool { return !isZero(u.finalityBranch) }

// hasSupermajority reports whether two thirds of the sync committee have signed.
func (u *Update) hasSupermajority() bool { return u.Participants*3 >= len(u.participation)*8*2 }

// finalizedEpoch returns the epoch of the attested state's finalized checkpoint, of which Finalized has the root: it is
// the root's sibling in the tree of the checkpoint.
func (u *Update) finalizedEpoch() ssz.Epoch {
	leaf := sibling(u.finalityBranch, stateGindices(u.Fork).finalizedRoot)
	return ssz.Epoch(binary.LittleEndian.Uint64(leaf))
}

// periodOf is compute_sync_committee_period_at_slot of the specs.
func periodOf(n *ssz.Network, slot ssz.Slot) uint64 {
	return uint64(n.EpochOf(slot)) / n.Preset().EpochsPerSyncCommitteePeriod()
}
