package beacon

import (
	"context"
	"encoding/binary"
	"iter"
	"math/bits"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
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
			First: ssz.Deneb, Last: ssz.Electra, linger: blobLinger,
			maxItems: (*ssz.Config).ComputeMaxRequestBlobSidecars, cost: costOf(blobsByRangeCost), window: blobWindow,
			has:     hasBlobs,
			declare: stream(&f.BlobSidecarsByRange), serve: (*Server).blobSidecarsByRange,
		},
		{
			Name: "blob_sidecars_by_root", Version: 1,
			Request: "BlobSidecarsByRootRequest", Response: "BlobSidecar", Context: true,
			First: ssz.Deneb, Last: ssz.Electra, linger: blobLinger,
			maxItems: (*ssz.Config).ComputeMaxRequestBlobSidecars, cost: costOf(blobsByRootCost), window: blobWindow,
			gone:    leftOut,
			declare: stream(&f.BlobSidecarsByRoot), serve: (*Server).blobSidecarsByRoot,
		},
	}
}

func blobLinger(c *ssz.Config) uint64 { return c.MinEpochsForBlobSidecarsRequests }

func blobWindow(n *ssz.Network, now ssz.Slot) ssz.Slot {
	c := n.Config()
	return since(n, now, c.MinEpochsForBlobSidecarsRequests, c.Forks[ssz.Deneb].Epoch)
}

// blobsByRangeCost counts the most blobs that blocks of the range's last fork have, of those forks whose
// blobs have sidecars.
func blobsByRangeCost(p *Protocol, req *ssz.BlobSidecarsByRangeRequest) uint64 {
	perBlock := p.cfg.MaxBlobsPerBlock
	if last := saturatingAdd(uint64(req.StartSlot), max(req.Count, 1)-1); p.network.ForkAt(p.network.EpochOf(ssz.Slot(last))) >= ssz.Electra {
		perBlock = max(perBlock, p.cfg.MaxBlobsPerBlockElectra)
	}
	return saturating(req.Count, perBlock)
}

func blobsByRootCost(_ *Protocol, req *ssz.BlobSidecarsByRootRequest) uint64 {
	return uint64(len(*req))
}

func saturatingAdd(a, b uint64) uint64 {
	if sum, carry := bits.Add64(a, b, 0); carry == 0 {
		return sum
	}
	return 1<<64 - 1
}

// saturating multiplies.
func saturating(a, b uint64) uint64 {
	if hi, lo := bits.Mul64(a, b); hi == 0 {
		return lo
	}
	return 1<<64 - 1
}

// A BlobSource is a [Chain] that holds blob sidecars too, those of blocks from Deneb to Electra. What
// [Chain] says of concurrency and errors goes for it as well.
type BlobSource interface {
	// BlobSidecarsByRange yields the sidecars of the canonical chain's blocks with slots from start to
	// start+count-1, which does not overflow, by ascending slot and index. Blocks without blobs yield nothing;
	// the server ends the answer with ResourceUnavailable before a block that sidecars are missing of. A range
	// that begins before what is held yields ErrUnavailable. Of count and of how much is consumed the same goes
	// as for [Chain].BlocksByRange: a server stops after the sidecars of MAX_REQUEST_BLOCKS_DENEB blocks.
	BlobSidecarsByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[SidecarRef, error]

	// BlobSidecarsByRoot yields those of the sidecars asked for that it holds, in the order of ids. No
	// more are asked for than compute_max_request_blob_sidecars() allows; an index may be any number.
	BlobSidecarsByRoot(ctx context.Context, ids []ssz.BlobIdentifier) iter.Seq2[SidecarRef, error]

	// AppendBlobSidecarFrames appends a BlobSidecar's SSZ encoding to dst as snappy frames, in the
	// manner of [Chain].AppendFrames.
	AppendBlobSidecarFrames(ctx context.Context, ref SidecarRef, dst []byte) ([]byte, error)
}

func (s *Server) blobSidecarsByRange(p *Protocol) reqresp.HandlerFunc {
	source, ok := s.chain.(BlobSource)
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.BlobSidecarsByRangeRequest
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
		h := holding[SidecarRef]{
			server: s, in: in, p: p, start: start, count: count, most: p.cfg.MaxRequestBlocksDeneb, lacks: lacksBlobs,
		}
		h.ask = func(start ssz.Slot, count uint64) iter.Seq2[SidecarRef, error] {
			return source.BlobSidecarsByRange(ctx, start, count)
		}
		return send(ctx, s, p, in, h.refs(ctx), source.AppendBlobSidecarFrames)
	}
}

func (s *Server) blobSidecarsByRoot(p *Protocol) reqresp.HandlerFunc {
	source, ok := s.chain.(BlobSource)
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.BlobSidecarsByRootRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		if err := checkAsked("sidecars", uint64(len(req)), s.maxItems(p)); err != nil || !ok {
			return err
		}
		return send(ctx, s, p, in, source.BlobSidecarsByRoot(ctx, req), source.AppendBlobSidecarFrames)
	}
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

func (b *BlobSidecar) take(t *ssz.Type, c Chunk) (ssz.Slot, error) {
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

func (b *BlobSidecar) give() Chunk { return b.Chunk }
