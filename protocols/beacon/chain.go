package beacon

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// ErrUnavailable is what a [Chain] yields, alone and first, for a range that begins before what it
// holds. Look-ups of other objects return it in the same place, or instead of an object that exists and is not held.
// The peer is answered with ResourceUnavailable.
var ErrUnavailable = errors.New("beacon: not available")

// ErrDiscarded is what a [Chain] returns for an object that it has yielded and does not hold any more, or
// yields last for a range that it cannot follow to its end, because it was reorganized or pruned meanwhile. No
// method fails with a server error for it. An answer by range ends, or is ResourceUnavailable if nothing has
// been sent; an answer by root goes on without the object; an ancestry ends. An object that is damaged is
// another matter: any other error is logged, and answered with a server error.
var ErrDiscarded = errors.New("beacon: discarded meanwhile")

// A Chain is what a server serves from. It is safe for concurrent use.
//
// Objects are served in two steps: a look-up yields refs, and AppendFrames fetches the object of one. So rate
// limits are reserved before anything is fetched, and no database iterator is held while a peer waits.
type Chain interface {
	// Status returns the chain's view: head, finalized checkpoint and the earliest slot from which on it holds
	// every block, and, unless [Sources].Earliest is set, every other object that it is a source of and that has to
	// be served. ForkDigest is ignored, as the server derives it from its network and clock.
	Status(ctx context.Context) (Status, error)

	// BlocksByRange yields the blocks of the canonical chain with slots from start
	// to start+count-1, which does not overflow, in ascending order. Empty slots yield nothing. A range
	// that begins before the earliest slot held yields ErrUnavailable. Any other error is
	// the last pair, and is logged and answered with a server error.
	//
	// Peers choose start and count, which may be huge, and whatever is between: a chain looks for the
	// next block only when it is wanted, and bounds the work by what it holds. A server stops after
	// MAX_REQUEST_BLOCKS blocks, and from Deneb on MAX_REQUEST_BLOCKS_DENEB.
	BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[Ref, error]

	// BlocksByRoot yields those of the blocks asked for that it holds, in the order
	// of roots. What is not held is left out. Blocks of other branches than the canonical one belong
	// here too. No more roots are asked for than the maximum of BlocksByRange; one may be asked
	// for twice.
	BlocksByRoot(ctx context.Context, roots []ssz.Root) iter.Seq2[Ref, error]

	// Sources returns what the chain holds besides blocks: the zero value for nothing. A server calls it once. A chain
	// that embeds another holds what that does; to answer a look-up itself, it returns itself in the look-up's field.
	Sources() Sources

	// AppendFrames appends the SSZ encoding of the object that a ref of this chain names, of any kind, as snappy
	// frames that pass snappy.CheckFrames, to dst. A chain which holds SSZ calls
	// snappy.AppendFrames. dst belongs to the caller. Frames that are not of the ref's
	// Size are not sent: that is logged, and answered with a server error.
	AppendFrames(ctx context.Context, ref Ref, dst []byte) ([]byte, error)
}

// A Kind is a kind of object that a [Chain] holds.
type Kind uint8

// The kinds of objects. A chain of blocks alone need not set the Kind of its refs.
const (
	KindBlock                       Kind = iota // a SignedBeaconBlock
	KindBlobSidecar                             // a BlobSidecar
	KindDataColumnSidecar                       // a DataColumnSidecar
	KindExecutionPayloadEnvelope                // a SignedExecutionPayloadEnvelope
	KindInclusionList                           // a SignedInclusionList
	KindLightClientBootstrap                    // a LightClientBootstrap
	KindLightClientUpdate                       // a LightClientUpdate
	KindLightClientFinalityUpdate               // a LightClientFinalityUpdate
	KindLightClientOptimisticUpdate             // a LightClientOptimisticUpdate
)

// kinds are the names of kinds.
var kinds = [...]string{
	"block", "blob sidecar", "data column sidecar", "execution payload envelope", "inclusion list",
	"light client bootstrap", "light client update", "light client finality update", "light client optimistic update",
}

// String returns the name of the kind, such as "blob sidecar".
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "unknown kind"
}

