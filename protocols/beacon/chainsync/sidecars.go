package chainsync

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Sidecars are a block and what belongs to it besides, by ascending index.
type Sidecars = beacon.Sidecars

// An Object names what belongs to a block.
type Object struct {
	// Kind is KindBlobSidecar, KindDataColumnSidecar or KindExecutionPayloadEnvelope.
	Kind beacon.Kind
	// Root is the block's.
	Root ssz.Root
	// Index is that of the blob or the column; zero for an envelope.
	Index uint64
}

// String returns the object's kind, index and block.
func (o Object) String() string { return fmt.Sprintf("%v %d of %v", o.Kind, o.Index, o.Root) }

// A SidecarClient asks peers for what belongs to blocks. [beacon.Client] implements it.
type SidecarClient interface {
	BlobSidecarsByRoot(
		ctx context.Context, to peer.ID, ids []ssz.BlobIdentifier,
	) iter.Seq2[*beacon.BlobSidecar, error]
	DataColumnSidecarsByRoot(
		ctx context.Context, to peer.ID, ids []ssz.DataColumnsByRootIdentifier,
	) iter.Seq2[*beacon.DataColumnSidecar, error]
	ExecutionPayloadEnvelopesByRoot(
		ctx context.Context, to peer.ID, roots []ssz.Root,
	) iter.Seq2[*beacon.ExecutionPayloadEnvelope, error]
}

// A SidecarConfig says whom to ask for sidecars, and for which.
type SidecarConfig struct {
	// Client asks the peers. It must not be nil.
	Client SidecarClient
	// Network is that of the chain. It must not be nil.
	Network *ssz.Network
	// Peers returns the peers that can be asked now. It is called at least once a second, by the goroutine that called
	// FetchSidecars. It must not be nil.
	Peers func() []Peer
	// Pacer is the client's. With nil peers are asked without delay.
	Pacer Pacer
	// Columns are the data columns to download of each block, such as those of the custody.
	Columns []uint64
	// Verify verifies sidecars against their blocks, and returns those that are wrong, whose senders are blamed. It may be
	// called concurrently. An error ends the download. Nil checks nothing besides what the client does.
	Verify func(context.Context, []Sidecars) (wrong []Object, err error)
	// Blame is called for each fault of a peer, by the goroutine that called FetchSidecars. Nil reports nothing.
	Blame func(Blame)
	// Logger gets faults and retries. Nil discards them.
	Logger *slog.Logger
}

var (
	// ErrWrongSidecar is a sidecar or an envelope that failed Config.Verify.
	ErrWrongSidecar = errors.New("chainsync: sidecar is wrong")
	// ErrIncomplete is that no peer has what belongs to a block. It comes as an [*IncompleteError].
	ErrIncomplete = errors.New("chainsync: no peer has what belongs to a block")
)

// An IncompleteError is returned when no peer has what belongs to some blocks. It is [ErrIncomplete].
type IncompleteError struct {
	// Missing is what no peer has, by the order of the blocks.
	Missing []Object
	// Err wraps ErrIncomplete, and why peers were given up, if they were.
	Err error
}

// Error implements error.
func (e *IncompleteError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *IncompleteError) Unwrap() error { return e.Err }

// FetchSidecars downloads what belongs to consecutive blocks of ascending slots: blob sidecars, or the data columns of
// the config, of those that commit to blobs, and envelopes from Gloas on. They are asked for by root, at all peers at
// once, columns at those whose custody has them. What a peer does not send, or sends wrong, is asked of others, and
// nothing else.
//
// A block without commitments is complete by itself, and so is a Gloas block whose payload the next one does not build
// on. Whether the payload of the last block was revealed shows when a peer has it.
//
// It returns one Sidecars for each block, in the same order. With an [*IncompleteError] it returns what there is.
// Other errors are that of Verify, that of a malformed block, or the context's.
func FetchSidecars(ctx context.Context, cfg *SidecarConfig, blocks []*beacon.Block) ([]Sidecars, error) {
	if cfg.Client == nil || cfg.Network == nil || cfg.Peers == nil {
		return nil, errors.New("chainsync: Client, Network and Peers of SidecarConfig must be set")
	}
	f := &fetcher{
		SidecarConfig: *cfg, sources: make(map[peer.ID]*source),
		at: make(map[ssz.Root]int, len(blocks)), all: make([]Sidecars, len(blocks)), byName: make(map[Object]*piece),
	}
	f.Logger = cmp.Or(f.Logger, slog.New(slog.DiscardHandler))
	for i, b := range blocks {
		f.at[b.Root], f.all[i].Block = i, b
		if err := f.want(b, blocks[i+1:]); err != nil {
			return nil, err
		}
	}
	err := f.run(ctx)
	for i := range f.all {
		slices.SortFunc(f.all[i].Blobs, func(a, b *beacon.BlobSidecar) int { return cmp.Compare(a.Index, b.Index) })
		slices.SortFunc(f.all[i].Columns, func(a, b *beacon.DataColumnSidecar) int { return cmp.Compare(a.Index, b.Index) })
	}
	return f.all, err
}

// want adds the pieces of a block, whose child is the first of the blocks after it.
func (f *fetcher) want(b *beacon.Block, after []*beacon.Block) error {
	if b.Fork < ssz.Deneb {
		return nil
	}
	says, err := f.says(b)
	if err != nil {
		return err
	}
	open := false // whether there is anything is not known
	if b.Fork >= ssz.Gloas {
		if open = len(after) == 0; !open {
			child, err := f.says(after[0])
			if err != nil {
				return err
			}
			if child.ParentBlockHash != says.BlockHash {
				return nil
			}
		}
		f.add(beacon.KindExecutionPayloadEnvelope, b, 0, open)
	}
	switch {
	case says.Count == 0:
	case b.Fork >= ssz.Fulu:
		for _, column := range f.Columns {
			f.add(beacon.KindDataColumnSidecar, b, column, open)
		}
	default:
		for index := range says.Count {
			f.add(beacon.KindBlobSidecar, b, uint64(index), false)
		}
	}
	return nil
}

func (f *fetcher) says(b *beacon.Block) (ssz.BlobCommitments, error) {
	says, err := f.Network.PeekBlobCommitments(b.Fork, bytes.NewReader(b.SSZ), int64(len(b.SSZ)))
	if err != nil {
		return says, fmt.Errorf("chainsync: block %v of slot %d: %w", b.Root, b.Slot, err)
	}
	return says, nil
}
