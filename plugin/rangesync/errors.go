package rangesync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

var (
	// ErrDiverged is returned when the peer's chain does not lead to the blocks that
	// the store holds, and these cannot be given up: because they are verified,
	// because the peer does not show what it has instead, or because it does so
	// again and again.
	ErrDiverged = errors.New("rangesync: peer is on another chain")
	// ErrUntrusted is returned when all was downloaded, and the trusted root is
	// not in it. What was stored stays, unverified.
	ErrUntrusted = errors.New("rangesync: trusted root is not in the chain")
	// ErrGap is returned when the peer leaves blocks out: its next block does not link to
	// the one before, which it has as well, or range after range has no block at
	// all.
	ErrGap = errors.New("rangesync: peer leaves out blocks")
	// ErrBackfill is returned, before anything is asked, for an Options.From below the first block of a store that is
	// not empty: blocks are added at the head only.
	ErrBackfill = errors.New("rangesync: blocks below those that are stored cannot be downloaded")
	// ErrFuture is returned, before anything is asked, for a peer whose status is of
	// a chain that cannot be there yet. This host's clock may be wrong.
	ErrFuture = errors.New("rangesync: peer's status is ahead of the clock")
)

// A LimitedError is returned when a peer says for five minutes that it is asked too much, and gives nothing
// else meanwhile, or when the pacer leaves it alone for that long. That is no fault of the peer's: sync from
// another one, and from this one later. [beacon.IsRateLimited] holds for it.
type LimitedError struct {
	// Peer is who was asked.
	Peer peer.ID
	// After is the last slot dealt with.
	After ssz.Slot
	// Refusals is how often the peer was asked since it last gave anything.
	Refusals int
	// For is how long ago it refused the first time.
	For time.Duration
	// Err is its last refusal.
	Err error
}

// Error implements error.
func (e *LimitedError) Error() string {
	return fmt.Sprintf("rangesync: peer %s gave nothing after slot %d, but said %d times in %v that it is asked too much: %v",
		e.Peer, e.After, e.Refusals, e.For.Round(time.Second), e.Err)
}

// Unwrap returns the last refusal.
func (e *LimitedError) Unwrap() error { return e.Err }

// isTransient reports whether asking again may help: the peer did not break a
// rule, and did not say that it cannot.
func isTransient(err error) bool {
	if errors.Is(err, ErrGap) {
		return true
	}
	if e, ok := errors.AsType[*reqresp.Error](err); ok {
		return e.Code == reqresp.CodeServerError
	}
	f, ok := errors.AsType[*reqresp.Failure](err)
	if ok && f.Phase == reqresp.PhaseQueue && errors.Is(err, context.DeadlineExceeded) {
		return false // The pacer would hold the request back for longer than the caller has.
	}
	return ok && !errors.Is(err, reqresp.ErrViolation) && !errors.Is(err, reqresp.ErrUnsupported)
}
