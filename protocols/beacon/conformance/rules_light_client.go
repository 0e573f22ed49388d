package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// lightClient is the demands on what light clients sync by.
func lightClient() []demand {
	return []demand{
		{id: "S6-updates", of: named(updatesByRange), try: tryUpdates,
			asked: "the two periods up to its head", expected: "updates of consecutive periods"},
		{id: "S6-first", of: named(updatesByRange), try: tryFirstUpdate,
			asked: "the periods from an update on that it has", expected: "that update first"},
		{id: "S6-count", of: named(updatesByRange), try: tryOneUpdate,
			asked: "one period", expected: "that update and no other"},
		{id: "S6-bootstrap", severity: Should, of: named(bootstrap), try: tryBootstrap,
			asked: "the bootstrap of its finalized block", expected: "the bootstrap, or code 3"},
		{id: "S6-unavailable", severity: Should, of: named(bootstrap), try: tryNoBootstrap,
			asked: "the bootstrap of a root that is none", expected: "code 3"},
		{id: "S6-latest", severity: Should, of: named(finalityUpdate), try: tryFinality,
			asked: "the latest finality update", expected: "one update, or code 3"},
		{id: "S6-latest", severity: Should, of: named(optimisticUpdate), try: tryOptimistic,
			asked: "the latest optimistic update", expected: "one update, or code 3"},
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
	request := ssz.LightClientBootstrapRequest(nowhere)
	a, err := s.paced(ctx, r, payload(request[:]))
	if err != nil {
		return "", err
	}
	if code, _, ok := a.verdict(); !ok || code != byte(reqresp.CodeResourceUnavailable) {
		return "", broken("%v", a)
	}
	return a.String(), nil
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
