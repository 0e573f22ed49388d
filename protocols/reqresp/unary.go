package reqresp

import (
	"context"
	"io"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Unary describes a protocol in which one request gets exactly one response.
type Unary[Req, Resp any] struct {
	spec *Spec
}

// NewUnary declares a unary protocol of a family. The versions given share the
// types Req and Resp; a call tries them in this order. It panics if there is no
// version or the limits are invalid.
func NewUnary[Req, Resp any](f Family, name string, l Limits, versions ...int) Unary[Req, Resp] {
	return Unary[Req, Resp]{newSpec(f, name, KindUnary, l, versions)}
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
// for this protocol.
func (p Unary[Req, Resp]) Exchange(out *Outbound, req *Req) (*Resp, error) {
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

// Serve binds h, which may run concurrently with itself, to the protocol.
func (p Unary[Req, Resp]) Serve(h func(ctx context.Context, from peer.ID, req *Req) (*Resp, error)) Method {
	return Method{Spec: p.spec, Handler: func(ctx context.Context, in *Inbound) error {
		req := new(Req)
		if err := in.Receive(ctx, req); err != nil {
			return err
		}
		resp, err := h(ctx, in.Peer(), req)
		if err != nil {
			return err
		}
		return in.Send(ctx, resp)
	}}
}
