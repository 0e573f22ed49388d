package lightclient

import (
	"cmp"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A merit is what is_better_update of the specs compares of an update.
type merit struct {
	supermajority     bool
	participants      int
	relevantCommittee bool // the next sync committee is that of the signature's period
	finality          bool
	committeeFinality bool // the finalized block is of the attested period
	attested          ssz.Slot
	signature         ssz.Slot
}

func meritOf(n *ssz.Network, u *Update) merit {
	period := periodOf(n, u.Attested.Slot)
	return merit{
		supermajority:     u.hasSupermajority(),
		participants:      u.Participants,
		relevantCommittee: u.hasNextCommittee() && period == periodOf(n, u.SignatureSlot),
		finality:          u.hasFinality(),
		committeeFinality: u.hasFinality() && period == periodOf(n, u.Finalized.Slot),
		attested:          u.Attested.Slot,
		signature:         u.SignatureSlot,
	}
}

// compare is is_better_update of the specs: it returns a positive number if m is better, and zero if nothing tells them
// apart.
func (m merit) compare(o merit) int {
	supermajority := compareBool(m.supermajority, o.supermajority)
	if supermajority == 0 && !m.supermajority {
		supermajority = cmp.Compare(m.participants, o.participants)
	}
	return cmp.Or(
		supermajority,
		compareBool(m.relevantCommittee, o.relevantCommittee),
		compareBool(m.finality, o.finality),
		compareBool(m.committeeFinality, o.committeeFinality),
		cmp.Compare(m.participants, o.participants),
		cmp.Compare(o.attested, m.attested), // older data changes the best less often
		cmp.Compare(o.signature, m.signature),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
