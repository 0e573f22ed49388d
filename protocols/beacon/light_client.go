package beacon

import (
	"context"
	"encoding/binary"
	"iter"

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
			declare: unary(&f.LightClientBootstrap), serve: (*Server).lightClientBootstrap,
		},
		{
			Name: "light_client_updates_by_range", Version: 1,
			Request: "LightClientUpdatesByRangeRequest", Response: "LightClientUpdate", Context: true,
			First: ssz.Altair, Last: newest,
			maxItems: maxRequestUpdates, cost: costOf(updatesByRangeCost), window: updateWindow,
			declare: stream(&f.LightClientUpdatesByRange), serve: (*Server).lightClientUpdatesByRange,
		},
		{
			Name: "light_client_finality_update", Version: 1,
			Response: "LightClientFinalityUpdate", Context: true,
			First: ssz.Altair, Last: newest, timeouts: unaryTimeouts,
			declare: unary(&f.LightClientFinalityUpdate), serve: (*Server).lightClientFinalityUpdate,
		},
		{
			Name: "light_client_optimistic_update", Version: 1,
			Response: "LightClientOptimisticUpdate", Context: true,
			First: ssz.Altair, Last: newest, timeouts: unaryTimeouts,
			declare: unary(&f.LightClientOptimisticUpdate), serve: (*Server).lightClientOptimisticUpdate,
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

func updatesByRangeCost(_ *Protocol, req *ssz.LightClientUpdatesByRangeRequest) uint64 {
	return req.Count
}

// A LightClientRef names an object for light clients that a chain holds, without its data.
type LightClientRef struct {
	// Slot is the slot of the attested header, and of the only header of a bootstrap. It decides the
	// fork digest sent along.
	Slot ssz.Slot
	// Size is the exact length of the object's SSZ encoding, in bytes.
	Size int
	// FramesSize is about how many bytes the frames have, see [BlockRef].
	FramesSize int
	// Key tells the source which object it is: a root, a period or whatever else it likes.
	Key ssz.Root
}

func (r LightClientRef) layout() layout { return layout{r.Slot, r.Size, r.FramesSize} }

// A LightClientSource is a [Chain] that has what light clients sync by, as the full-node document of
// the specs' light client part creates it. What [Chain] says of concurrency and errors goes for it
// as well. Where the one object asked for is not there, the error is ErrUnavailable.
type LightClientSource interface {
	// LightClientBootstrap returns the bootstrap of a block.
	LightClientBootstrap(ctx context.Context, root ssz.Root) (LightClientRef, error)

	// LightClientUpdates yields the best update of each sync committee period from start to
	// start+count-1, which does not overflow, in ascending order and without gaps: it begins with the
	// earliest period that it has an update of, and ends before the first gap. Count may be huge; a
	// server stops after MAX_REQUEST_LIGHT_CLIENT_UPDATES updates.
	LightClientUpdates(ctx context.Context, start, count uint64) iter.Seq2[LightClientRef, error]

	// LightClientFinalityUpdate returns the latest LightClientFinalityUpdate.
	LightClientFinalityUpdate(ctx context.Context) (LightClientRef, error)

	// LightClientOptimisticUpdate returns the latest LightClientOptimisticUpdate.
	LightClientOptimisticUpdate(ctx context.Context) (LightClientRef, error)

	// AppendLightClientFrames appends an object's SSZ encoding to dst as snappy frames, in the manner
	// of [Chain].AppendFrames.
	AppendLightClientFrames(ctx context.Context, ref LightClientRef, dst []byte) ([]byte, error)
}

func (s *Server) lightClientBootstrap(p *Protocol) reqresp.HandlerFunc {
	return s.lightClientObject(p, func() any { return new(ssz.LightClientBootstrapRequest) },
		func(ctx context.Context, source LightClientSource, req any) (LightClientRef, error) {
			return source.LightClientBootstrap(ctx, ssz.Root(*req.(*ssz.LightClientBootstrapRequest)))
		})
}

func (s *Server) lightClientFinalityUpdate(p *Protocol) reqresp.HandlerFunc {
	return s.lightClientObject(p, func() any { return new(Empty) },
		func(ctx context.Context, source LightClientSource, _ any) (LightClientRef, error) {
			return source.LightClientFinalityUpdate(ctx)
		})
}

func (s *Server) lightClientOptimisticUpdate(p *Protocol) reqresp.HandlerFunc {
	return s.lightClientObject(p, func() any { return new(Empty) },
		func(ctx context.Context, source LightClientSource, _ any) (LightClientRef, error) {
			return source.LightClientOptimisticUpdate(ctx)
		})
}

// lightClientObject serves a protocol that is answered with one object.
func (s *Server) lightClientObject(
	p *Protocol, request func() any, find func(context.Context, LightClientSource, any) (LightClientRef, error),
) reqresp.HandlerFunc {
	source, ok := s.chain.(LightClientSource)
	if !ok {
		return nil
	}
	return func(ctx context.Context, in *reqresp.Inbound) error {
		req := request()
		if err := in.Receive(ctx, req); err != nil {
			return err
		}
		one := func(yield func(LightClientRef, error) bool) { yield(find(ctx, source, req)) }
		return send(ctx, s, p, in, one, source.AppendLightClientFrames)
	}
}

func (s *Server) lightClientUpdatesByRange(p *Protocol) reqresp.HandlerFunc {
	source, ok := s.chain.(LightClientSource)
	if !ok {
		return nil
	}
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.LightClientUpdatesByRangeRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		if err := checkRange("start_period", req.StartPeriod, req.Count); err != nil {
			return err
		}
		refs := atMost(source.LightClientUpdates(ctx, req.StartPeriod, req.Count), s.maxItems(p))
		return send(ctx, s, p, in, refs, source.AppendLightClientFrames)
	}
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

func (l *LightClientBootstrap) take(t *ssz.Type, c Chunk) (ssz.Slot, error) {
	if err := checked(t, c); err != nil {
		return 0, err
	}
	at, _ := lightClientHeader(c)
	slot, root, err := readHeader(c.SSZ[at:])
	*l = LightClientBootstrap{Chunk: c, Slot: slot, BlockRoot: root}
	return slot, err
}

func (l *LightClientBootstrap) give() Chunk { return l.Chunk }

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

func (l *LightClientUpdate) take(t *ssz.Type, c Chunk) (ssz.Slot, error) {
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

func (l *LightClientUpdate) give() Chunk { return l.Chunk }

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
