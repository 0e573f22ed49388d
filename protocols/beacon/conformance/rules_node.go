package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// advertised is the rule that every protocol of the current fork is on offer.
const advertised = "P-offered"

// offers is the demand that every protocol of the current fork is on offer. Light client protocols are
// a matter of choice.
func offers() []demand {
	light := named(bootstrap, updatesByRange, finalityUpdate, optimisticUpdate)
	const asked, expected = "which protocols it offers", "the protocol among them, in its forks"
	return []demand{
		must(advertised, except(all, light), tryOffered, asked, expected),
		should(advertised, light, tryOffered, asked, expected),
	}
}

func tryOffered(_ context.Context, t *trial) (string, error) {
	now := t.network.EpochOf(t.currentSlot())
	fork := t.network.ForkAt(now)
	// Blob sidecars are served for as long after the last fork that has them as they are kept.
	kept := named(blobsByRange, blobsByRoot)(t.row) && t.row.OfferedAt(now)
	switch {
	case t.offers(t.row.ID()):
		return "offered", nil
	case (fork < t.row.First || fork > t.row.Last) && !kept:
		return "", skipped(fmt.Sprintf("not of %v", fork))
	case !t.row.Context && named(blocksByRange, blocksByRoot)(t.row):
		return "", skipped("deprecated")
	}
	return "", broken("not offered in %v", fork)
}

// node is the demands on the protocols by which nodes get to know each other.
func node() []demand {
	status := named("status")
	return []demand{
		must("S1-status", status, tryStatus, "status", "one status with the fork digest of now"),
		should("S1-digest", status, tryOtherDigest,
			"status, with a digest of another network", "a disconnect").withParting(),
		should("S1-finalized", status, tryOtherFinalized,
			"status, with another finalized root", "a disconnect").withParting(),
		must("S9-earliest", version("status", 2), tryEarliest, "the earliest slot available", "no slot after its head"),
		must("S9-blocks", version(blocksByRange, 2), tryFromEarliest,
			"the slots from the earliest available on", "no error"),
		must("S9-sidecars", named(blobsByRange, columnsByRange), tryFromEarliest,
			"the slots from the earliest available on", "no error"),
	}
}

func tryStatus(ctx context.Context, t *trial) (string, error) {
	got, err := t.sample(ctx)
	switch {
	case err != nil:
		return "", err
	case got.fault != nil:
		return "", got.fault
	case got.answer.end != nil || got.message == nil:
		return "", broken("%v", got.answer)
	}
	if digest := ssz.ForkDigest(got.message); !slices.Contains(got.digests[:], digest) {
		return "", broken("digest %v, that of the time was %v", digest, got.digests[1])
	}
	return fmt.Sprintf("head slot %d", binary.LittleEndian.Uint64(got.message[headSlotAt:])), nil
}

func tryEarliest(_ context.Context, t *trial) (string, error) {
	earliest, head := t.theirs.EarliestAvailableSlot, t.theirs.HeadSlot
	saw := fmt.Sprintf("its earliest slot is %d, its head is at slot %d", earliest, head)
	if earliest > head {
		return "", skipped(saw) // Nodes that take on more custody know no better for a while.
	}
	return saw, nil
}

// earliestSlots are how many slots are asked for from the earliest on.
const earliestSlots = 4

// tryFromEarliest asks for what a peer has said to be available.
func tryFromEarliest(ctx context.Context, t *trial) (string, error) {
	start := max(t.theirs.EarliestAvailableSlot, t.row.ServedFrom(t.currentSlot()))
	if start > t.theirs.HeadSlot || t.network.ForkAt(t.network.EpochOf(start)) > t.row.Last {
		return "", skipped("its earliest slot of them is after its head")
	}
	count := min(earliestSlots, uint64(t.theirs.HeadSlot-start)+1)
	a, err := t.raw(ctx, count*mostBlobs, payload(encode(rangeOf(t.Method, start, count))))
	if err != nil || isEmpty(a) || a.end == nil && isServed(a) {
		return a.String(), err
	}
	switch ok := code3(a); {
	case ok && !t.offers(t.protocol("status", 2).ID()):
		return "", skipped(fmt.Sprintf("%v, by its status no slot is said to be available", a))
	case ok && t.pruned(ctx, start):
		return "", skipped("the peer has pruned these slots meanwhile")
	}
	return "", broken("%v", a)
}

// pruned reports whether the peer says by now that a slot is not available any more.
func (s *session) pruned(ctx context.Context, slot ssz.Slot) bool {
	theirs, err := s.status(ctx)
	return err == nil && theirs.EarliestAvailableSlot > slot
}

// tryBeforeEarliest asks for slots that the specs have a peer serve, and of which it says that it cannot.
func tryBeforeEarliest(ctx context.Context, t *trial) (string, error) {
	const before = 8
	earliest := t.theirs.EarliestAvailableSlot
	start := max(t.row.ServedFrom(t.currentSlot()), earliest-min(earliest, before))
	if start >= earliest || earliest > t.theirs.HeadSlot || t.network.ForkAt(t.network.EpochOf(start)) > t.row.Last {
		return "", skipped(fmt.Sprintf("its earliest slot is %d: nothing before it has to be served", earliest))
	}
	a, err := t.raw(ctx, 1, payload(encode(rangeOf(t.Method, start, uint64(earliest-start)))))
	if err == nil && t.Method != blocksByRange && isEmpty(a) {
		return "", skipped("nothing, which may be all that there is in these slots")
	}
	return judge(a.String(), err, isServed(a) || code3(a))
}

// Where things lie in a status.
const (
	finalizedRootAt  = 4
	finalizedEpochAt = finalizedRootAt + 32
	headSlotAt       = finalizedEpochAt + 8 + 32
)

func tryOtherDigest(ctx context.Context, t *trial) (string, error) {
	status := t.ownStatus(t.Version)
	status[0] ^= 0xff
	return t.parting(ctx, status)
}

func tryOtherFinalized(ctx context.Context, t *trial) (string, error) {
	if t.theirs.FinalizedEpoch == 0 {
		return "", skipped("nothing is final")
	}
	status := t.ownStatus(t.Version)
	copy(status[finalizedRootAt:], nowhere[:])
	binary.LittleEndian.PutUint64(status[finalizedEpochAt:], uint64(t.theirs.FinalizedEpoch))
	return t.parting(ctx, status)
}

// partingTime is how long a disconnect is waited for.
const partingTime = 15 * time.Second

// parting tells a status that has the peer hang up, and waits for that.
func (t *trial) parting(ctx context.Context, status []byte) (string, error) {
	if _, err := t.raw(ctx, 1, payload(status)); err != nil {
		return "", err
	}
	begin := time.Now()
	hungUp, err := t.hungUp(ctx, partingTime)
	if err == nil && !hungUp {
		err = broken("still connected after %v", partingTime)
	}
	return fmt.Sprintf("a disconnect after %v", time.Since(begin).Round(time.Millisecond)), err
}
