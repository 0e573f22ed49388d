package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-2dd5877b/reqresp/internal/field"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// Retention is how much of its history the embedded store keeps of each kind of objects, see store.Store.Retain. The
// zero value keeps everything. What is kept for a shorter time than store.RetainSpec is missing to clients that sync.
type Retention struct {
	// Blocks are kept with all that belongs to them at most.
	Blocks                    store.Retention
	BlobSidecars              store.Retention
	DataColumnSidecars        store.Retention
	ExecutionPayloadEnvelopes store.Retention
}

// A kindRetention is one field of a Retention.
type kindRetention struct {
	name string
	kind beacon.Kind
	keep *store.Retention
}

func (r *Retention) kinds() []kindRetention {
	return []kindRetention{
		{"Blocks", beacon.KindBlock, &r.Blocks},
		{"BlobSidecars", beacon.KindBlobSidecar, &r.BlobSidecars},
		{"DataColumnSidecars", beacon.KindDataColumnSidecar, &r.DataColumnSidecars},
		{"ExecutionPayloadEnvelopes", beacon.KindExecutionPayloadEnvelope, &r.ExecutionPayloadEnvelopes},
	}
}

// ofSidecars returns the retention of each kind of objects that belong to blocks.
func (r *Retention) ofSidecars() map[beacon.Kind]store.Retention {
	of := make(map[beacon.Kind]store.Retention)
	for _, k := range r.kinds() {
		if k.kind != beacon.KindBlock {
			of[k.kind] = *k.keep
		}
	}
	return of
}

// validate checks the fields. Blocks behind era files are kept, as the store would not link to the files otherwise.
func (r *Retention) validate(era bool) error {
	for _, k := range r.kinds() {
		if *k.keep < store.RetainSpec {
			return field.Errorf(k.name, "is %d, want store.RetainAll, store.RetainSpec or a number of epochs", *k.keep)
		}
	}
	if era && r.Blocks != store.RetainAll {
		return field.Errorf("Blocks", "is %v, want all with era files, which the store's blocks have to link to", r.Blocks)
	}
	return nil
}

// retainInterval is how often it is looked for what need not be kept.
const retainInterval = time.Hour

// retainRegularly discards what need not be kept, now and from time to time, until what it returns is called.
func (s *Service) retainRegularly(r *running) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(retainInterval)
		defer tick.Stop()
		for {
			s.retain(ctx, r.store)
			select {
			case <-tick.C:
			case <-s.retentionSet:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() error { cancel(); <-done; return nil }
}

func (s *Service) retain(ctx context.Context, from *store.Store) {
	for _, k := range s.retention.Load().kinds() {
		if err := from.Retain(ctx, k.kind, *k.keep); err != nil && ctx.Err() == nil {
			s.log().Error("what need not be kept cannot be discarded", "kind", k.kind, "err", err)
		}
	}
}

// Retention returns how much of its history the embedded store keeps of each kind.
func (a *API) Retention() api.Retention { return retentionOf(*a.service.retention.Load()) }

func retentionOf(r Retention) api.Retention {
	return api.Retention{
		Blocks: r.Blocks.String(), BlobSidecars: r.BlobSidecars.String(),
		DataColumnSidecars:        r.DataColumnSidecars.String(),
		ExecutionPayloadEnvelopes: r.ExecutionPayloadEnvelopes.String(),
	}
}

// SetRetention changes how much of its history the embedded store keeps, and returns what results. Fields that are
// empty stay as they are. What need not be kept any more is discarded soon. It ends with the process: for good it is
// set in Config.Retention.
func (a *AdminAPI) SetRetention(change api.Retention) (api.Retention, error) {
	s := a.service
	if s.chain != nil {
		return api.Retention{}, errors.New("the service has a chain of its own, and no store to keep anything in")
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	next := *s.retention.Load()
	texts := []string{
		change.Blocks, change.BlobSidecars, change.DataColumnSidecars, change.ExecutionPayloadEnvelopes,
	}
	for i, k := range next.kinds() {
		if texts[i] == "" {
			continue
		}
		if err := k.keep.UnmarshalText([]byte(texts[i])); err != nil {
			return api.Retention{}, fmt.Errorf("%v: %w", k.kind, err)
		}
	}
	if err := next.validate(s.cfg.Era != ""); err != nil {
		return api.Retention{}, err
	}
	s.retention.Store(&next)
	select {
	case s.retentionSet <- struct{}{}:
	default:
	}
	result := retentionOf(next)
	s.log().Info("retention was changed", "retention", fmt.Sprintf("%+v", result))
	return result, nil
}
