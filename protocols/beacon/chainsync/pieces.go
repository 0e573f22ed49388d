package chainsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A piece is one object that is wanted.
type piece struct {
	Object
	slot  ssz.Slot
	open  bool // there may be none
	tried map[peer.ID]bool
	asked *pieceRequest // in flight; nil if there is none
	held  bool
}

// A pieceRequest is a request for pieces of one kind.
type pieceRequest struct {
	source *source
	pieces []*piece
	began  time.Time
	cancel context.CancelFunc
	lost   bool // another one has brought all of it

	// Of the goroutine that fetches, until it ends:
	got   []Sidecars // one object each
	wrong []Object
	err   error // of the exchange
	fatal error // of Verify
}

// A fetcher is one run of FetchSidecars.
type fetcher struct {
	SidecarConfig
	sources map[peer.ID]*source
	at      map[ssz.Root]int // where a block is
	all     []Sidecars
	pieces  []*piece
	byName  map[Object]*piece
	missing int

	goroutines sync.WaitGroup
	running    int
	results    chan *pieceRequest
}

func (f *fetcher) add(kind beacon.Kind, b *beacon.Block, index uint64, open bool) {
	p := &piece{Object: Object{kind, b.Root, index}, slot: b.Slot, open: open, tried: make(map[peer.ID]bool)}
	f.pieces = append(f.pieces, p)
	f.byName[p.Object] = p
	f.missing++
}

func (f *fetcher) run(ctx context.Context) error {
	f.results = make(chan *pieceRequest)
	ctx, cancel := context.WithCancel(ctx)
	err := f.loop(ctx)
	cancel()
	for ; f.running > 0; f.running-- {
		<-f.results
	}
	f.goroutines.Wait()
	return err
}

