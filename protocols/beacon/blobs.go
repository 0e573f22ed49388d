package beacon

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blobProtocols are the rows of the protocols that carry blob sidecars. Fulu deprecates them: there
// are no sidecars of its blocks, but those of blocks before it are served for as long as they are
// kept.
func (f *Family) blobProtocols() []*Protocol {
	return []*Protocol{
		{
			Name: "blob_sidecars_by_range", Version: 1,
			Request: "BlobSidecarsByRangeRequest", Response: "BlobSidecar", Context: true,
			First: ssz.Deneb, Last: ssz.Electra, retention: blobRetention,
			maxItems: (*ssz.Config).ComputeMaxRequestBlobSidecars, window: blobWindow,
			asked: askedBy(blobsAsked(f.network)),
			kind:  KindBlobSidecar, blockHas: hasBlobs,
			declare: streamOf(&f.blobSidecarsByRange), serve: objects(blobsByRange),
		},
		{
			Name: "blob_sidecars_by_root", Version: 1,
			Request: "BlobSidecarsByRootRequest", Response: "BlobSidecar", Context: true,
			First: ssz.Deneb, Last: ssz.Electra, retention: blobRetention,
			maxItems: (*ssz.Config).ComputeMaxRequestBlobSidecars, window: blobWindow,
			asked: askedBy(func(req *ssz.BlobSidecarsByRootRequest) uint64 { return uint64(len(*req)) }),
			kind:  KindBlobSidecar, gone: leftOut,
			declare: streamOf(&f.blobSidecarsByRoot), serve: objects(blobsByRoot),
		},
	}
}

func blobRetention(c *ssz.Config) uint64 { return c.MinEpochsForBlobSidecarsRequests }

func blobWindow(n *ssz.Network, now ssz.Slot) ssz.Slot {
	c := n.Config()
	return since(n, now, c.MinEpochsForBlobSidecarsRequests, c.Forks[ssz.Deneb].Epoch)
}

// blobsAsked counts the most blobs that blocks of the range's last fork have, of those forks whose
// blobs have sidecars.
func blobsAsked(n *ssz.Network) func(*ssz.BlobSidecarsByRangeRequest) uint64 {
	cfg := n.Config()
	return func(req *ssz.BlobSidecarsByRangeRequest) uint64 {
		last := saturatingAdd(uint64(req.StartSlot), max(req.Count, 1)-1)
		perBlock := cfg.MaxBlobsPerBlock
		if n.ForkAt(n.EpochOf(ssz.Slot(last))) >= ssz.Electra {
			perBlock = max(perBlock, cfg.MaxBlobsPerBlockElectra)
		}
		return saturatingMul(req.Count, perBlock)
	}
}

func blobsByRange(ctx context.Context, q *query, req *ssz.BlobSidecarsByRangeRequest) (iter.Seq2[Ref, error], error) {
	h := holding{lacks: lacksBlobs, most: q.p.cfg.MaxRequestBlocksDeneb}
	if source := q.sources.Blobs; source != nil {
		h.ask = source.BlobSidecarsByRange
	}
	return q.heldInRange(ctx, req.StartSlot, req.Count, h)
}

func blobsByRoot(ctx context.Context, q *query, req *ssz.BlobSidecarsByRootRequest) (iter.Seq2[Ref, error], error) {
	if err := q.checkAsked(req); err != nil || q.sources.Blobs == nil {
		return nil, err
	}
	return q.sources.Blobs.BlobSidecarsByRoot(ctx, *req), nil
}

// A BlobSidecar is a blob of a block of Deneb or Electra, with its proofs.
type BlobSidecar struct {
	Chunk

	// Slot is the slot of the block.
	Slot ssz.Slot
	// BlockRoot is the hash tree root of the block, as the header in the sidecar has it.
	BlockRoot ssz.Root
	// Index is the index of the blob in the block.
	Index uint64
}

// blobHeaderAt is where the SignedBeaconBlockHeader of a BlobSidecar begins, after index, blob,
// commitment and proof.
const blobHeaderAt = 8 + 131072 + 48 + 48

func (b *BlobSidecar) decode(t *ssz.Type, c Chunk) (ssz.Slot, error) {
	if err := checked(t, c); err != nil {
		return 0, err
	}
	slot, root, err := readHeader(c.SSZ[blobHeaderAt:])
	if err != nil {
		return 0, err
	}
	*b = BlobSidecar{Chunk: c, Slot: slot, BlockRoot: root, Index: binary.LittleEndian.Uint64(c.SSZ)}
	return slot, nil
}

