package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blobCommitments is that of the [beacon.Sources], from what is recorded of blocks when they are appended.
// The error is [ErrDiscarded] if the store does not hold the block any more, and beacon.ErrUnavailable if
// nothing is recorded: for blocks that were appended by an earlier version of this package, or before
// SetNetwork.
func (s *Store) blobCommitments(_ context.Context, ref beacon.Ref) (ssz.BlobCommitments, error) {
	if !s.view.Load().holds(ref.Slot) {
		return ssz.BlobCommitments{}, fmt.Errorf("%w: slot %d, root %v", ErrDiscarded, ref.Slot, ref.Root)
	}
	c, ok := s.commitments(ref.Slot, ref.Root)
	if !ok {
		return ssz.BlobCommitments{}, fmt.Errorf("%w: commitments of slot %d, root %v", beacon.ErrUnavailable, ref.Slot, ref.Root)
	}
	return c, nil
}

// commitments returns what is recorded of a block's blobs. What is damaged, or of another block, is as good as
// none.
func (s *Store) commitments(slot ssz.Slot, root ssz.Root) (c ssz.BlobCommitments, ok bool) {
	it, ok := s.seek(slotKey(blobsPrefix, slot))
	defer it.Release()
	if ok {
		c, ok = decodeBlobs(root, it.Value())
	}
	return c, ok && it.Error() == nil
}

// commitments returns what is to be recorded of a block's blobs: nothing if the network is not known, before
// Deneb, or if the block is not well formed, which is for others to find.
func (n *network) commitments(slot ssz.Slot, block []byte) (c ssz.BlobCommitments, ok bool) {
	if n == nil {
		return c, false
	}
	fork := n.parsed.ForkAt(n.parsed.EpochOf(slot))
	if fork < ssz.Deneb {
		return c, false
	}
	c, err := n.parsed.PeekBlobCommitments(fork, bytes.NewReader(block), int64(len(block)))
	return c, err == nil
}
