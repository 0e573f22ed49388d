package score

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Trace returns the hooks that penalise what peers do wrong as they ask. They leave exchanges of this side alone. A
// request that no codec can read is [Malformed]. A request that is invalid, incomplete or too slow, and an answer that
// is not read, are of [MidTolerance]. A stream that ends before the first byte of a request, a stream that is reset and
// an answer that is given up are no faults: that is what is seen of a caller who is gone and of a connection that is
// cut.
func (b *Book) Trace() *reqresp.Trace {
	return &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		if class, what := inboundFault(x); what != "" {
			b.Penalize(x.Peer, class, what+": "+x.Spec.Name())
		}
	}}
}

// inboundFault returns what a peer did wrong and how grave that is, nothing if it is not to blame.
func inboundFault(x *reqresp.Exchange) (class Class, what string) {
	answer, ok := errors.AsType[*reqresp.Error](x.Err)
	switch {
	case !x.Inbound || reqresp.ReasonOf(x.Err) == reqresp.ReasonPanic:
		return 0, ""
	case ok && (answer.Code != reqresp.CodeInvalidRequest || answer.Remote):
		return 0, ""
	case ok && isCut(x.Err):
		if x.RequestBytes == 0 {
			return 0, ""
		}
		return MidTolerance, "incomplete request"
	case ok && errors.Is(x.Err, reqresp.ErrViolation):
		return Malformed, "malformed request"
	case ok:
		return MidTolerance, "invalid request"
	case x.Phase == reqresp.PhaseResponse && errors.Is(x.Err, reqresp.ErrTimeout) && !tookTooLong(x):
		return MidTolerance, "answer not read in time"
	}
	return 0, ""
}

// tookTooLong reports whether the whole exchange took as long as it may: it may be this side that was slow.
func tookTooLong(x *reqresp.Exchange) bool {
	return time.Since(x.Began) >= x.Spec.Limits().Timeouts.Total
}

// isCut reports whether a request is only the beginning of one. A transport may end the stream of a caller who is gone
// as if it was complete.
func isCut(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// Middleware returns a middleware that reads nothing of peers that are banned: their exchanges fail with an error that
// wraps [ErrBanned] and reqresp.ErrRefused. Where the host has a [Book.Gater], they hardly come that far.
func (b *Book) Middleware() reqresp.Middleware {
	return func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
		return func(ctx context.Context, in *reqresp.Inbound) error {
			if b.Action(in.Peer()) == Ban {
				return fmt.Errorf("%w: %w", ErrBanned, reqresp.ErrRefused)
			}
			return next(ctx, in)
		}
	}
}

// Gater returns a libp2p connection gater that keeps banned peers out, and asks next about all else. Next may be nil. A
// host takes it as it is made:
//
//	h, err := libp2p.New(libp2p.ConnectionGater(book.Gater(nil)), …)
//
// Connections that there are when a peer is banned stay: whoever owns them ends them.
func (b *Book) Gater(next connmgr.ConnectionGater) connmgr.ConnectionGater {
	return &gater{book: b, next: next}
}

type gater struct {
	book *Book
	next connmgr.ConnectionGater
}

func (g *gater) InterceptPeerDial(id peer.ID) bool {
	return g.book.Action(id) != Ban && (g.next == nil || g.next.InterceptPeerDial(id))
}

func (g *gater) InterceptAddrDial(id peer.ID, addr multiaddr.Multiaddr) bool {
	return g.next == nil || g.next.InterceptAddrDial(id, addr)
}

// InterceptAccept does not know yet who comes.
func (g *gater) InterceptAccept(addrs network.ConnMultiaddrs) bool {
	return g.next == nil || g.next.InterceptAccept(addrs)
}

func (g *gater) InterceptSecured(dir network.Direction, id peer.ID, addrs network.ConnMultiaddrs) bool {
	return g.book.Action(id) != Ban && (g.next == nil || g.next.InterceptSecured(dir, id, addrs))
}

func (g *gater) InterceptUpgraded(conn network.Conn) (bool, control.DisconnectReason) {
	if g.next == nil {
		return true, 0
	}
	return g.next.InterceptUpgraded(conn)
}
