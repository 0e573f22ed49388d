package chainsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Peer is one that blocks can be downloaded from.
type Peer struct {
	// ID is the peer's.
	ID peer.ID
	// Status is what the peer said last. It is asked for the slots from EarliestAvailableSlot to HeadSlot.
	Status beacon.Status
	// Columns are the data columns of its custody, which FetchSidecars asks it for.
	Columns []uint64
	// Score ranks peers: one with a higher score is asked first.
	Score float64
}

// A Client asks peers for blocks. [beacon.Client] implements it.
type Client interface {
	// BlocksByRange is that of [beacon.Client]: it checks that each block is in the range and the parent of the next,
	// and ends a request that brings nothing for long with an error.
	BlocksByRange(ctx context.Context, to peer.ID, start ssz.Slot, count uint64) iter.Seq2[*beacon.Block, error]
}

// A Pacer says how much a peer grants. The pacer of package limits/outbound implements it.
type Pacer interface {
	// Batch returns how many of some items to ask for at once.
	Batch(to peer.ID, method string, items int) int
	// Delay returns for how long the peer is not to be asked for some items.
	Delay(to peer.ID, method string, items int) time.Duration
}

// A Sink stores what was verified.
type Sink interface {
	// Store stores consecutive blocks of ascending slots, each the parent of the next. Forward, the first is the
	// child of the block stored last; backward, the last is the parent of the block stored before. Calls do not
	// overlap. An error ends the sync. The blocks are the sink's.
	Store(ctx context.Context, blocks []*beacon.Block) error
}

// DefaultMaxBytes is the default of Config.MaxBytes.
const DefaultMaxBytes = 96 << 20

// A Config says whom a sync asks, and how. It must not be changed during the sync.
type Config struct {
	// Client asks the peers. It must not be nil.
	Client Client
	// Network is that of the chain. It must not be nil.
	Network *ssz.Network
	// Peers returns the peers that can be asked now. It is called at least once a second, by the goroutine that called
	// Forward or Backfill. It must not be nil.
	Peers func() []Peer
	// Pacer is the client's. With nil peers are asked without delay.
	Pacer Pacer
	// Batch is the most slots to ask for at once. Zero means two epochs.
	Batch uint64
	// MaxBytes bounds the bytes of blocks, SSZ and frames, that wait to be stored. The request that all others wait for
	// may exceed it by a quarter, and every other one by a block. Zero means DefaultMaxBytes.
	MaxBytes int64
	// Wait is for how long to wait for a peer that can serve what is missing, where none can. Zero means not to wait.
	Wait time.Duration
	// Paused reports whether to make no new requests for now. It is called at least once a second, by the goroutine that
	// called Forward or Backfill. Nil means never.
	Paused func() bool
	// Verify verifies what roots do not cover of blocks that link up, such as their signatures, before they are stored.
	// It returns the roots of those that are wrong, whose senders are blamed; others are asked for them again. An error
	// ends the sync. Calls do not overlap. Nil verifies nothing.
	Verify func(context.Context, []*beacon.Block) (wrong []ssz.Root, err error)
	// Progress is called after blocks were stored and once a second, by the goroutine that called Forward or Backfill.
	// Nil reports nothing.
	Progress func(Progress)
	// Blame is called for each fault of a peer, by the goroutine that called Forward or Backfill. Nil reports nothing.
	Blame func(Blame)
	// Logger gets faults and retries. Nil discards them.
	Logger *slog.Logger
}

func (c *Config) withDefaults() (Config, error) {
	o := *c
	switch {
	case o.Client == nil, o.Network == nil, o.Peers == nil:
		return o, errors.New("chainsync: Client, Network and Peers of Config must be set")
	case o.MaxBytes < 0:
		return o, fmt.Errorf("chainsync: MaxBytes is %d: want at least 1, or 0 for %d", o.MaxBytes, DefaultMaxBytes)
	case o.Wait < 0:
		return o, fmt.Errorf("chainsync: Wait is %v: want at least 0", o.Wait)
	}
	o.Batch = cmp.Or(o.Batch, uint64(2*o.Network.StartSlot(1)))
	o.MaxBytes = cmp.Or(o.MaxBytes, DefaultMaxBytes)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o, nil
}

// A Blame is a fault of a peer.
type Blame struct {
	// Peer is whose fault it is.
	Peer peer.ID
	// First and Last are the slots that it was asked for.
	First, Last ssz.Slot
	// Err is the fault: ErrWrongChain, ErrLeftOut, ErrWrongBlock, ErrWrongSidecar, ErrFuture, or an error of the client
	// that wraps reqresp.ErrViolation.
	Err error
}

var (
	// ErrWrongChain is blocks that are not of the chain that was found in the end.
	ErrWrongChain = errors.New("chainsync: peer sent blocks of another chain")
	// ErrWrongBlock is a block that failed Config.Verify.
	ErrWrongBlock = errors.New("chainsync: block is wrong")
	// ErrLeftOut is an answer without blocks that the peer had to send, as other peers have shown.
	ErrLeftOut = errors.New("chainsync: peer left out blocks")
	// ErrFuture is a status whose head is ahead of the clock. This host's clock may be wrong.
	ErrFuture = errors.New("chainsync: peer's status is ahead of the clock")
	// ErrNotLinked is returned when the answers of all peers do not make a chain with the block that the sync began
	// with.
	ErrNotLinked = errors.New("chainsync: blocks do not link up")
	// ErrNoPeer is returned when no peer can serve what is missing. The error wraps why peers were given up.
	ErrNoPeer = errors.New("chainsync: no peer serves the range")
)

// A LimitedError is why a peer was given up that rate-limited us for five minutes. It is no fault of the peer's.
// [beacon.IsRateLimited] holds for it.
type LimitedError struct {
	// Peer is who was asked.
	Peer peer.ID
	// Refusals is how often it refused since it last gave anything.
	Refusals int
	// For is how long ago it refused the first time.
	For time.Duration
	// Err is its last refusal.
	Err error
}

// Error implements error.
func (e *LimitedError) Error() string {
	return fmt.Sprintf("chainsync: peer %s rate-limited us %d times in %v: %v",
		e.Peer, e.Refusals, e.For.Round(time.Second), e.Err)
}

// Unwrap returns the last refusal.
func (e *LimitedError) Unwrap() error { return e.Err }
