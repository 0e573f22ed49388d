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

// atLeastOne skips a rule of objects if the peer has shown none.
func atLeastOne[T any](objects []*T, err error) ([]*T, error) {
	if err == nil && len(objects) == 0 {
		err = skipped("the peer has shown none")
	}
	return objects, err
}

// unavailable reports whether a peer has answered with code 3.
func unavailable(err error) bool {
	e, ok := errors.AsType[refused](err)
	return ok && e.Code == reqresp.CodeResourceUnavailable
}

// known tells of an answer by root that has to be the one object of a slot that was asked for, because
// the peer has shown it before. The client has checked that it is that, and not another.
func (t *trial) known(ctx context.Context, slot ssz.Slot, found int, err error) (string, error) {
	switch {
	case found > 0:
		return "what it has shown before", nil
	case err != nil && !unavailable(err):
		return "", err
	case t.mayOmit(ctx, slot):
		const why = "nothing of slot %d, which is before its finalized checkpoint or its serve range"
		return "", skipped(fmt.Sprintf(why, slot))
	case err != nil:
		return "", err
	}
	return "", broken("no chunk, for what it has shown before")
}

// mayOmit reports whether a peer may leave out by root what is of a slot: what is older than its serve
// range, or than its finalized checkpoint, as the specs before v1.6 have it and deployed clients do.
func (t *trial) mayOmit(ctx context.Context, slot ssz.Slot) bool {
	before := func(e ssz.Epoch) bool { return slot < t.network.StartSlot(e) }
	if slot < t.row.ServedFrom(t.currentSlot()) || before(t.theirs.FinalizedEpoch) {
		return true
	}
	now, err := t.status(ctx) // it may have finalized more by now
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
