package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
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
		should("S6-latest", named(finalityUpdate), tryLatest((*beacon.Client).LightClientFinalityUpdate),
			"the latest finality update", "one update, or code 3"),
		should("S6-latest", named(optimisticUpdate), tryLatest((*beacon.Client).LightClientOptimisticUpdate),
			"the latest optimistic update", "one update, or code 3"),
	}
}

// someUpdates are those of the two periods up to the peer's head.
func (s *session) someUpdates(ctx context.Context) ([]*beacon.LightClientUpdate, error) {
	return atLeastOne(s.updates.get(func() ([]*beacon.LightClientUpdate, error) {
		updates, err := s.updatesOf(ctx, s.period()-min(s.period(), 1), 2)
		if e, ok := errors.AsType[refused](err); ok && e.Code == reqresp.CodeServerError {
			err = skipped(fmt.Sprintf("%v, as of a chain that has no update yet", err))
		}
		return updates, err
	}))
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

func tryUpdates(ctx context.Context, t *trial) (string, error) {
	updates, err := t.someUpdates(ctx)
	return fmt.Sprintf("%d updates", len(updates)), err
}

func tryFirstUpdate(ctx context.Context, t *trial) (string, error) {
	shown, err := t.someUpdates(ctx)
	if err != nil {
		return "", err
	}
	period := t.network.SyncCommitteePeriodOf(shown[0].AttestedSlot)
	updates, err := t.updatesOf(ctx, period, 2)
	if err == nil && (len(updates) == 0 || t.network.SyncCommitteePeriodOf(updates[0].AttestedSlot) != period) {
		err = broken("%d updates, period %d not first", len(updates), period)
	}
	return fmt.Sprintf("%d updates", len(updates)), err
}

func tryOneUpdate(ctx context.Context, t *trial) (string, error) {
	shown, err := t.someUpdates(ctx)
	if err != nil {
		return "", err
	}
	updates, err := t.updatesOf(ctx, t.network.SyncCommitteePeriodOf(shown[0].AttestedSlot), 1)
	return judge(fmt.Sprintf("%d updates", len(updates)), err, len(updates) == 1)
}

func tryBootstrap(ctx context.Context, t *trial) (string, error) {
	if t.theirs.FinalizedEpoch == 0 {
		return "", skipped("nothing is final")
	}
	if err := t.pace.wait(ctx, t.Method, 1); err != nil {
		return "", err
	}
	b, err := t.client.LightClientBootstrap(ctx, t.to, t.theirs.FinalizedRoot)
	if err != nil {
		return unavailableOr(err)
	}
	return fmt.Sprintf("bootstrap of slot %d", b.Slot), nil
}

func tryNoBootstrap(ctx context.Context, t *trial) (string, error) {
	return t.expect(ctx, new(ssz.LightClientBootstrapRequest(nowhere)), code3)
}

// tryLatest asks for the one update that a protocol has.
func tryLatest(ask func(*beacon.Client, context.Context, peer.ID) (*beacon.LightClientUpdate, error)) trier {
	return func(ctx context.Context, t *trial) (string, error) {
		if err := t.pace.wait(ctx, t.Method, 1); err != nil {
			return "", err
		}
		u, err := ask(t.client, ctx, t.to)
		if err != nil {
			return unavailableOr(err)
		}
		return fmt.Sprintf("update of slot %d", u.AttestedSlot), nil
	}
}

// unavailableOr accepts code 3.
func unavailableOr(err error) (string, error) {
	if err = told(err); unavailable(err) {
		return err.Error(), nil
	}
	return "", err
}
