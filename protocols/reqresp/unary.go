package reqresp

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
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

// WithProtocols returns the same protocol under other protocol IDs, most preferred
// first, for those that are not made the family's way, such as /my-agent/1.0.0. It
// panics if there is none or one is empty.
func (p Unary[Req, Resp]) WithProtocols(ids ...protocol.ID) Unary[Req, Resp] {
	return Unary[Req, Resp]{p.spec.withProtocols(ids)}
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
	if !slices.Contains(p.spec.Protocols, out.Protocol()) {
		return nil, out.failure(PhaseRequest, fmt.Errorf("reqresp: Exchange is for %q", p.spec.Protocols))
	}
	return unary[Resp](out, req)
}

// unary sends a request and reads its only response.
func unary[Resp any](out *Outbound, req any) (*Resp, error) {
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
func (p Unary[Req, Resp]) Serve(h func(ctx context.Context, from peer.ID, req *Req) (*Resp, error)) Method {
	if h == nil {
		return Method{Spec: p.spec} // which Register refuses
	}
	return Method{Spec: p.spec, Handler: func(ctx context.Context, in *Inbound) error {
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
