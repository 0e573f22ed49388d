package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// A goodbyeError is that of a command whose peer has said goodbye.
type goodbyeError struct{ reason beacon.GoodbyeReason }

// Error implements error.
func (e *goodbyeError) Error() string {
	return fmt.Sprintf("the peer says goodbye: %v (reason %d)", e.reason, uint64(e.reason))
}

// A goodbyeWatch waits for the goodbye of the peer that a command works with.
type goodbyeWatch struct {
	peer   peer.ID
	cancel context.CancelCauseFunc
	said   atomic.Pointer[goodbyeError] // the first
}

// watchGoodbye returns a context that ends with a goodbye of the peer after which there is nothing more to ask. The
// cause is a goodbyeError then.
func watchGoodbye(ctx context.Context, id peer.ID) (context.Context, *goodbyeWatch) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &goodbyeWatch{peer: id, cancel: cancel}
}

// trace returns the hooks that tell the watch.
func (w *goodbyeWatch) trace() *beacon.PeerTrace {
	return &beacon.PeerTrace{Goodbye: func(from peer.ID, reason beacon.GoodbyeReason) {
		if from != w.peer {
			return
		}
		said := &goodbyeError{reason}
		w.said.CompareAndSwap(nil, said)
		if isFinal(reason) {
			w.cancel(said)
		}
	}}
}

// isFinal reports whether a peer that says goodbye is of no use to a command any more. One that finds this node
// irrelevant or at fault may be asked again: for its status, which tells why, or by the next rule of a conform.
func isFinal(reason beacon.GoodbyeReason) bool {
	return reason != beacon.GoodbyeIrrelevantNetwork && reason != beacon.GoodbyeFault
}

// explain says why a command has failed if the peer has said goodbye, and returns other errors as they are.
func (w *goodbyeWatch) explain(err error) error {
	said := w.said.Load()
	switch {
	case err == nil || said == nil:
		return err
	case isFinal(said.reason):
		return said // The rest follows from it.
	}
	return fmt.Errorf("%w; %w", err, said)
}
