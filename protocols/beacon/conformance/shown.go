package conformance

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// shown is what a peer has shown of one kind of objects. What it has shown once, it holds: it has to
// serve it again.
type shown[T any] struct {
	asked   bool
	objects []*T
	err     error
}

// get returns what was shown, and asks for it the first time. What is wrong with the answer is told
// once: other rules are not broken by it.
func (h *shown[T]) get(ask func() ([]*T, error)) ([]*T, error) {
	if h.asked {
		return h.objects, aside(h.err)
	}
	h.asked = true
	h.objects, h.err = ask()
	if unavailable(h.err) && len(h.objects) == 0 {
		h.err = skipped(fmt.Sprintf("the peer has none of these: %v", h.err))
	}
	return h.objects, h.err
}

// unavailable reports whether a peer has answered with code 3.
func unavailable(err error) bool {
	e, ok := errors.AsType[refused](err)
	return ok && e.Code == reqresp.CodeResourceUnavailable
}

// known tells of an answer by root that has to be the one object of a slot that was asked for, because
// the peer has shown it before. The client has checked that it is that, and not another.
func (s *session) known(ctx context.Context, r *Rule, slot ssz.Slot, found int, err error) (string, error) {
	switch {
	case found > 0:
		return "what it has shown before", nil
	case err != nil && !unavailable(err):
		return "", err
	case s.mayOmit(ctx, r, slot):
		const why = "nothing of slot %d, which is before its finalized checkpoint or its serve range"
		return "", skipped(fmt.Sprintf(why, slot))
	case err != nil:
		return "", err
	}
	return "", broken("no chunk, for what it has shown before")
}

// mayOmit reports whether a peer may leave out by root what is of a slot: what is older than its serve
// range, or than its finalized checkpoint, as the specs before v1.6 have it and deployed clients do.
func (s *session) mayOmit(ctx context.Context, r *Rule, slot ssz.Slot) bool {
	before := func(e ssz.Epoch) bool { return slot < s.network.StartSlot(e) }
	if slot < s.row(r.Method, r.Version).ServedFrom(s.currentSlot()) || before(s.theirs.FinalizedEpoch) {
		return true
	}
	now, err := s.status(ctx) // it may have finalized more by now
	return err == nil && before(now.FinalizedEpoch)
}

// aside turns an error into one that skips a rule, which another answer than its own has to do with.
func aside(err error) error {
	if err == nil {
		return nil
	}
	return skipped(err.Error())
}

// collect asks for objects in their turn. The call is not made before they are ranged over.
func collect[T any](
	ctx context.Context, s *session, method string, items uint64, objects iter.Seq2[*T, error],
) (all []*T, err error) {
	if err := s.pace.wait(ctx, method, items); err != nil {
		return nil, err
	}
	for object, err := range objects {
		if err != nil {
			return all, told(err)
		}
		all = append(all, object)
	}
	return all, nil
}

// mostBlobs is the most blobs of a block that have sidecars, MAX_BLOBS_PER_BLOCK_ELECTRA.
const mostBlobs = 9

// blobSlots returns the last slots whose blob sidecars a peer has to hold, no more than a number.
func (s *session) blobSlots(most uint64) (start ssz.Slot, count uint64) {
	end := s.theirs.HeadSlot + 1
	if fulu := s.network.StartSlot(s.network.Config().Forks[ssz.Fulu].Epoch); fulu < end {
		end = fulu
	}
	served := s.row(blobsByRange, 1).ServedFrom(s.currentSlot())
	start = max(served, s.theirs.EarliestAvailableSlot, end-min(end, ssz.Slot(most)))
	if start >= end {
		return start, 0
	}
	return start, uint64(end - start)
}

// recentSlots returns the last slots whose objects by a protocol a peer has to hold, no more than a
// number.
func (s *session) recentSlots(method string, most uint64) (start ssz.Slot, count uint64) {
	start, count = s.newest(most)
	if first := s.row(method, 1).ServedFrom(s.currentSlot()); first > start {
		if first > s.theirs.HeadSlot {
			return first, 0
		}
		start, count = first, uint64(s.theirs.HeadSlot-first)+1
	}
	return start, count
}
