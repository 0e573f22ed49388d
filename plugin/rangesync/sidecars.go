package rangesync

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/sidecar"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A SidecarError is returned when a peer sends a sidecar that is wrong: Err is chainsync.ErrWrongSidecar or
// reqresp.ErrViolation then. It is also returned when a peer fails seven times in a row to send sidecars. Nothing of the
// blocks that they belong to is stored.
type SidecarError struct {
	// Peer is who was asked.
	Peer peer.ID
	// After is the slot of the last block that was stored.
	After ssz.Slot
	// Err is what is wrong.
	Err error
}

// Error implements error.
func (e *SidecarError) Error() string {
	return fmt.Sprintf("rangesync: sidecars of peer %s after slot %d: %v", e.Peer, e.After, e.Err)
}

// Unwrap returns Err.
func (e *SidecarError) Unwrap() error { return e.Err }

// isOfSidecars reports whether err is one that downloading sidecars has ended with.
func isOfSidecars(err error) bool {
	_, failed := errors.AsType[*SidecarError](err)
	_, limited := errors.AsType[*LimitedError](err)
	return failed || limited
}

// A group is consecutive blocks that are stored at once.
type group struct {
	blocks []*beacon.Block
	wants
}

// wants is what is downloaded of a block.
type wants struct {
	some    bool // blob sidecars, or what follows
	columns bool
}

// nextGroup returns the first of some blocks, as many as have about maxPending bytes of sidecars.
func (r *run) nextGroup(blocks []*beacon.Block) group {
	g := group{blocks: blocks, wants: r.wants(blocks[0])}
	for i, size := 0, 0; i < len(blocks); i++ {
		size += r.expected(blocks[i])
		if i > 0 && (g.some && size > maxPending || r.wants(blocks[i]) != g.wants) {
			g.blocks = blocks[:i]
			break
		}
	}
	return g
}

// wants returns what is downloaded of a block: what peers have to serve and the store is to keep.
func (r *run) wants(b *beacon.Block) (w wants) {
	if _, ok := r.store.Network(); !ok || b.Fork < ssz.Deneb {
		return w
	}
	if b.Fork < ssz.Fulu {
		w.some = b.Slot >= r.first(beacon.KindBlobSidecar, "blob_sidecars_by_root")
		return w
	}
	w.columns = len(r.store.Custody()) > 0 &&
		b.Slot >= r.first(beacon.KindDataColumnSidecar, "data_column_sidecars_by_root")
	w.some = w.columns || b.Fork >= ssz.Gloas &&
		b.Slot >= r.first(beacon.KindExecutionPayloadEnvelope, "execution_payload_envelopes_by_root")
	return w
}

// first returns the first slot of which objects of a kind are downloaded, by the window of the method.
func (r *run) first(kind beacon.Kind, method string) ssz.Slot {
	// The clock may be slow, or even before genesis.
	now := max(r.network.SlotAt(r.opts.Now()), r.Status.HeadSlot)
	row, _ := r.Client.Family().Protocol(method, 1)
	return max(row.ServedFrom(now), r.opts.Retention[kind].From(r.network, kind, r.Status.HeadSlot))
}

// Sizes of what belongs to a block: of an envelope about that of most.
const (
	blobSize     = 128 << 10
	cellSize     = 2 << 10
	envelopeSize = 128 << 10
)

// expected returns about how many bytes of SSZ belong to a block, zero if nothing does.
func (r *run) expected(b *beacon.Block) (size int) {
	says, err := r.network.PeekBlobCommitments(b.Fork, bytes.NewReader(b.SSZ), int64(len(b.SSZ)))
	switch {
	case err != nil, b.Fork < ssz.Deneb:
		return 0
	case b.Fork < ssz.Fulu:
		return says.Count * blobSize
	case b.Fork >= ssz.Gloas:
		size = envelopeSize
	}
	return size + says.Count*len(r.store.Custody())*cellSize
}

// fetchSidecars downloads what belongs to blocks, and verifies it. What the peer does not have is left out, and the
// blocks that lack some are counted. With an error it returns the blocks before the first that something belongs to.
func (r *run) fetchSidecars(ctx context.Context, g group) (of []beacon.Sidecars, lacking int, err error) {
	of = withoutSidecars(g.blocks)
	if !g.some {
		return of, 0, nil
	}
	fetched, err := chainsync.FetchSidecars(ctx, r.sidecarConfig(g.columns), g.blocks)
	missing, incomplete := errors.AsType[*chainsync.IncompleteError](err)
	switch {
	case err == nil:
		return fetched, 0, nil
	case incomplete && lacks(missing):
		blocks := make(map[ssz.Root]bool)
		for _, o := range missing.Missing {
			blocks[o.Root] = true
		}
		r.opts.Logger.Warn("peer lacks sidecars of blocks, which are stored without", "peer", r.Peer,
			"blocks", len(blocks), "sidecars", len(missing.Missing), "err", missing)
		return fetched, len(blocks), nil
	}
	for i, b := range g.blocks {
		if r.expected(b) > 0 {
			return of[:i], 0, r.sidecarError(ctx, err, i, g.blocks)
		}
	}
	return nil, 0, err
}

func (r *run) sidecarConfig(columns bool) *chainsync.SidecarConfig {
	source := chainsync.Peer{ID: r.Peer, Status: r.Status, Columns: r.store.Custody()}
	cfg := &chainsync.SidecarConfig{
		Client: r.Client, Network: r.network, Verify: r.verify, Logger: r.opts.Logger,
		Peers: func() []chainsync.Peer { return []chainsync.Peer{source} },
	}
	if columns {
		cfg.Columns = source.Columns
	}
	if r.Pacer != nil {
		cfg.Pacer = r.Pacer
	}
	return cfg
}

// verify returns those of some sidecars that are wrong.
func (r *run) verify(ctx context.Context, of []beacon.Sidecars) (wrong []chainsync.Object, err error) {
	err = sidecar.Verify(ctx, r.network, of...)
	faults, ok := errors.AsType[sidecar.Errors](err)
	if !ok {
		return nil, err
	}
	for _, f := range faults {
		wrong = append(wrong, chainsync.Object{Kind: f.Kind, Root: f.Root, Index: f.Index})
	}
	return wrong, nil
}

// lacks reports whether a peer does not have what is missing: it has left it out or said so, and it has not failed.
func lacks(e *chainsync.IncompleteError) bool {
	if errors.Is(e, chainsync.ErrWrongSidecar) || errors.Is(e, reqresp.ErrViolation) || beacon.IsRateLimited(e) {
		return false
	}
	if verdict, ok := errors.AsType[*reqresp.Error](e); ok {
		return verdict.Code != reqresp.CodeServerError
	}
	_, failed := errors.AsType[*reqresp.Failure](e)
	return !failed || errors.Is(e, reqresp.ErrUnsupported)
}

// sidecarError returns the error that a sync ends with if err has ended the download of sidecars.
func (r *run) sidecarError(ctx context.Context, err error, stored int, blocks []*beacon.Block) error {
	if ctx.Err() != nil {
		return err
	}
	after := r.last
	if stored > 0 {
		after = blocks[stored-1].Slot
	}
	if e, ok := errors.AsType[*chainsync.LimitedError](err); ok {
		return &LimitedError{Peer: r.Peer, After: after, Refusals: e.Refusals, For: e.For, Err: e.Err}
	}
	return &SidecarError{Peer: r.Peer, After: after, Err: err}
}
