package beacon

import (
	"context"
	"encoding/binary"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// payloadProtocols are the rows of the protocols that carry execution payload envelopes.
func (f *Family) payloadProtocols() []*Protocol {
	return []*Protocol{
		{
			Name: "execution_payload_envelopes_by_range", Version: 1,
			Request: "ExecutionPayloadEnvelopesByRangeRequest", Response: "SignedExecutionPayloadEnvelope", Context: true,
			First: ssz.Gloas, Last: newest,
			maxItems: maxRequestPayloads, cost: costOf(payloadsByRangeCost), window: payloadWindow,
			has:     hasPayload,
			declare: stream(&f.ExecutionPayloadEnvelopesByRange), serve: (*Server).payloadsByRange,
		},
		{
			Name: "execution_payload_envelopes_by_root", Version: 1,
			Request: "ExecutionPayloadEnvelopesByRootRequest", Response: "SignedExecutionPayloadEnvelope", Context: true,
			First: ssz.Gloas, Last: newest,
			maxItems: maxRequestPayloads, cost: costOf(payloadsByRootCost), window: payloadWindow,
			gone:    leftOut,
			declare: stream(&f.ExecutionPayloadEnvelopesByRoot), serve: (*Server).payloadsByRoot,
		},
	}
}

// maxRequestPayloads is MAX_REQUEST_PAYLOADS.
func maxRequestPayloads(c *ssz.Config, _ ssz.Fork) uint64 { return c.MaxRequestPayloads }

func payloadWindow(n *ssz.Network, now ssz.Slot) ssz.Slot {
	return since(n, now, n.MinEpochsForBlockRequests(), n.Config().Forks[ssz.Gloas].Epoch)
}

func payloadsByRangeCost(_ *Protocol, req *ssz.ExecutionPayloadEnvelopesByRangeRequest) uint64 {
	return req.Count
}

func payloadsByRootCost(_ *Protocol, req *ssz.ExecutionPayloadEnvelopesByRootRequest) uint64 {
	return uint64(len(*req))
}

// A PayloadSource is a [Chain] that holds execution payload envelopes too, those of blocks from Gloas
// on. They are named by their blocks: Slot and Root of a ref are the block's, its sizes those of the
// SignedExecutionPayloadEnvelope. What [Chain] says of concurrency and errors goes for it as well.
type PayloadSource interface {
	// ExecutionPayloadEnvelopesByRange yields the envelopes of the canonical chain's blocks with slots from
	// start to start+count-1, which does not overflow, in ascending order. They are those that the chain has
	// built on: the next block's bid has the payload's block hash as its parent block hash. Blocks whose
	// payload was not revealed yield nothing, nor do those whose payload came too late and is not part of the
	// chain, even if it is held: a peer that imported it would follow the wrong head. Of the head it is for
	// fork choice to say. Where an envelope of the chain is not held, the server ends the answer with
	// ResourceUnavailable. A range that begins before what is held yields ErrUnavailable. Of count and of how
	// much is consumed the same goes as for [Chain].BlocksByRange: a server stops after MAX_REQUEST_PAYLOADS
	// envelopes.
	ExecutionPayloadEnvelopesByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[BlockRef, error]

	// ExecutionPayloadEnvelopesByRoot yields those of the envelopes that it holds, whether the chain has built on
	// them or not, in the order of roots, which are those of beacon blocks, MAX_REQUEST_PAYLOADS of them at most.
	ExecutionPayloadEnvelopesByRoot(ctx context.Context, roots []ssz.Root) iter.Seq2[BlockRef, error]

	// AppendExecutionPayloadEnvelopeFrames appends an envelope's SSZ encoding to dst as snappy frames, in
	// the manner of [Chain].AppendFrames.
	AppendExecutionPayloadEnvelopeFrames(ctx context.Context, ref BlockRef, dst []byte) ([]byte, error)
}

func (s *Server) payloadsByRange(p *Protocol) reqresp.HandlerFunc {
	source, ok := s.chain.(PayloadSource)
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.ExecutionPayloadEnvelopesByRangeRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		start, count, err := slotsAsked(p, req.StartSlot, req.Count)
		if err != nil || count == 0 {
			return err
		}
		if !ok {
			return s.noneHeld(ctx, in, p, start, count)
		}
		h := holding[BlockRef]{server: s, in: in, p: p, start: start, count: count, most: s.maxItems(p), single: true}
		h.ask = func(start ssz.Slot, count uint64) iter.Seq2[BlockRef, error] {
			return source.ExecutionPayloadEnvelopesByRange(ctx, start, count)
		}
		return send(ctx, s, p, in, h.refs(ctx), source.AppendExecutionPayloadEnvelopeFrames)
	}
}

func (s *Server) payloadsByRoot(p *Protocol) reqresp.HandlerFunc {
	source, ok := s.chain.(PayloadSource)
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.ExecutionPayloadEnvelopesByRootRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		if err := checkAsked("envelopes", uint64(len(req)), s.maxItems(p)); err != nil || !ok {
			return err
		}
		refs := source.ExecutionPayloadEnvelopesByRoot(ctx, req)
		return send(ctx, s, p, in, refs, source.AppendExecutionPayloadEnvelopeFrames)
	}
}

// An ExecutionPayloadEnvelope is a signed execution payload envelope: the payload of a block of Gloas
// or later, which its builder reveals apart from the block.
type ExecutionPayloadEnvelope struct {
	Chunk

	// Slot is the slot number in the payload, which is that of the block.
	Slot ssz.Slot
	// BlockRoot is the root of the beacon block that the payload belongs to.
	BlockRoot ssz.Root
}

// Where the parts of a SignedExecutionPayloadEnvelope lie: the message after its offset and the
// signature; in the message the root of the block after the offsets of payload and requests and
// the builder's index; in the payload the slot number at the end of the fixed part.
const (
	envelopeAt     = 4 + 96
	envelopeRootAt = envelopeAt + 4 + 4 + 8
	payloadSlotAt  = 532
)

func (e *ExecutionPayloadEnvelope) take(t *ssz.Type, c Chunk) (ssz.Slot, error) {
	if err := checked(t, c); err != nil {
		return 0, err
	}
	payload := envelopeAt + int(binary.LittleEndian.Uint32(c.SSZ[envelopeAt:]))
	*e = ExecutionPayloadEnvelope{
		Chunk:     c,
		Slot:      ssz.Slot(binary.LittleEndian.Uint64(c.SSZ[payload+payloadSlotAt:])),
		BlockRoot: ssz.Root(c.SSZ[envelopeRootAt:]),
	}
	return e.Slot, nil
}

func (e *ExecutionPayloadEnvelope) give() Chunk { return e.Chunk }
