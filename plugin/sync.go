package plugin

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// ErrSyncing is returned by Service.Sync while another sync is under way.
var ErrSyncing = errors.New("plugin: a sync is under way already")

// syncing is a sync that is under way.
type syncing struct {
	peer     peer.ID
	began    time.Time
	progress rangesync.Progress
}

// Sync downloads the blocks between the embedded store's head and that of a peer, whose status
// is what it told in a handshake. Progress is told over RPC and by metrics meanwhile, and the peer's
// score follows its answers. The columns of the node's custody are downloaded, and of all sidecars those that
// Config.Retention keeps; Options.Now defaults to Config.Now. It fails with
// ErrSyncing if another sync is under way, with ErrNotRunning, or as rangesync.Run does; after
// a *rangesync.LimitedError and most others it is worth a try with another peer.
// Options may be nil.
func (s *Service) Sync(
	ctx context.Context, from peer.ID, status beacon.Status, opts *rangesync.Options,
) (rangesync.Result, error) {
	r := s.running.Load()
	if r == nil {
		return rangesync.Result{}, ErrNotRunning
	}
	if r.store == nil {
		return rangesync.Result{}, errors.New("plugin: a service with a chain of its own has no store to sync")
	}
	began := syncing{peer: from, began: time.Now()}
	began.progress.Target = status.HeadSlot
	began.progress.Slot, _, _ = r.store.Head()
	if !s.syncing.CompareAndSwap(nil, &began) {
		return rangesync.Result{}, ErrSyncing
	}
	defer s.syncing.Store(nil)
	var o rangesync.Options
	if opts != nil {
		o = *opts
	}
	if o.Now == nil {
		o.Now = s.cfg.Now
	}
	if o.Retention == nil {
		o.Retention = s.retention.Load().ofSidecars()
	}
	told, stored := o.Progress, uint64(0)
	o.Progress = func(p rangesync.Progress) {
		s.scores.answered(from, p.Blocks-stored)
		stored = p.Blocks
		s.syncing.Store(&syncing{peer: from, began: began.began, progress: p})
		if told != nil {
			told(p)
		}
	}
	source := rangesync.Source{Client: r.server.Client(), Pacer: s.pacer, Peer: from, Status: status}
	result, err := rangesync.Run(ctx, source, r.store, &o)
	s.scores.synced(from, err)
	return result, err
}