// DecodeBlobSidecar returns the blob sidecar that a chunk of a network holds. It checks its form, as the error
// ErrMalformed or [ssz.ErrFork] tells, and nothing else: see [BlobSidecar.Verify].
func DecodeBlobSidecar(n *ssz.Network, c Chunk) (*BlobSidecar, error) {
	return decodeChunk[BlobSidecar](n, "BlobSidecar", c)
}

// Verify reports what the specs check of a blob sidecar by itself: that its index is one that a block of its slot may
// have, or the error is ErrUnexpectedIndex, and verify_blob_sidecar_inclusion_proof, or it is ErrNotIncluded. The SSZ
// has to be well formed. A sidecar that comes from a [Client] has passed. It does not verify the KZG proof, nor the
// signature.
func (b *BlobSidecar) Verify(n *ssz.Network) error {
	const commitmentAt = 8 + 131072
	if most := n.BlobParametersAt(n.EpochOf(b.Slot)).MaxBlobsPerBlock; b.Index >= min(most, maxCommitments) {
		return fmt.Errorf("%w: blob %d of slot %d, blocks have at most %d", ErrUnexpectedIndex, b.Index, b.Slot, most)
	}
	var padded [64]byte
	copy(padded[:], b.SSZ[commitmentAt:commitmentAt+commitmentSize])
	header := b.SSZ[blobHeaderAt:]
	branch := header[signedHeaderSize:][:commitmentDepth*32]
	// Below the list's root its length is on the right.
	index := commitmentsIndex*2*maxCommitments + b.Index
	if rootOfBranch(sha256.Sum256(padded[:]), branch, index) != [32]byte(header[bodyRootAt:]) {
		return fmt.Errorf("%w: blob %d of slot %d", ErrNotIncluded, b.Index, b.Slot)
	}
	return nil
}

// BlobSidecarsByRange asks a peer for the blob sidecars of the blocks of slots start to start+count-1.
// It yields them as they arrive, each checked: well-formed, of its digest, in the range, by ascending
// slot and index, with no blob of a block left out before it and of one block in each slot, its
// commitment included in the block of its header. The KZG proof and the signature are the caller's to
// verify, before it asks for the next as the specs have it: no library for that is needed here.
// It is otherwise as BlocksByRange.
func (c *Client) BlobSidecarsByRange(
	ctx context.Context, to peer.ID, start ssz.Slot, count uint64,
) iter.Seq2[*BlobSidecar, error] {
	span := newSpan(start, count, func(start ssz.Slot, count uint64) any {
		return &ssz.BlobSidecarsByRangeRequest{StartSlot: start, Count: count}
	})
	span.redo, span.each = true, c.mostBlobs(start, count)
	order := sidecarOrder{span: &span}
	next := uint64(0)
	check := func(b *BlobSidecar) error {
		if order.seen(b.Slot, b.BlockRoot, b.Index) {
			return errSeen
		}
		if !order.any || b.Slot != order.slot {
			next = 0
		}
		if err := order.check(b.Slot, b.BlockRoot, b.Index); err != nil {
			return err
		}
		if b.Index != next {
			return fmt.Errorf("%w: blob %d in place of %d in slot %d", ErrIndexOrder, b.Index, next, b.Slot)
		}
		next++
		return b.Verify(c.family.network)
	}
	return stream(ctx, c, to, &span, check, c.family.blobSidecarsByRange.Spec())
}

// BlobSidecarsByRoot asks a peer for blob sidecars by block root and index and yields those it has, in
// the order in which it sends them, each checked: well-formed, of its digest, one of those asked for,
// its commitment included in the block of its header. It is otherwise as BlobSidecarsByRange.
func (c *Client) BlobSidecarsByRoot(
	ctx context.Context, to peer.ID, ids []ssz.BlobIdentifier,
) iter.Seq2[*BlobSidecar, error] {
	wanted := newWanted(ids, func(ids []ssz.BlobIdentifier) any { return new(ssz.BlobSidecarsByRootRequest(ids)) })
	check := func(b *BlobSidecar) error {
		if err := checkSidecar(wanted, b.Slot, b.BlockRoot, b.Index); err != nil {
			return err
		}
		return b.Verify(c.family.network)
	}
	return stream(ctx, c, to, wanted, check, c.family.blobSidecarsByRoot.Spec())
}

// mostBlobs returns the most blobs of a block in a range of slots, by the last of them: the number only grew. What is
// beyond the last slot there is has been refused.
func (c *Client) mostBlobs(start ssz.Slot, count uint64) uint64 {
	n, last := c.family.network, saturatingAdd(uint64(start), max(count, 1)-1)
	return n.BlobParametersAt(n.EpochOf(ssz.Slot(last))).MaxBlobsPerBlock
}
