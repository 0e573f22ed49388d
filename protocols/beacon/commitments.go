package beacon

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// PeekBlobCommitments returns what a block of a slot says of its blobs, from the frames of its SSZ encoding. It
// decodes the few chunks of 64 KiB that it has to look into. Of SSZ, [ssz.Network.PeekBlobCommitments] does the
// same. The error tells that the frames are no block of the slot's fork.
func PeekBlobCommitments(n *ssz.Network, slot ssz.Slot, frames []byte) (ssz.BlobCommitments, error) {
	r, err := snappy.NewReaderAt(frames)
	if err != nil {
		return ssz.BlobCommitments{}, fmt.Errorf("beacon: block of slot %d: %w", slot, err)
	}
	c, err := n.PeekBlobCommitments(n.ForkAt(n.EpochOf(slot)), r, r.Size())
	if err != nil {
		return c, fmt.Errorf("beacon: block of slot %d: %w", slot, err)
	}
	return c, nil
}

// A peeker looks into blocks of a chain, one after another.
type peeker struct {
	server *Server
	in     *reqresp.Inbound // is charged for what is read; nil if that is for no request
	frames []byte
}

func (p *peeker) peek(ctx context.Context, ref Ref) (c ssz.BlobCommitments, err error) {
	n := p.server.family.network
	if n.ForkAt(n.EpochOf(ref.Slot)) < ssz.Deneb {
		return c, nil
	}
	if commitments := p.server.sources.BlobCommitments; commitments != nil {
		if c, err = commitments(ctx, ref); !errors.Is(err, ErrUnavailable) {
			return c, err
		}
	}
	read := func(dst []byte) (frames []byte, err error) {
		if frames, err = p.server.chain.AppendFrames(ctx, ref, dst); err == nil {
			c, err = PeekBlobCommitments(n, ref.Slot, frames)
		}
		return frames, err
	}
	if p.in != nil {
		err = p.in.Fetch(ctx, uint64(ref.FramesSize), read)
	} else {
		p.frames, err = read(p.frames[:0])
	}
	return c, err
}
