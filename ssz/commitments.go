package ssz

import (
	"fmt"
	"io"
)

// BlobCommitments is what a block says of the blobs that belong to it.
type BlobCommitments struct {
	// Count is the number of KZG commitments, one for each blob. It is zero before Deneb.
	Count int
	// BlockHash is the hash of the execution payload that the block's bid commits to. Like ParentBlockHash
	// it is zero before Gloas, where a block contains its payload.
	BlockHash Root
	// ParentBlockHash is the hash of the execution payload that the block's bid builds on. It is the parent's
	// BlockHash if the chain has taken up the parent's payload: only then are the parent's blobs available.
	ParentBlockHash Root
}

// commitmentSize is the size of a KZGCommitment.
const commitmentSize = 48

// The paths to a block's commitments: until Fulu they are in the body, from Gloas on in the bid.
var (
	commitmentsPath = []string{"message", "body", "blob_kzg_commitments"}
	bidPath         = []string{"message", "body", "signed_execution_payload_bid", "message"}
)

// PeekBlobCommitments returns what an encoded SignedBeaconBlock of a fork says of its blobs. It reads a few
// offsets and hashes from block, which holds size bytes, and looks at nothing else: that they are readable does
// not mean that the block is well formed, which is for [Network.CheckBlock] to say.
//
// The error is a [*CheckError] if the offsets contradict the type or the commitments are no whole number, wraps
// [ErrFork] if this package does not define the blocks of the fork, or is that of block.
func (n *Network) PeekBlobCommitments(fork Fork, block io.ReaderAt, size int64) (c BlobCommitments, err error) {
	t, err := n.blockType(fork)
	if err != nil || fork < Deneb {
		return c, err
	}
	if fork < Gloas {
		c.Count, err = countCommitments(t.shape, block, size, commitmentsPath...)
		return c, err
	}
	bid := func(field string) []string { return append(bidPath[:len(bidPath):len(bidPath)], field) }
	if c.BlockHash, err = readRoot(t.shape, block, size, bid("block_hash")...); err != nil {
		return BlobCommitments{}, err
	}
	if c.ParentBlockHash, err = readRoot(t.shape, block, size, bid("parent_block_hash")...); err != nil {
		return BlobCommitments{}, err
	}
	if c.Count, err = countCommitments(t.shape, block, size, bid("blob_kzg_commitments")...); err != nil {
		return BlobCommitments{}, err
	}
	return c, nil
}

func countCommitments(s *Shape, block io.ReaderAt, size int64, path ...string) (int, error) {
	_, n, err := s.Find(block, size, path...)
	if err == nil && n%commitmentSize != 0 {
		err = &CheckError{
			Type: s.Name(), Path: path[len(path)-1],
			Reason: fmt.Errorf("%w: %d bytes, want elements of %d", ErrSize, n, commitmentSize),
		}
	}
	if err != nil {
		return 0, err
	}
	return int(n / commitmentSize), nil
}

func readRoot(s *Shape, block io.ReaderAt, size int64, path ...string) (root Root, err error) {
	at, _, err := s.Find(block, size, path...)
	if err == nil {
		_, err = block.ReadAt(root[:], at)
	}
	return root, err
}
