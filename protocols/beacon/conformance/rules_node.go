package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
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

func tryOffered(_ context.Context, s *session, r *Rule) (string, error) {
	row := s.row(r.Method, r.Version)
	now := s.network.EpochOf(s.currentSlot())
	fork := s.network.ForkAt(now)
	offered := s.offers(row.ID())
	// Blob sidecars are served for as long after the last fork that has them as they are kept.
	kept := named(blobsByRange, blobsByRoot)(row) && row.OfferedAt(now)
	switch {
	case offered:
		return "offered", nil
	case (fork < row.First || fork > row.Last) && !kept:
		return "", skipped(fmt.Sprintf("not of %v", fork))
	case !row.Context && strings.HasPrefix(row.Name, "beacon_blocks"):
		return "", skipped("deprecated")
	default:
		return "", broken("not offered in %v", fork)
	}
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
		must("S9-earliest", second("status"), tryEarliest, "the earliest slot available", "no slot after its head"),
		must("S9-blocks", second(blocksByRange), tryFromEarliest,
			"the slots from the earliest available on", "no error"),
		must("S9-sidecars", named(blobsByRange, columnsByRange), tryFromEarliest,
			"the slots from the earliest available on", "no error"),
	}
}

func tryStatus(ctx context.Context, s *session, r *Rule) (string, error) {
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return "", err
	}
	request := s.ownStatus(r.Version)
	a, err := s.raw(ctx, r, payload(request))
	if err != nil {
		return "", err
	}
	message, err := onlyMessage(a, len(request))
	if err != nil {
		return "", err
	}
	if got, want := ssz.ForkDigest(message), ssz.ForkDigest(request); got != want {
		return "", broken("digest %v, now is %v", got, want)
	}
	return fmt.Sprintf("head slot %d", binary.LittleEndian.Uint64(message[76:])), nil
}

func tryEarliest(_ context.Context, s *session, _ *Rule) (string, error) {
	earliest, head := s.theirs.EarliestAvailableSlot, s.theirs.HeadSlot
	if earliest > head {
		// Nodes that take on more custody know no better for a while.
		return "", skipped(fmt.Sprintf("its earliest slot is %d, its head is at slot %d", earliest, head))
	}
	return fmt.Sprintf("slot %d, its head is at slot %d", earliest, head), nil
}

// earliestSlots are how many slots are asked for from the earliest on.
const earliestSlots = 4

// tryFromEarliest asks for what a peer has said to be available.
func tryFromEarliest(ctx context.Context, s *session, r *Rule) (string, error) {
	row := s.row(r.Method, r.Version)
	start := max(s.theirs.EarliestAvailableSlot, row.ServedFrom(s.currentSlot()))
	if start > s.theirs.HeadSlot || s.network.ForkAt(s.network.EpochOf(start)) > row.Last {
		return "", skipped("its earliest slot of them is after its head")
	}
	count := min(earliestSlots, uint64(s.theirs.HeadSlot-start)+1)
	if err := s.pace.wait(ctx, r.Method, count*mostBlobs); err != nil {
		return "", err
	}
	a, err := s.raw(ctx, r, payload(encode(rangeOf(r.Method, start, count))))
	if err != nil || isEmpty(a) || a.end == nil && isServed(a) {
		return a.String(), err
	}
	switch ok := code3(a); {
	case ok && !s.offers(s.row("status", 2).ID()):
		return "", skipped(fmt.Sprintf("%v, by its status no slot is said to be available", a))
	case ok && s.pruned(ctx, start):
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
func tryBeforeEarliest(ctx context.Context, s *session, r *Rule) (string, error) {
	const before = 8
	earliest, row := s.theirs.EarliestAvailableSlot, s.row(r.Method, r.Version)
	start := max(row.ServedFrom(s.currentSlot()), earliest-min(earliest, before))
	if start >= earliest || earliest > s.theirs.HeadSlot || s.network.ForkAt(s.network.EpochOf(start)) > row.Last {
		return "", skipped(fmt.Sprintf("its earliest slot is %d: nothing before it has to be served", earliest))
	}
	a, err := s.paced(ctx, r, payload(encode(rangeOf(r.Method, start, uint64(earliest-start)))))
	switch {
	case err != nil:
		return "", err
	case r.Method != blocksByRange && isEmpty(a):
		return "", skipped("nothing, which may be all that there is in these slots")
	case !isServed(a) && !code3(a):
		return "", broken("%v", a)
	}
	return a.String(), nil
}

// Where things lie in a status.
const (
	finalizedRootAt  = 4
	finalizedEpochAt = 4 + 32
)

func tryOtherDigest(ctx context.Context, s *session, r *Rule) (string, error) {
	status := s.ownStatus(r.Version)
	status[0] ^= 0xff
	return s.parting(ctx, r, status)
}

func tryOtherFinalized(ctx context.Context, s *session, r *Rule) (string, error) {
	if s.theirs.FinalizedEpoch == 0 {
		return "", skipped("nothing is final")
	}
	status := s.ownStatus(r.Version)
	copy(status[finalizedRootAt:], nowhere[:])
	binary.LittleEndian.PutUint64(status[finalizedEpochAt:], uint64(s.theirs.FinalizedEpoch))
	return s.parting(ctx, r, status)
}

// partingTime is how long a disconnect is waited for.
const partingTime = 15 * time.Second

// parting tells a status that has the peer hang up, and waits for that.
func (s *session) parting(ctx context.Context, r *Rule, status []byte) (string, error) {
	if _, err := s.paced(ctx, r, payload(status)); err != nil {
		return "", err
	}
	begin := time.Now()
	hungUp, err := s.hungUp(ctx, partingTime)
	switch {
	case err != nil:
		return "", err
	case !hungUp:
		return "", broken("still connected after %v", partingTime)
	}
	return fmt.Sprintf("a disconnect after %v", time.Since(begin).Round(time.Millisecond)), nil
}
