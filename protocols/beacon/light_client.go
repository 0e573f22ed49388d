package beacon

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// lightClientProtocols are the rows of the protocols that light clients sync by.
func (f *Family) lightClientProtocols() []*Protocol {
	return []*Protocol{
		{
			Name: "light_client_bootstrap", Version: 1,
			Request: "LightClientBootstrapRequest", Response: "LightClientBootstrap", Context: true,
			First: ssz.Altair, Last: newest, timeouts: unaryTimeouts,
			kind: KindLightClientBootstrap, offeredIf: hasLightClient,
			declare: unaryOf(&f.lightClientBootstrap), serve: objects(bootstrapOf),
		},
		{
			Name: "light_client_updates_by_range", Version: 1,
			Request: "LightClientUpdatesByRangeRequest", Response: "LightClientUpdate", Context: true,
			First: ssz.Altair, Last: newest,
			maxItems: maxRequestUpdates, window: updateWindow,
			asked: askedBy(func(req *ssz.LightClientUpdatesByRangeRequest) uint64 { return req.Count }),
			kind:  KindLightClientUpdate, offeredIf: hasLightClient,
			declare: streamOf(&f.lightClientUpdatesByRange), serve: objects(updatesByRange),
		},
		{
			Name: "light_client_finality_update", Version: 1,
			Response: "LightClientFinalityUpdate", Context: true,
			First: ssz.Altair, Last: newest, timeouts: unaryTimeouts,
			kind: KindLightClientFinalityUpdate, offeredIf: hasLightClient,
			declare: unaryOf(&f.lightClientFinalityUpdate), serve: objects(finalityUpdate),
		},
		{
			Name: "light_client_optimistic_update", Version: 1,
			Response: "LightClientOptimisticUpdate", Context: true,
			First: ssz.Altair, Last: newest, timeouts: unaryTimeouts,
			kind: KindLightClientOptimisticUpdate, offeredIf: hasLightClient,
			declare: unaryOf(&f.lightClientOptimisticUpdate), serve: objects(optimisticUpdate),
		},
	}
}

// maxRequestUpdates is MAX_REQUEST_LIGHT_CLIENT_UPDATES.
func maxRequestUpdates(*ssz.Config, ssz.Fork) uint64 { return 128 }

// updateWindow is that of blocks, from Altair on: the full-node document has nodes provide updates
// of the periods whose blocks they have to serve.
func updateWindow(n *ssz.Network, now ssz.Slot) ssz.Slot {
	return since(n, now, n.MinEpochsForBlockRequests(), n.Config().Forks[ssz.Altair].Epoch)
}

func hasLightClient(s Sources) bool { return s.LightClient != nil }

func bootstrapOf(ctx context.Context, q *query, req *ssz.LightClientBootstrapRequest) (iter.Seq2[Ref, error], error) {
	return one(q.sources.LightClient.LightClientBootstrap(ctx, ssz.Root(*req))), nil
}

func updatesByRange(
	ctx context.Context, q *query, req *ssz.LightClientUpdatesByRangeRequest,
) (iter.Seq2[Ref, error], error) {
	if err := checkRange("start_period", req.StartPeriod, req.Count); err != nil {
		return nil, err
	}
	return atMost(q.sources.LightClient.LightClientUpdates(ctx, req.StartPeriod, req.Count), q.maxItems()), nil
}

func finalityUpdate(ctx context.Context, q *query, _ *struct{}) (iter.Seq2[Ref, error], error) {
	return one(q.sources.LightClient.LightClientFinalityUpdate(ctx)), nil
}

func optimisticUpdate(ctx context.Context, q *query, _ *struct{}) (iter.Seq2[Ref, error], error) {
	return one(q.sources.LightClient.LightClientOptimisticUpdate(ctx)), nil
}

// one yields the answer of a look-up of one object.
func one(r Ref, err error) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) { yield(r, err) }
}

// A LightClientBootstrap is what a light client begins with: a header and the sync committee of its
// period.
type LightClientBootstrap struct {
	Chunk

	// Slot is the slot of the header.
	Slot ssz.Slot
	// BlockRoot is the hash tree root of the header, which is the block's.
	BlockRoot ssz.Root
}

func (l *LightClientBootstrap) decode(t *ssz.Type, c Chunk) (ssz.Slot, error) {
	if err := checked(t, c); err != nil {
		return 0, err
	}
	at, _ := lightClientHeader(c)
	slot, root, err := readHeader(c.SSZ[at:])
	*l = LightClientBootstrap{Chunk: c, Slot: slot, BlockRoot: root}
	return slot, err
}