func (f *fetcher) loop(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for f.missing > 0 {
		now := time.Now()
		f.look()
		f.ask(ctx, now)
		if f.running == 0 && !f.waiting() {
			return f.incomplete()
		}
		select {
		case r := <-f.results:
			f.running--
			if err := f.ended(r, time.Now()); err != nil {
				return err
			}
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *fetcher) look() {
	for _, p := range f.sources {
		p.present = false
	}
	for _, p := range f.Peers() {
		if f.sources[p.ID] == nil {
			f.sources[p.ID] = new(source)
		}
		f.sources[p.ID].Peer, f.sources[p.ID].present = p, true
	}
}

// may reports whether a source may have a piece that it was not asked for.
func (f *fetcher) may(p *source, piece *piece) bool {
	return !piece.held && !piece.tried[p.ID] && p.serves(piece.slot, piece.slot) &&
		(piece.Kind != beacon.KindDataColumnSidecar || slices.Contains(p.Columns, piece.Index))
}

// waiting reports whether there is a source to be asked later.
func (f *fetcher) waiting() bool {
	for _, piece := range f.pieces {
		for _, p := range f.sources {
			if f.may(p, piece) {
				return true
			}
		}
	}
	return false
}

// ask asks every source that can be asked for the pieces that it may have. What is in flight for long is asked of a
// second one.
func (f *fetcher) ask(ctx context.Context, now time.Time) {
	for _, kind := range []beacon.Kind{
		beacon.KindExecutionPayloadEnvelope, beacon.KindBlobSidecar, beacon.KindDataColumnSidecar,
	} {
		for _, p := range f.ranked() {
			if p.inFlight >= maxInFlight || now.Before(p.rest) {
				continue
			}
			var pieces []*piece
			for _, piece := range f.pieces {
				late := piece.asked != nil && now.Sub(piece.asked.began) >= leastLate && piece.asked.source != p
				if piece.Kind == kind && f.may(p, piece) && (piece.asked == nil || late) {
					pieces = append(pieces, piece)
				}
			}
			if pieces = f.share(p, kind, pieces); len(pieces) > 0 {
				f.start(ctx, &pieceRequest{source: p, pieces: pieces, began: now})
			}
		}
	}
}

// ranked returns the sources in the order in which they are asked.
func (f *fetcher) ranked() (all []*source) {
	for _, p := range f.sources {
		if p.usable() {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *source) int {
		return cmp.Or(cmp.Compare(a.inFlight, b.inFlight), cmp.Compare(b.Score, a.Score))
	})
	return all
}

// share returns those of some pieces that a source is asked for at once: an equal part of them, as far as it and the
// network allow.
func (f *fetcher) share(p *source, kind beacon.Kind, pieces []*piece) []*piece {
	if len(pieces) == 0 {
		return nil
	}
	others := 0
	for _, o := range f.sources {
		if f.may(o, pieces[0]) && o.inFlight < maxInFlight {
			others++
		}
	}
	n := min((len(pieces)+others-1)/max(others, 1), f.most(kind, pieces[0].slot))
	if f.Pacer != nil {
		method := methodOf(kind)
		n = max(1, f.Pacer.Batch(p.ID, method, n))
		if f.Pacer.Delay(p.ID, method, n) > 0 {
			return nil
		}
	}
	return pieces[:min(n, len(pieces))]
}

// most returns how many objects of a kind one request may ask for.
func (f *fetcher) most(kind beacon.Kind, slot ssz.Slot) int {
	cfg := f.Network.Config()
	switch kind {
	case beacon.KindBlobSidecar:
		return int(cfg.ComputeMaxRequestBlobSidecars(f.Network.ForkAt(f.Network.EpochOf(slot))))
	case beacon.KindDataColumnSidecar:
		return int(cfg.ComputeMaxRequestDataColumnSidecars())
	default:
		return int(cfg.MaxRequestPayloads)
	}
}

func methodOf(kind beacon.Kind) string {
	switch kind {
	case beacon.KindBlobSidecar:
		return "blob_sidecars_by_root"
	case beacon.KindDataColumnSidecar:
		return "data_column_sidecars_by_root"
	default:
		return "execution_payload_envelopes_by_root"
	}
}

func (f *fetcher) start(ctx context.Context, r *pieceRequest) {
	ctx, r.cancel = context.WithCancel(ctx)
	for _, piece := range r.pieces {
		piece.tried[r.source.ID] = true
		piece.asked = r
	}
	r.source.inFlight++
	f.running++
	to := r.source.ID
	f.goroutines.Go(func() {
		defer r.cancel()
		f.fetch(ctx, to, r)
		if f.Verify != nil && len(r.got) > 0 {
			r.wrong, r.fatal = f.Verify(ctx, r.got)
		}
		f.results <- r
	})
}

// fetch downloads what a request is for.
func (f *fetcher) fetch(ctx context.Context, to peer.ID, r *pieceRequest) {
	switch r.pieces[0].Kind {
	case beacon.KindBlobSidecar:
		var ids []ssz.BlobIdentifier
		for _, p := range r.pieces {
			ids = append(ids, ssz.BlobIdentifier{BlockRoot: p.Root, Index: p.Index})
		}
		for blob, err := range f.Client.BlobSidecarsByRoot(ctx, to, ids) {
			if r.err = err; err == nil {
				r.got = append(r.got, Sidecars{Block: f.block(blob.BlockRoot), Blobs: []*beacon.BlobSidecar{blob}})
			}
		}
	case beacon.KindDataColumnSidecar:
		for column, err := range f.Client.DataColumnSidecarsByRoot(ctx, to, columnIDs(r.pieces)) {
			if r.err = err; err == nil {
				r.got = append(r.got, Sidecars{
					Block: f.block(column.BlockRoot), Columns: []*beacon.DataColumnSidecar{column},
				})
			}
		}
	default:
		var roots []ssz.Root
		for _, p := range r.pieces {
			roots = append(roots, p.Root)
		}
		for envelope, err := range f.Client.ExecutionPayloadEnvelopesByRoot(ctx, to, roots) {
			if r.err = err; err == nil {
				r.got = append(r.got, Sidecars{Block: f.block(envelope.BlockRoot), Envelope: envelope})
			}
		}
	}
}

func (f *fetcher) block(root ssz.Root) *beacon.Block { return f.all[f.at[root]].Block }

// columnIDs returns the request for some columns, of which those of a block follow one another.
func columnIDs(pieces []*piece) (ids []ssz.DataColumnsByRootIdentifier) {
	for _, p := range pieces {
		if n := len(ids); n == 0 || ids[n-1].BlockRoot != p.Root {
			ids = append(ids, ssz.DataColumnsByRootIdentifier{BlockRoot: p.Root})
		}
		last := &ids[len(ids)-1]
		last.Columns = append(last.Columns, p.Index)
	}
	return ids
}

// ended takes note of what a request has brought. What it has not is asked of others.
func (f *fetcher) ended(r *pieceRequest, now time.Time) error {
	p := r.source
	p.inFlight--
	if r.lost {
		return nil
	}
	if r.fatal != nil {
		return r.fatal
	}
	for _, piece := range r.pieces {
		if piece.asked == r {
			piece.asked = nil
		}
	}
	for _, got := range r.got {
		if o := objectOf(&got); !slices.Contains(r.wrong, o) {
			f.take(o, got)
		}
	}
	if len(r.wrong) > 0 {
		f.blame(p, r, fmt.Errorf("%w: %v", ErrWrongSidecar, r.wrong[0]))
	}
	switch {
	case r.err == nil, isUnavailable(r.err):
		p.gave()
	case errors.Is(r.err, reqresp.ErrViolation):
		f.blame(p, r, r.err)
	default:
		var delay time.Duration
		if f.Pacer != nil {
			delay = f.Pacer.Delay(p.ID, methodOf(r.pieces[0].Kind), 1)
		}
		p.failed(now, r.err, delay)
		f.Logger.Info("request failed", "peer", p.ID, "err", r.err)
		for _, piece := range r.pieces { // It may have them all the same.
			delete(piece.tried, p.ID)
		}
	}
	return nil
}

// objectOf names the one object that is given with a block.
func objectOf(s *Sidecars) Object {
	switch {
	case len(s.Blobs) > 0:
		return Object{beacon.KindBlobSidecar, s.Block.Root, s.Blobs[0].Index}
	case len(s.Columns) > 0:
		return Object{beacon.KindDataColumnSidecar, s.Block.Root, s.Columns[0].Index}
	}
	return Object{beacon.KindExecutionPayloadEnvelope, s.Block.Root, 0}
}

// take keeps an object that is missing, and cancels a request for nothing else.
func (f *fetcher) take(o Object, got Sidecars) {
	p := f.byName[o]
	if p == nil || p.held {
		return
	}
	p.held = true
	f.missing--
	to := &f.all[f.at[o.Root]]
	to.Blobs = append(to.Blobs, got.Blobs...)
	to.Columns = append(to.Columns, got.Columns...)
	if got.Envelope != nil {
		to.Envelope = got.Envelope
	}
	if r := p.asked; r != nil && !slices.ContainsFunc(r.pieces, func(p *piece) bool { return !p.held }) {
		r.lost = true
		r.cancel()
	}
}

func (f *fetcher) blame(p *source, r *pieceRequest, err error) {
	p.blamed++
	p.given = err
	f.Logger.Warn("peer is at fault", "peer", p.ID, "err", err)
	if f.Blame != nil {
		f.Blame(Blame{Peer: p.ID, First: r.pieces[0].slot, Last: r.pieces[len(r.pieces)-1].slot, Err: err})
	}
}

// incomplete returns an error if something is missing that there has to be.
func (f *fetcher) incomplete() error {
	var missing []Object
	var err error
	for _, piece := range f.pieces {
		if piece.held || piece.open && f.all[f.at[piece.Root]].Envelope == nil {
			continue
		}
		if missing = append(missing, piece.Object); err == nil {
			err = fmt.Errorf("%w: %v in slot %d", ErrIncomplete, piece.Object, piece.slot)
		}
	}
	if err == nil {
		return nil
	}
	for _, p := range f.sources {
		if p.given != nil {
			err = fmt.Errorf("%w: peer %s: %w", err, p.ID, p.given)
		}
	}
	return &IncompleteError{missing, err}
}
