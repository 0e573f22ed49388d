package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// lightClient is the demands on what light clients sync by.
func lightClient() []demand {
	return []demand{
		must("S6-updates", named(updatesByRange), tryUpdates,
			"the two periods up to its head", "updates of consecutive periods"),
		must("S6-first", named(updatesByRange), tryFirstUpdate,
			"the periods from an update on that it has", "that update first"),
		must("S6-count", named(updatesByRange), tryOneUpdate, "one period", "that update and no other"),
		should("S6-bootstrap", named(bootstrap), tryBootstrap,
			"the bootstrap of its finalized block", "the bootstrap, or code 3"),
		should("S6-unavailable", named(bootstrap), tryNoBootstrap, "the bootstrap of a root that is none", "code 3"),
		should("S6-latest", named(finalityUpdate), tryFinality,
			"the latest finality update", "one update, or code 3"),
		should("S6-latest", named(optimisticUpdate), tryOptimistic,
			"the latest optimistic update", "one update, or code 3"),
	}
}

// someUpdates are those of the two periods up to the peer's head.
func (s *session) someUpdates(ctx context.Context) ([]*beacon.LightClientUpdate, error) {
	updates, err := s.updates.get(func() ([]*beacon.LightClientUpdate, error) {
		updates, err := s.updatesOf(ctx, s.period()-min(s.period(), 1), 2)
		if e, ok := errors.AsType[refused](err); ok && e.Code == reqresp.CodeServerError {
			err = skipped(fmt.Sprintf("%v, as of a chain that has no update yet", err))
		}
		return updates, err
	})
	if err == nil && len(updates) == 0 {
		err = skipped("the peer has shown none")
	}
	return updates, err
}

// updatesOf asks for the updates of some periods, but of none after that of the peer's head: deployed
// servers fail the whole request for those. There may be none of the last period yet, for which others
// answer with an error after the updates that they have: what comes before it is an answer.
func (s *session) updatesOf(ctx context.Context, start, count uint64) ([]*beacon.LightClientUpdate, error) {
	count = min(count, max(s.period(), start)-start+1)
	updates, err := collect(ctx, s, updatesByRange, count,
		s.client.LightClientUpdatesByRange(ctx, s.to, start, count))
	if _, ok := errors.AsType[refused](err); ok && len(updates) > 0 {
		err = nil
	}
	return updates, err
}

func tryUpdates(ctx context.Context, s *session, _ *Rule) (string, error) {
	updates, err := s.someUpdates(ctx)
	return fmt.Sprintf("%d updates", len(updates)), err
}

func (s *session) periodOf(u *beacon.LightClientUpdate) uint64 {
	return uint64(s.network.EpochOf(u.AttestedSlot)) / s.network.Preset().EpochsPerSyncCommitteePeriod()
}

func tryFirstUpdate(ctx context.Context, s *session, _ *Rule) (string, error) {
	shown, err := s.someUpdates(ctx)
	if err != nil {
		return "", err
	}
	period := s.periodOf(shown[0])
	updates, err := s.updatesOf(ctx, period, 2)
	if err == nil && (len(updates) == 0 || s.periodOf(updates[0]) != period) {
		err = broken("%d updates, period %d not first", len(updates), period)
	}
	return fmt.Sprintf("%d updates", len(updates)), err
}

func tryOneUpdate(ctx context.Context, s *session, _ *Rule) (string, error) {
	shown, err := s.someUpdates(ctx)
	if err != nil {
		return "", err
	}
	updates, err := s.updatesOf(ctx, s.periodOf(shown[0]), 1)
	if err == nil && len(updates) != 1 {
		err = broken("%d updates", len(updates))
	}
	return fmt.Sprintf("%d updates", len(updates)), err
}

func tryBootstrap(ctx context.Context, s *session, r *Rule) (string, error) {
	if s.theirs.FinalizedEpoch == 0 {
		return "", skipped("nothing is final")
	}
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return "", err
	}
	b, err := s.client.LightClientBootstrap(ctx, s.to, s.theirs.FinalizedRoot)
	if err != nil {
		return unavailableOr(err)
	}
	return fmt.Sprintf("bootstrap of slot %d", b.Slot), nil
}

func tryNoBootstrap(ctx context.Context, s *session, r *Rule) (string, error) {
	return s.expect(ctx, r, payload(nowhere[:]), code3)
}

func tryFinality(ctx context.Context, s *session, r *Rule) (string, error) {
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return "", err
	}
	return sawUpdate(s.client.LightClientFinalityUpdate(ctx, s.to))
}

func tryOptimistic(ctx context.Context, s *session, r *Rule) (string, error) {
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return "", err
	}
	return sawUpdate(s.client.LightClientOptimisticUpdate(ctx, s.to))
}

func sawUpdate(u *beacon.LightClientUpdate, err error) (string, error) {
	if err != nil {
		return unavailableOr(err)
	}
	return fmt.Sprintf("update of slot %d", u.AttestedSlot), nil
}

// unavailableOr accepts code 3.
func unavailableOr(err error) (string, error) {
	if e, ok := errors.AsType[*reqresp.Error](err); ok && e.Remote && e.Code == reqresp.CodeResourceUnavailable {
		return fmt.Sprintf("code %d %q", e.Code, e.Message), nil
	}
	return "", told(err)
}