// A LightClientUpdate is a LightClientUpdate, a LightClientFinalityUpdate or a
// LightClientOptimisticUpdate of the specs, depending on who was asked.
type LightClientUpdate struct {
	Chunk

	// AttestedSlot is the slot of the header that the sync committee has signed. Its period is the
	// update's.
	AttestedSlot ssz.Slot
	// SignatureSlot is the slot in which the signature was included.
	SignatureSlot ssz.Slot
}

func (l *LightClientUpdate) decode(t *ssz.Type, c Chunk) (ssz.Slot, error) {
	if err := checked(t, c); err != nil {
		return 0, err
	}
	at, end := lightClientHeader(c)
	*l = LightClientUpdate{
		Chunk:         c,
		AttestedSlot:  ssz.Slot(binary.LittleEndian.Uint64(c.SSZ[at:])),
		SignatureSlot: ssz.Slot(binary.LittleEndian.Uint64(c.SSZ[end-8:])),
	}
	return l.AttestedSlot, nil
}

// lightClientHeader returns where the first header of an object for light clients begins, and where
// the fixed part of the object ends. From Capella to Fulu headers hold an execution payload header,
// which is of variable size, so that an offset is in its place.
func lightClientHeader(c Chunk) (at, fixedEnd int) {
	if c.Fork < ssz.Capella || c.Fork >= ssz.Gloas {
		return 0, len(c.SSZ)
	}
	offset := int(binary.LittleEndian.Uint32(c.SSZ))
	return offset, offset
}

// LightClientBootstrap asks a peer for the bootstrap of a block, and checks it: well-formed, of its
// fork and digest, and of the root asked for. The branch of the sync committee is not checked. A peer
// that has none answers with reqresp.CodeResourceUnavailable.
func (c *Client) LightClientBootstrap(ctx context.Context, to peer.ID, root ssz.Root) (*LightClientBootstrap, error) {
	check := func(l *LightClientBootstrap) error {
		if l.BlockRoot != root {
			return fmt.Errorf("%w: root %v of slot %d, asked for %v", ErrUnexpectedRoot, l.BlockRoot, l.Slot, root)
		}
		return nil
	}
	req := ssz.LightClientBootstrapRequest(root)
	return callUnary(ctx, c, to, &req, check, c.family.lightClientBootstrap.Spec())
}

// LightClientUpdatesByRange asks a peer for the best updates of sync committee periods start to
// start+count-1. It yields them as they arrive, each checked: well-formed, of its fork and digest, in
// the range, of the period after the one before. Signatures and branches are not checked. It is
// otherwise as BlocksByRange.
func (c *Client) LightClientUpdatesByRange(
	ctx context.Context, to peer.ID, start, count uint64,
) iter.Seq2[*LightClientUpdate, error] {
	span := newSpan(start, count, func(start, count uint64) any {
		return &ssz.LightClientUpdatesByRangeRequest{StartPeriod: start, Count: count}
	})
	span.linked = true
	var last *uint64
	check := func(l *LightClientUpdate) error {
		period := c.family.network.SyncCommitteePeriodOf(l.AttestedSlot)
		if err := span.check(period); err != nil {
			return err
		}
		if last != nil && period != *last+1 {
			return fmt.Errorf("%w: period %d after %d", ErrSlotOrder, period, *last)
		}
		last = &period
		return checkSignatureSlot(l)
	}
	return stream(ctx, c, to, &span, check, c.family.lightClientUpdatesByRange.Spec())
}

// LightClientFinalityUpdate asks a peer for its latest finality update, and checks it: well-formed and
// of its fork and digest. A peer that has none answers with reqresp.CodeResourceUnavailable.
func (c *Client) LightClientFinalityUpdate(ctx context.Context, to peer.ID) (*LightClientUpdate, error) {
	return c.latestUpdate(ctx, to, c.family.lightClientFinalityUpdate.Spec())
}

// LightClientOptimisticUpdate asks a peer for its latest optimistic update. It is otherwise as
// LightClientFinalityUpdate.
func (c *Client) LightClientOptimisticUpdate(ctx context.Context, to peer.ID) (*LightClientUpdate, error) {
	return c.latestUpdate(ctx, to, c.family.lightClientOptimisticUpdate.Spec())
}

func (c *Client) latestUpdate(ctx context.Context, to peer.ID, spec *reqresp.Spec) (*LightClientUpdate, error) {
	return callUnary(ctx, c, to, &struct{}{}, checkSignatureSlot, spec)
}

// checkSignatureSlot checks the order of slots that every update is made in.
func checkSignatureSlot(l *LightClientUpdate) error {
	if l.SignatureSlot <= l.AttestedSlot {
		return fmt.Errorf("%w: signed in slot %d, attested in slot %d", ErrSlotOrder, l.SignatureSlot, l.AttestedSlot)
	}
	return nil
}
