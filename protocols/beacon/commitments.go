package beacon

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A CommitmentSource is a [Chain] that knows without reading a block what it says of its blobs, such as one
// that keeps that in an index. Of any other chain a server reads the block's frames and looks into them, as
// [PeekBlobCommitments] does: once for each block from Deneb on that becomes the head, and for the blocks of a
// range whose sidecars are asked for and not held, up to the first that has some. The bytes read for a request are
// reserved with the server's Pacer, and counted against MaxMemory, as those sent are. What [Chain] says of
// concurrency and errors goes for it as well.
type CommitmentSource interface {
	// BlobCommitments returns what a block that the chain has yielded says of its blobs. It is asked for blocks
	// from Deneb on. If it does not know, the error is ErrUnavailable, and the server looks into the frames.
	BlobCommitments(ctx context.Context, ref BlockRef) (ssz.BlobCommitments, error)
}

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
	network *ssz.Network
	chain   Chain
	in      *reqresp.Inbound // is charged for what is read; nil if that is for no request
	frames  []byte
}

func (p *peeker) peek(ctx context.Context, ref BlockRef) (c ssz.BlobCommitments, err error) {
	if p.network.ForkAt(p.network.EpochOf(ref.Slot)) < ssz.Deneb {
		return c, nil
	}
	if source, ok := p.chain.(CommitmentSource); ok {
		if c, err = source.BlobCommitments(ctx, ref); !errors.Is(err, ErrUnavailable) {
			return c, err
		}
	}
	read := func(dst []byte) (frames []byte, err error) {
		if frames, err = p.chain.AppendFrames(ctx, ref, dst); err == nil {
			c, err = PeekBlobCommitments(p.network, ref.Slot, frames)
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
