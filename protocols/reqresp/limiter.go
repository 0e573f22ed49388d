package reqresp

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Cost is what serving takes, in the two units that limits are set in.
type Cost struct {
	// Items counts response chunks.
	Items uint64
	// Bytes counts bytes as they are written to the stream.
	Bytes uint64
}

// A Limiter decides when the exchanges of a [Server] may go on. The consensus specs let a
// responder withhold a chunk until there is capacity for it, and forbid it to answer with an error or to
// close the stream instead. So a Limiter makes exchanges wait. It is safe for concurrent use.
type Limiter interface {
	// Admit waits until the exchange, whose request was read, may be worked on. A nil Admission
	// lets it go on without delay from there. It returns the context's error when ctx ends
	// first, and an error that wraps ErrRefused when the exchange cannot even wait. Any
	// error ends the exchange as that of a handler does.
	Admit(ctx context.Context, from peer.ID, spec *Spec) (Admission, error)
	// Refused is called when a stream of the peer was reset unread, as the peer or all peers
	// together have too many open. Who is to blame is for the Limiter to judge: it may
	// be others alone.
	Refused(from peer.ID, spec *Spec)
}

// An Admission limits one admitted exchange. It belongs to one goroutine.
type Admission interface {
	// Reserve waits until the next chunk, which is expected to cost c, may be
	// fetched and sent. It returns the context's error when ctx ends first, and an error that
	// wraps ErrRefused when the exchange has waited for too long and cannot go on. Nothing is
	// reserved then. A cost without items is for data that is read and not sent, see [Inbound.Fetch].
	Reserve(ctx context.Context, c Cost) error
	// Settle is called with what the chunk last reserved for really took, zero if nothing was
	// sent. The difference is given back, or owed.
	Settle(used Cost)
	// Release ends the exchange. It is called exactly once, last.
	Release()
}

// A CallLimiter keeps the calls of a [Client] to what peers allow. It is safe for concurrent use.
type CallLimiter interface {
	// Wait waits until a peer may be asked for so many items of the method, which is the [Spec]'s
	// Name; see [CallOptions]. It is called within the client's bounds on concurrent calls, before anything
	// is sent. If it fails so does the call, with its error, which is the context's when ctx ends first.
	Wait(ctx context.Context, to peer.ID, method string, items int) error
	// Done is called with the result of a call for which Wait returned nil, exactly once for each.
	Done(to peer.ID, method string, r Result)
}

// unlimited is the admission of exchanges that no Limiter limits.
type unlimited struct{}

func (unlimited) Reserve(ctx context.Context, _ Cost) error { return ctx.Err() }
func (unlimited) Settle(Cost)                               {}
func (unlimited) Release()                                  {}
