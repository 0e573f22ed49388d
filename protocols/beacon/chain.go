package beacon

import (
	"context"
	"errors"
	"iter"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// ErrUnavailable is what a [Chain] yields, alone and first, for a range that begins before what it
// holds. Sources of other objects return it in the same place, or instead of an object that exists and is not held.
// The peer is answered with ResourceUnavailable.
var ErrUnavailable = errors.New("beacon: not available")

// ErrDiscarded is what a [Chain] returns for an object that it has yielded and does not hold any more, or
// yields last for a range that it cannot follow to its end, because it was reorganized or pruned meanwhile. No
// method fails with a server error for it. An answer by range ends, or is ResourceUnavailable if nothing has
// been sent; an answer by root goes on without the object; an ancestry ends. An object that is damaged is
// another matter: any other error is logged, and answered with a server error.
var ErrDiscarded = errors.New("beacon: discarded meanwhile")

// A Chain is what a server is asked about. It is the only thing that a user of
// this package has to implement, and it is safe for concurrent use. A chain that holds more than
// blocks implements [BlobSource] and the other sources too.
//
// A chain of blocks alone is of no use to a client that syncs Fulu history with blobs. The server offers the
// protocols of sidecars and envelopes all the same, as peers leave a node that does not: it answers with
// nothing for blocks without blobs, with ResourceUnavailable for ranges whose sidecars exist and are not held,
// and leaves them out by root. It tells peers an EarliestAvailableSlot after the last block whose sidecars have
// to be served, see [Server.Status]. For that it looks into blocks, unless the chain is a [CommitmentSource].
//
// Blocks are asked for in two steps, so that rate limits can be reserved before
// anything is fetched, and no database iterator is held while a peer waits.
type Chain interface {
	// Status returns the chain's view: head, finalized checkpoint and the earliest
	// slot from which on it holds every block, and every sidecar that has to be served of the kinds that it is a
	// source of. ForkDigest is ignored, as the server derives it from its network and clock.
	Status(ctx context.Context) (Status, error)

	// BlocksByRange yields the blocks of the canonical chain with slots from start
	// to start+count-1, which does not overflow, in ascending order. Empty slots yield nothing. A range
	// that begins before the earliest slot held yields ErrUnavailable. Any other error is
	// the last pair, and is logged and answered with a server error.
	//
	// Peers choose start and count, which may be huge, and whatever is between: a chain looks for the
	// next block only when it is wanted, and bounds the work by what it holds. A server stops after
	// MAX_REQUEST_BLOCKS blocks, and from Deneb on MAX_REQUEST_BLOCKS_DENEB.
	BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[BlockRef, error]

	// BlocksByRoot yields those of the blocks asked for that it holds, in the order
	// of roots. What is not held is left out. Blocks of other branches than the canonical one belong
	// here too. No more roots are asked for than the maximum of BlocksByRange; one may be asked
	// for twice.
	BlocksByRoot(ctx context.Context, roots []ssz.Root) iter.Seq2[BlockRef, error]

	// AppendFrames appends the block's SSZ encoding, as snappy frames that pass
	// snappy.CheckFrames, to dst. A chain which holds SSZ calls
	// snappy.AppendFrames. dst belongs to the caller. An object whose frames are not of
	// its Size is not sent: that is logged, and answered with a server error.
	AppendFrames(ctx context.Context, ref BlockRef, dst []byte) ([]byte, error)
}

// A BlockRef names a block that a [Chain] holds, without its data.
type BlockRef struct {
	// Slot is the block's slot. It decides the fork digest sent along.
	Slot ssz.Slot
	// Root is the hash tree root of the BeaconBlock (not of the signed one).
	Root ssz.Root
	// Size is the exact length of the SignedBeaconBlock's SSZ encoding, in bytes.
	Size int
	// FramesSize is about how many bytes AppendFrames appends. It is what is
	// reserved for the block; what was really written is settled afterwards.
	FramesSize int
}

// Status is a peer's or chain's view of the chain, as status/2 has it. It stands
// for status/1 as well, which lacks the last field: EarliestAvailableSlot is zero
// then.
type Status = ssz.StatusV2
