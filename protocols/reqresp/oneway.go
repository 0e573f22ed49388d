package reqresp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// OneWay describes a protocol in which a request gets no response: the responder reads
// it and closes the stream without having written a byte.
type OneWay[Req any] struct {
	spec *Spec
}

// NewOneWay declares a one-way protocol of a family. The versions given share
// the type Req; a call tries them in this order. It panics if there is no
// version or the limits are invalid.
func NewOneWay[Req any](f Family, name string, l Limits, versions ...int) OneWay[Req] {
	return OneWay[Req]{newSpec(f, name, KindOneWay, l, versions)}
}

// WithProtocols returns the same protocol under other protocol IDs, see
// [Unary.WithProtocols].
func (p OneWay[Req]) WithProtocols(ids ...protocol.ID) OneWay[Req] {
	return OneWay[Req]{p.spec.withProtocols(ids)}
}

// Spec returns the protocol's description.
func (p OneWay[Req]) Spec() *Spec { return p.spec }

// Send sends req to a peer. Success means that the peer speaks the protocol and that the
// request was handed to the transport, which goes on to deliver it as long as the
// connection lasts; it does not mean that the peer has read or understood it. The
// error is a [*Failure], or an [*Error] of a peer that refused the request before all
// of it was sent.
func (p OneWay[Req]) Send(ctx context.Context, c *Client, to peer.ID, req *Req) error {
	out, err := c.Open(ctx, to, p.spec)
	if err != nil {
		return err
	}
	defer out.Close()
	return oneWay(out, req)
}

// oneWay sends a request that is not answered.
func oneWay(out *Outbound, req any) error {
	if err := out.Send(req); err != nil {
		return err
	}
	return out.flush()
}

// flush ends an exchange that is not answered, once its request was sent. A negotiation
// under way is part of that: libp2p completes it before it closes a stream, and what came of
// it is what reading returns from then on, even of nothing.
func (o *Outbound) flush() error {
	if o.err != nil {
		return o.err
	}
	o.flushed = true
	// Closing begins with setting a deadline of libp2p's own.
	late := time.AfterFunc(o.timeouts.Negotiate, func() { _ = o.stream.SetReadDeadline(time.Now()) })
	_ = closeUnanswered(o.stream)
	late.Stop()
	_, err := o.stream.Read(nil)
	if !o.guard.disarm() {
		return o.fail(PhaseNegotiate, cause(o.ctx, o.ctx.Err()))
	}
	if err := negotiationError(o.stream, err); err != nil {
		return o.fail(PhaseNegotiate, err)
	}
	o.err = io.EOF
	return nil
}

// negotiationError tells what is wrong with a negotiation, given what reading of a closed
// stream returns. Where the negotiation was done before, that tells of the closing.
func negotiationError(stream network.Stream, err error) error {
	switch {
	case err == nil || err == io.EOF:
		return nil
	case isUnsupported(err):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case isTimeout(err):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	case isDisconnected(err, stream.Conn()):
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	case !isPeersReset(stream, err):
		return nil
	}
	err = resetError(err)
	if _, ok := errors.AsType[*Error](err); ok {
		return nil // who has a verdict speaks the protocol
	}
	return err
}

// isPeersReset reports whether a stream's error is a reset by the peer, not by ourselves.
func isPeersReset(stream network.Stream, err error) bool {
	if reset, ok := errors.AsType[*network.StreamError](err); ok {
		return reset.Remote
	}
	return isMplex(stream.Conn()) && errors.Is(err, network.ErrReset)
}

// Serve binds h, which may run concurrently with itself, to the protocol. The sender
// does not learn of an error that h returns; the server's trace and logger do.
func (p OneWay[Req]) Serve(h func(ctx context.Context, from peer.ID, req *Req) error) Method {
	if h == nil {
		return Method{Spec: p.spec} // which Register refuses
	}
	return Method{Spec: p.spec, Handler: func(ctx context.Context, in *Inbound) error {
		req := new(Req)
		if err := in.Receive(ctx, req); err != nil {
			return err
		}
		return h(ctx, in.Peer(), req)
	}}
}