// A Ref names an object that a [Chain] holds, without its data. A server sends no object of another kind than was
// asked for: that is logged, and answered with a server error.
type Ref struct {
	// Kind is the kind of the object. Zero is KindBlock.
	Kind Kind
	// Slot is the slot of the block that the object is or belongs to, of an inclusion list its own, and of an object
	// for light clients that of its attested, or only, header. It decides the fork digest sent along.
	Slot ssz.Slot
	// Root is the hash tree root of that BeaconBlock (not of the signed one). For kinds that do not belong to a
	// block the server does not look at it.
	Root ssz.Root
	// Index is that of the blob in the block, or of the column. For other kinds it is the chain's own.
	Index uint64
	// Size is the exact length of the object's SSZ encoding, in bytes.
	Size int
	// FramesSize is about how many bytes AppendFrames appends. It is what is
	// reserved for the object; what was really written is settled afterwards.
	FramesSize int
	// Handle is the chain's own, and comes back with the ref: where the object lies, for example, or the reader of
	// the range that the ref was yielded for, so that a chain can read the objects of a range ahead. Refs of a range
	// are fetched in the order in which they were yielded, those that are sent, by one goroutine.
	Handle any
}

// Sources says what a [Chain] holds besides blocks: a kind whose field is nil is not held. A server offers the
// protocols of sidecars and envelopes all the same, as peers disconnect a node that does not: it answers with
// nothing for blocks without blobs, with ResourceUnavailable for ranges whose sidecars exist and are not held,
// and leaves them out by root. Its status has an EarliestAvailableSlot after the last block whose sidecars have
// to be served, see [Server.Status]. Of the other kinds it offers the protocols of those held.
//
// What [Chain] says of concurrency, errors and frames goes for all of them. The look-ups yield refs of their kind.
type Sources struct {
	// Blobs holds blob sidecars, those of blocks from Deneb to Electra.
	Blobs BlobSource
	// Columns holds data column sidecars, those of blocks from Fulu on.
	Columns ColumnSource
	// Payloads holds execution payload envelopes, those of blocks from Gloas on.
	Payloads PayloadSource
	// InclusionLists holds the inclusion lists of recent slots.
	InclusionLists InclusionListSource
	// LightClient holds what light clients sync by.
	LightClient LightClientSource

	// Earliest returns the earliest slot from which on all objects of a kind are held, for kinds that are kept for a
	// time of their own: the server asks for those of Blobs, Columns and Payloads that are held, and its status has
	// the latest of these slots, of kinds that have to be served from before. It is asked for each status that is sent:
	// while it has many blocks to look into it returns a later slot, and an earlier one when it is called again. If
	// Earliest is nil, Status tells the slot for all kinds.
	Earliest func(ctx context.Context, kind Kind) (ssz.Slot, error)

	// BlobCommitments returns what a block that the chain has yielded, of Deneb or later, says of its blobs, for a
	// chain that knows without reading the block, such as one that keeps in an index what
	// [ssz.Network.PeekBlobCommitments] has found in the block. If the error is
	// ErrUnavailable, or BlobCommitments is nil, a server reads the block's frames and looks into the few of their
	// chunks that it has to: once for each block that becomes the head, and for the blocks of a range whose
	// sidecars are asked for and not held, up to the first that has some. The bytes read for a request are reserved
	// with the server's Limiter, and counted against MaxMemory, like those sent.
	BlobCommitments func(ctx context.Context, block Ref) (ssz.BlobCommitments, error)
}

// A BlobSource looks up blob sidecars.
type BlobSource interface {
	// BlobSidecarsByRange yields the sidecars of the canonical chain's blocks with slots from start to
	// start+count-1, which does not overflow, by ascending slot and index. Blocks without blobs yield nothing;
	// the server ends the answer with ResourceUnavailable before a block that sidecars are missing of. A range
	// that begins before what is held yields ErrUnavailable. Of count and of how much is consumed the same goes
	// as for [Chain].BlocksByRange: a server stops after the sidecars of MAX_REQUEST_BLOCKS_DENEB blocks.
	BlobSidecarsByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[Ref, error]

	// BlobSidecarsByRoot yields those of the sidecars asked for that it holds, in the order of ids. No
	// more are asked for than compute_max_request_blob_sidecars() allows; an index may be any number.
	BlobSidecarsByRoot(ctx context.Context, ids []ssz.BlobIdentifier) iter.Seq2[Ref, error]
}

// A ColumnSource looks up data column sidecars. The custody is that of the host's node ID and of the
// metadata's custody group count, see [CustodyColumns]. A host without a secp256k1 key has no node ID: then a
// block is taken for complete if one of the columns asked for is held.
type ColumnSource interface {
	// DataColumnSidecarsByRange yields the sidecars of some columns, which ascend, of the canonical chain's
	// blocks with slots from start to start+count-1, which does not overflow, by ascending slot and index. What
	// is not held is left out; the server ends the answer with ResourceUnavailable before a block that columns
	// of the node's custody are missing of. A range that begins before what is held yields ErrUnavailable. Of
	// count and of how much is consumed the same goes as for [Chain].BlocksByRange: a server stops after the
	// columns of MAX_REQUEST_BLOCKS_DENEB blocks.
	DataColumnSidecarsByRange(ctx context.Context, start ssz.Slot, count uint64, columns []uint64) iter.Seq2[Ref, error]

	// DataColumnSidecarsByRoot yields those of the sidecars asked for that it holds, in the order of
	// ids. No more are asked for than compute_max_request_data_column_sidecars() allows, of columns
	// that there are; one may be asked for twice.
	DataColumnSidecarsByRoot(ctx context.Context, ids []ssz.DataColumnsByRootIdentifier) iter.Seq2[Ref, error]
}

