package conformance

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func lightClientRules() []Rule {
	return []Rule{
		{
			ID: "S6-updates", Method: "light_client_updates_by_range", Version: 1, Severity: Must,
			Asked: "the two periods up to its head", Expected: "updates of consecutive periods", try: tryUpdates,
		},
		{
			ID: "S6-bootstrap", Method: "light_client_bootstrap", Version: 1, Severity: Should,
			Asked: "the bootstrap of its finalized block", Expected: "the bootstrap, or code 3", try: tryBootstrap,
		},
		{
			ID: "S6-unavailable", Method: "light_client_bootstrap", Version: 1, Severity: Should,
			Asked: "the bootstrap of a root that is none", Expected: "code 3", try: tryNoBootstrap,
		},
		{
			ID: "S6-finality", Method: "light_client_finality_update", Version: 1, Severity: Should,
			Asked: "the latest finality update", Expected: "one update, or code 3", try: tryFinality,
		},
		{
			ID: "S6-optimistic", Method: "light_client_optimistic_update", Version: 1, Severity: Should,
			Asked: "the latest optimistic update", Expected: "one update, or code 3", try: tryOptimistic,
		},
	}
}

func tryUpdates(ctx context.Context, s *session, r *Rule) (string, error) {
	period := uint64(s.network.EpochOf(s.theirs.HeadSlot)) / s.network.Preset().EpochsPerSyncCommitteePeriod()
	return asked(ctx, s, r, 2, func() iter.Seq2[*beacon.LightClientUpdate, error] {
		return s.client.LightClientUpdatesByRange(ctx, s.to, period-min(period, 1), 2)
	})
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
