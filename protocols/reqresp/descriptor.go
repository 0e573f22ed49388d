package reqresp

import (
	"context"
	"io"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Unary describes a protocol in which one request gets exactly one response.
type Unary[Req, Resp any] struct {
	spec *Spec
}

// NewUnary declares a unary protocol of a family. The versions given share the
// types Req and Resp; a call tries them in this order. It panics if there is none.
// Its limits are the defaults, see WithLimits.
func NewUnary[Req, Resp any](f Family, name string, versions ...int) Unary[Req, Resp] {
	return Unary[Req, Resp]{newSpec(f, name, KindUnary, versions)}
}

// WithProtocols returns the same protocol under other protocol IDs, most preferred
// first, for those that are not made the family's way, such as /my-agent/1.0.0. It
// panics if there is none or one is empty.
func (p Unary[Req, Resp]) WithProtocols(ids ...protocol.ID) Unary[Req, Resp] {
	return Unary[Req, Resp]{p.spec.withProtocols(ids)}
}

// WithLimits returns the same protocol with other limits. It panics if one is negative or too
// large.
func (p Unary[Req, Resp]) WithLimits(l Limits) Unary[Req, Resp] {
	return Unary[Req, Resp]{p.spec.withLimits(l)}
}

// Spec returns the protocol's description.
func (p Unary[Req, Resp]) Spec() *Spec { return p.spec }

// Call sends req to a peer and returns its response. The error is an [*Error]
// with Remote set if the peer answered with one, else a [*Failure].
func (p Unary[Req, Resp]) Call(ctx context.Context, c *Client, to peer.ID, req *Req) (*Resp, error) {
	out, err := c.Open(ctx, to, p.spec)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	return p.Exchange(out, req)
}

// Exchange does what Call does on an exchange that [Client.Open] negotiated
// for this protocol. On one of another protocol it fails, and sends nothing.
func (p Unary[Req, Resp]) Exchange(out *Outbound, req *Req) (*Resp, error) {
	if err := out.checkProtocol(p.spec); err != nil {
		return nil, err
	}
	if err := out.Send(req); err != nil {
		return nil, err
	}
	resp := new(Resp)
	if err := out.Receive(resp); err != nil {
		return nil, err
	}
	if err := out.Receive(nil); err != io.EOF {
		return nil, err
	}
	return resp, nil
}

// Serve binds h, which may run concurrently with itself, to the protocol. If h returns
// neither a response nor an error, the stream is closed without an answer.
func (p Unary[Req, Resp]) Serve(h func(ctx context.Context, from peer.ID, req *Req) (*Resp, error)) Handler {
	if h == nil {
		return Handler{Spec: p.spec} // which Register refuses
	}
	return Handler{Spec: p.spec, Serve: func(ctx context.Context, in *Inbound) error {
		req := new(Req)
		if err := in.Receive(ctx, req); err != nil {
			return err
		}
		resp, err := h(ctx, in.Peer(), req)
		if err != nil || resp == nil {
			return err
		}
		return in.Send(ctx, resp)
	}}
}

// Stream describes a protocol in which one request gets zero or more response
// chunks.
type Stream[Req, Resp any] struct {
	spec *Spec
}

// NewStream declares a streaming protocol of a family. The versions given share
// the types Req and Resp; a call tries them in this order. It panics if there is none.
// Its limits are the defaults, see WithLimits.
func NewStream[Req, Resp any](f Family, name string, versions ...int) Stream[Req, Resp] {
	return Stream[Req, Resp]{newSpec(f, name, KindStream, versions)}
}

// WithProtocols returns the same protocol under other protocol IDs, most preferred
// first, see [Unary.WithProtocols].
func (p Stream[Req, Resp]) WithProtocols(ids ...protocol.ID) Stream[Req, Resp] {
	return Stream[Req, Resp]{p.spec.withProtocols(ids)}
}

// WithLimits returns the same protocol with other limits. It panics if one is negative or too
// large.
func (p Stream[Req, Resp]) WithLimits(l Limits) Stream[Req, Resp] {
	return Stream[Req, Resp]{p.spec.withLimits(l)}
}

// Spec returns the protocol's description.
func (p Stream[Req, Resp]) Spec() *Spec { return p.spec }

// Call sends req to a peer when the sequence is ranged over, and yields the
// response chunks as they arrive. An error is the last pair: an [*Error] with
// Remote set if the peer answered with one, else a [*Failure]. Breaking out of the loop resets the
// stream, so that the peer stops. Each range over the sequence is a call of its own, which sends req again.
func (p Stream[Req, Resp]) Call(ctx context.Context, c *Client, to peer.ID, req *Req) iter.Seq2[*Resp, error] {
	return func(yield func(*Resp, error) bool) {
		out, err := c.Open(ctx, to, p.spec)
		if err != nil {
			yield(nil, err)
			return
		}
		defer out.Close()
		p.exchange(out, req, yield)
	}
}

// exchange sends req and yields what answers it.
func (p Stream[Req, Resp]) exchange(out *Outbound, req *Req, yield func(*Resp, error) bool) {
	if err := out.Send(req); err != nil {
		yield(nil, err)
		return
	}
	for {
		resp := new(Resp)
		err := out.Receive(resp)
		if err == io.EOF {
			return
		}
		if err != nil {
			yield(nil, err)
			return
		}
		if !yield(resp, nil) {
			return
		}
	}
}

// Serve binds h, which may run concurrently with itself, to the protocol. Each
// call of send writes one chunk; when it fails, h should return its error.
func (p Stream[Req, Resp]) Serve(
	h func(ctx context.Context, from peer.ID, req *Req, send func(*Resp) error) error,
) Handler {
	if h == nil {
		return Handler{Spec: p.spec} // which Register refuses
	}
	return Handler{Spec: p.spec, Serve: func(ctx context.Context, in *Inbound) error {
		req := new(Req)
		if err := in.Receive(ctx, req); err != nil {
			return err
		}
		return h(ctx, in.Peer(), req, func(resp *Resp) error { return in.Send(ctx, resp) })
	}}
}

// OneWay describes a protocol in which a request gets no response: the responder reads
// it and closes the stream without having written a byte.
type OneWay[Req any] struct {
	spec *Spec
}

// NewOneWay declares a one-way protocol of a family. The versions given share
// the type Req; a call tries them in this order. It panics if there is none.
// Its limits are the defaults, see WithLimits.
func NewOneWay[Req any](f Family, name string, versions ...int) OneWay[Req] {
	return OneWay[Req]{newSpec(f, name, KindOneWay, versions)}
}

// WithProtocols returns the same protocol under other protocol IDs, see
// [Unary.WithProtocols].
func (p OneWay[Req]) WithProtocols(ids ...protocol.ID) OneWay[Req] {
	return OneWay[Req]{p.spec.withProtocols(ids)}
}

// WithLimits returns the same protocol with other limits. It panics if one is negative or too
// large.
func (p OneWay[Req]) WithLimits(l Limits) OneWay[Req] { return OneWay[Req]{p.spec.withLimits(l)} }

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
	return p.Exchange(out, req)
}

// Exchange does what Send does on an exchange that [Client.Open] negotiated
// for this protocol. On one of another protocol it fails, and sends nothing.
func (p OneWay[Req]) Exchange(out *Outbound, req *Req) error {
	if err := out.checkProtocol(p.spec); err != nil {
		return err
	}
	if err := out.Send(req); err != nil {
		return err
	}
	return out.flush()
}

// Serve binds h, which may run concurrently with itself, to the protocol. The sender
// does not learn of an error that h returns. The server's trace and logger do.
func (p OneWay[Req]) Serve(h func(ctx context.Context, from peer.ID, req *Req) error) Handler {
	if h == nil {
		return Handler{Spec: p.spec} // which Register refuses
	}
	return Handler{Spec: p.spec, Serve: func(ctx context.Context, in *Inbound) error {
		req := new(Req)
		if err := in.Receive(ctx, req); err != nil {
			return err
		}
		return h(ctx, in.Peer(), req)
	}}
}