// A PayloadSource looks up execution payload envelopes.
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
	ExecutionPayloadEnvelopesByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[Ref, error]

	// ExecutionPayloadEnvelopesByRoot yields those of the envelopes that it holds, whether the chain has built on
	// them or not, in the order of roots, which are those of beacon blocks, MAX_REQUEST_PAYLOADS of them at most.
	ExecutionPayloadEnvelopesByRoot(ctx context.Context, roots []ssz.Root) iter.Seq2[Ref, error]
}

// An InclusionListSource looks up inclusion lists.
type InclusionListSource interface {
	// InclusionLists yields the lists of those members of a slot's inclusion list committee whose bits
	// are set, the first in the lowest bit, as far as it holds them. The committee is that of the
	// state of the block with root dependent. Lists that fail the rules of gossip, and those of
	// validators that have signed two, should be left out. The slot is not before the one that the specs
	// have to be served from, but may be far in the future.
	InclusionLists(ctx context.Context, slot ssz.Slot, dependent ssz.Root, members [2]byte) iter.Seq2[Ref, error]
}

// A LightClientSource looks up what light clients sync by, as the full-node document of
// the specs' light client part creates it. Where the one object asked for is not there, the error is ErrUnavailable.
type LightClientSource interface {
	// LightClientBootstrap returns the bootstrap of a block.
	LightClientBootstrap(ctx context.Context, root ssz.Root) (Ref, error)

	// LightClientUpdates yields the best update of each sync committee period from start to
	// start+count-1, which does not overflow, in ascending order and without gaps: it begins with the
	// earliest period that it has an update of, and ends before the first gap. Count may be huge; a
	// server stops after MAX_REQUEST_LIGHT_CLIENT_UPDATES updates.
	LightClientUpdates(ctx context.Context, start, count uint64) iter.Seq2[Ref, error]

	// LightClientFinalityUpdate returns the latest LightClientFinalityUpdate.
	LightClientFinalityUpdate(ctx context.Context) (Ref, error)

	// LightClientOptimisticUpdate returns the latest LightClientOptimisticUpdate.
	LightClientOptimisticUpdate(ctx context.Context) (Ref, error)
}

// Status is a peer's or chain's view of the chain, as status/2 has it. It stands
// for status/1 as well, which lacks the last field: EarliestAvailableSlot is zero
// then.
type Status = ssz.StatusV2

// NoChain is the [Chain] of a node that holds none, such as a crawler or a client that only downloads. A server
// of NoChain exchanges statuses, and answers ping, metadata and
// goodbye. It offers what a server of any chain does, as peers disconnect a node that does not: it answers requests
// by range with ResourceUnavailable, and leaves out by root what is asked for.
//
// It sends each peer the view of the chain that this peer has sent last, as peers disconnect nodes whose view differs
// too much: until then, a head at slot 0. The earliest available slot is the one after the head, as no block is held.
// Of a peer it compares the fork digest, and nothing else.
var NoChain Chain = noChain{}

type noChain struct{}

// Status implements Chain.
func (noChain) Status(context.Context) (Status, error) { return holdingNothing(Status{}), nil }

// BlocksByRange implements Chain.
func (noChain) BlocksByRange(context.Context, ssz.Slot, uint64) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) { yield(Ref{}, ErrUnavailable) }
}

// BlocksByRoot implements Chain.
func (noChain) BlocksByRoot(context.Context, []ssz.Root) iter.Seq2[Ref, error] {
	return func(func(Ref, error) bool) {}
}

// Sources implements Chain.
func (noChain) Sources() Sources { return Sources{} }

// AppendFrames implements Chain. There is no block to call it for.
func (noChain) AppendFrames(context.Context, Ref, []byte) ([]byte, error) {
	return nil, errors.New("beacon: NoChain holds no blocks")
}

// holdingNothing returns a view of the chain as a node that holds no block of it has it.
func holdingNothing(view Status) Status {
	view.EarliestAvailableSlot = view.HeadSlot
	if view.HeadSlot < math.MaxUint64 {
		view.EarliestAvailableSlot++
	}
	return view
}
