package score

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Middleware returns a middleware that penalises what peers do wrong as they ask. A request that no codec can read is
// [Malformed]. A request that is invalid, incomplete or too slow, and an answer that is not read, are of
// [MidTolerance]. A stream that ends before the first byte of a request, a stream that is reset and an answer that is
// given up are no faults: that is what is seen of a caller who is gone and of a connection that is cut.
//
// Of peers that are banned nothing is read: their exchanges fail with an error that wraps [ErrBanned] and
// reqresp.ErrRefused. Where the host has a [Book.Gater], they hardly come that far.
func (b *Book) Middleware() reqresp.Middleware {
	return func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
		return func(ctx context.Context, in *reqresp.Inbound) error {
			if b.Action(in.Peer()) == Ban {
				return fmt.Errorf("%w: %w", ErrBanned, reqresp.ErrRefused)
			}
			err := next(ctx, in)
			if class, what := inboundFault(ctx, in, err); what != "" {
				b.Penalize(in.Peer(), class, what+": "+in.Spec().Name())
			}
			return err
		}
	}
}

// inboundFault returns what a peer did wrong and how grave that is, nothing if it is not to blame.
func inboundFault(ctx context.Context, in *reqresp.Inbound, err error) (class Class, what string) {
	verdict, ok := errors.AsType[*reqresp.Error](err)
	if !ok {
		// What follows a request cancels the exchange.
		err = cmp.Or(context.Cause(ctx), err)
		verdict, ok = errors.AsType[*reqresp.Error](err)
	}
	switch {
	case ok && (verdict.Code != reqresp.CodeInvalidRequest || verdict.Remote):
		return 0, ""
	case ok && isCut(err):
		if in.Result().RequestBytes == 0 {
			return 0, ""
		}
		return MidTolerance, "incomplete request"
	case ok && errors.Is(err, reqresp.ErrViolation):
		return Malformed, "malformed request"
	case ok:
		return MidTolerance, "invalid request"
	case errors.Is(err, reqresp.ErrTimeout) && ctx.Err() == nil:
		// If the whole exchange took too long, it may be us who were slow.
		return MidTolerance, "answer not read in time"
	}
	return 0, ""
}

// isCut reports whether a request is only the beginning of one. A transport may end the stream of a caller who is gone
// as if it was complete.
func isCut(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

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
