package beacon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// payloadProtocols are the rows of the protocols that carry execution payload envelopes.
func (f *Family) payloadProtocols() []*Protocol {
	return []*Protocol{
		{
			Name: "execution_payload_envelopes_by_range", Version: 1,
			Request:  "ExecutionPayloadEnvelopesByRangeRequest",
			Response: "SignedExecutionPayloadEnvelope", Context: true,
			First: ssz.Gloas, Last: newest,
			maxItems: maxRequestPayloads, window: payloadWindow,
			asked: askedBy(func(req *ssz.ExecutionPayloadEnvelopesByRangeRequest) uint64 { return req.Count }),
			kind:  KindExecutionPayloadEnvelope, blockHas: hasPayload,
			declare: streamOf(&f.envelopesByRange), serve: objects(payloadsByRange),
		},
		{
			Name: "execution_payload_envelopes_by_root", Version: 1,
			Request:  "ExecutionPayloadEnvelopesByRootRequest",
			Response: "SignedExecutionPayloadEnvelope", Context: true,
			First: ssz.Gloas, Last: newest,
			maxItems: maxRequestPayloads, window: payloadWindow,
			asked: askedBy(func(req *ssz.ExecutionPayloadEnvelopesByRootRequest) uint64 { return uint64(len(*req)) }),
			kind:  KindExecutionPayloadEnvelope, gone: leftOut,
			declare: streamOf(&f.envelopesByRoot), serve: objects(payloadsByRoot),
		},
	}
}

// maxRequestPayloads is MAX_REQUEST_PAYLOADS.
func maxRequestPayloads(c *ssz.Config, _ ssz.Fork) uint64 { return c.MaxRequestPayloads }

func payloadWindow(n *ssz.Network, now ssz.Slot) ssz.Slot {
	return since(n, now, n.MinEpochsForBlockRequests(), n.Config().Forks[ssz.Gloas].Epoch)
}

func payloadsByRange(
	ctx context.Context, q *query, req *ssz.ExecutionPayloadEnvelopesByRangeRequest,
) (iter.Seq2[Ref, error], error) {
	h := holding{most: q.maxItems(), single: true}
	if source := q.sources.Payloads; source != nil {
		h.ask = source.ExecutionPayloadEnvelopesByRange
	}
	return q.heldInRange(ctx, req.StartSlot, req.Count, h)
}

