package reqresp

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Cost is what serving takes, in the two currencies that limits are set in.
type Cost struct {
	// Items counts response chunks.
	Items uint64
	// Bytes counts bytes as they are written to the stream.
	Bytes uint64
}

// A Pacer decides when a peer's exchange may go on. The consensus specs let a
// responder withhold a chunk until there is capacity for it, and forbid it to
// answer with an error or to close the stream instead; so a Pacer makes
// exchanges wait. It is safe for concurrent use.
type Pacer interface {
	// Admit waits until the exchange, whose request was read, may be worked on. A nil Pace
	// lets it go on without delay from there. It returns the context's error when ctx ends
	// first, and an error that wraps ErrRefused when the exchange cannot even wait; any
	// error ends the exchange as that of a handler does.
	Admit(ctx context.Context, from peer.ID, spec *Spec) (Pace, error)
	// Refused tells that a stream of the peer was reset unread, as it or all peers
	// together have too many open. Who is to blame is for the Pacer to judge: it may
	// be others alone.
	Refused(from peer.ID, spec *Spec)
}

// A Pace paces one admitted exchange. It belongs to one goroutine.
type Pace interface {
	// Reserve waits until the next chunk, which is expected to cost c, may be
	// fetched and sent. It returns the context's error when ctx ends first, and an error that
	// wraps ErrRefused when the exchange has waited for too long and cannot go on. Nothing is
	// reserved then. A cost without items is that of data which is fetched and not sent, see [Inbound.Fetch].
	Reserve(ctx context.Context, c Cost) error
	// Settle tells what the chunk last reserved for really took, zero if nothing was
	// sent. The difference is given back, or owed.
	Settle(used Cost)
	// Release ends the exchange. It is called exactly once, last.
	Release()
}

// A CallPacer keeps the calls of a [Client] to what peers bear. It is safe for concurrent use.
type CallPacer interface {
	// Wait waits until a peer may be asked, by a method of that [Spec].Name, for so many items;
	// see [CallOptions]. It is called when it is the call's turn, before anything is sent. If it
	// fails so does the call, with its error, which is the context's when ctx ends first.
	Wait(ctx context.Context, to peer.ID, method string, items int) error
	// Done tells what came of a call for which Wait returned nil, exactly once for each.
	Done(to peer.ID, method string, r Result)
}

// unpaced is the pace of exchanges that nobody paces.
type unpaced struct{}

func (unpaced) Reserve(ctx context.Context, _ Cost) error { return ctx.Err() }
func (unpaced) Settle(Cost)                               {}
func (unpaced) Release()                                  {}