func payloadsByRoot(
	ctx context.Context, q *query, req *ssz.ExecutionPayloadEnvelopesByRootRequest,
) (iter.Seq2[Ref, error], error) {
	if err := q.checkAsked(req); err != nil || q.sources.Payloads == nil {
		return nil, err
	}
	return q.sources.Payloads.ExecutionPayloadEnvelopesByRoot(ctx, *req), nil
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

func (e *ExecutionPayloadEnvelope) decode(t *ssz.Type, c Chunk) (ssz.Slot, error) {
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

// DecodeExecutionPayloadEnvelope returns the execution payload envelope that a chunk of a network holds. It checks its
// form, as the error ErrMalformed or [ssz.ErrFork] tells, and nothing else.
func DecodeExecutionPayloadEnvelope(n *ssz.Network, c Chunk) (*ExecutionPayloadEnvelope, error) {
	return decodeChunk[ExecutionPayloadEnvelope](n, "SignedExecutionPayloadEnvelope", c)
}

// ExecutionPayloadEnvelopesByRange asks a peer for the execution payload envelopes of the blocks of
// slots start to start+count-1. It yields them as they arrive, each checked: well-formed, of its fork
// and digest, in the range, slots ascending. What it does not check is that they belong to blocks
// known, which ExecutionPayloadEnvelopesOfBlocks does, nor signatures. It is otherwise as BlocksByRange.
func (c *Client) ExecutionPayloadEnvelopesByRange(
	ctx context.Context, to peer.ID, start ssz.Slot, count uint64,
) iter.Seq2[*ExecutionPayloadEnvelope, error] {
	return c.envelopes(ctx, to, start, count, func(*ExecutionPayloadEnvelope) error { return nil })
}

// envelopes asks for the envelopes of a range. Besides what it checks itself, each has to pass a check.
func (c *Client) envelopes(
	ctx context.Context, to peer.ID, start ssz.Slot, count uint64, further func(*ExecutionPayloadEnvelope) error,
) iter.Seq2[*ExecutionPayloadEnvelope, error] {
	span := newSpan(start, count, func(start ssz.Slot, count uint64) any {
		return &ssz.ExecutionPayloadEnvelopesByRangeRequest{StartSlot: start, Count: count}
	})
	var last *ExecutionPayloadEnvelope
	check := func(e *ExecutionPayloadEnvelope) error {
		if err := span.check(uint64(e.Slot)); err != nil {
			return err
		}
		if last != nil && e.Slot <= last.Slot {
			return fmt.Errorf("%w: %d after %d", ErrSlotOrder, e.Slot, last.Slot)
		}
		last = e
		return further(e)
	}
	return stream(ctx, c, to, &span, check, c.family.envelopesByRange.Spec())
}

// ExecutionPayloadEnvelopesOfBlocks asks a peer by range for the execution payload envelopes of blocks that are
// known: some consecutive blocks of one chain, in ascending order. It yields them as
// ExecutionPayloadEnvelopesByRange does, each checked further: it is of one of the blocks, and the next of them
// builds on its payload. A payload that the chain has not built on is ErrNotBuiltOn. The last block has no
// next: whether its payload is the chain's is the caller's to find out. An error that is none of a peer's tells
// that a block is malformed.
func (c *Client) ExecutionPayloadEnvelopesOfBlocks(
	ctx context.Context, to peer.ID, blocks []*Block,
) iter.Seq2[*ExecutionPayloadEnvelope, error] {
	return func(yield func(*ExecutionPayloadEnvelope, error) bool) {
		if len(blocks) == 0 {
			return
		}
		built, err := c.payloadsBuiltOn(blocks)
		if err != nil {
			yield(nil, err)
			return
		}
		start := blocks[0].Slot
		count := uint64(blocks[len(blocks)-1].Slot-start) + 1
		c.envelopes(ctx, to, start, count, func(e *ExecutionPayloadEnvelope) error {
			switch ok, known := built[e.BlockRoot]; {
			case !known:
				return fmt.Errorf("%w: root %v of slot %d", ErrUnexpectedRoot, e.BlockRoot, e.Slot)
			case !ok:
				return fmt.Errorf("%w: of block %v in slot %d", ErrNotBuiltOn, e.BlockRoot, e.Slot)
			}
			return nil
		})(yield)
	}
}

// payloadsBuiltOn returns of which of some blocks the next builds on the payload. Of the last it is not known:
// true.
func (c *Client) payloadsBuiltOn(blocks []*Block) (map[ssz.Root]bool, error) {
	built := make(map[ssz.Root]bool, len(blocks))
	for i, b := range blocks {
		ok := true
		if i+1 < len(blocks) {
			var err error
			if ok, err = c.BuildsOn(b, blocks[i+1]); err != nil {
				return nil, err
			}
		}
		built[b.Root] = ok
	}
	return built, nil
}

// BuildsOn reports whether a child of a block builds on the block's execution payload. Before Gloas that is a
// part of the block. The error tells that one of them is malformed.
func (c *Client) BuildsOn(parent, child *Block) (bool, error) {
	if parent.Fork < ssz.Gloas {
		return true, nil
	}
	var says [2]ssz.BlobCommitments
	for i, b := range []*Block{parent, child} {
		var err error
		says[i], err = c.family.network.PeekBlobCommitments(b.Fork, bytes.NewReader(b.SSZ), int64(len(b.SSZ)))
		if err != nil {
			return false, fmt.Errorf("beacon: block %v of slot %d: %w", b.Root, b.Slot, err)
		}
	}
	return says[0].BlockHash == says[1].ParentBlockHash, nil
}

// ExecutionPayloadEnvelopesByRoot asks a peer for the execution payload envelopes of blocks by the
// blocks' roots, and yields those it has, in the order in which it sends them, each checked:
// well-formed, of its fork and digest, and of a block asked for. It is otherwise as
// ExecutionPayloadEnvelopesByRange.
func (c *Client) ExecutionPayloadEnvelopesByRoot(
	ctx context.Context, to peer.ID, roots []ssz.Root,
) iter.Seq2[*ExecutionPayloadEnvelope, error] {
	wanted := newWanted(roots, func(roots []ssz.Root) any {
		return new(ssz.ExecutionPayloadEnvelopesByRootRequest(roots))
	})
	check := func(e *ExecutionPayloadEnvelope) error { return checkRoot(wanted, e.Slot, e.BlockRoot) }
	return stream(ctx, c, to, wanted, check, c.family.envelopesByRoot.Spec())
}
