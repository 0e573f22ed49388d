package reqresp

import (
	"context"
	"io"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Stream describes a protocol in which one request gets zero or more response
// chunks.
type Stream[Req, Resp any] struct {
	spec *Spec
}

// NewStream declares a streaming protocol of a family. The versions given share
// the types Req and Resp; a call tries them in this order. It panics if there is
// no version or the limits are invalid.
func NewStream[Req, Resp any](f Family, name string, l Limits, versions ...int) Stream[Req, Resp] {
	return Stream[Req, Resp]{newSpec(f, name, KindStream, l, versions)}
}

// WithProtocols returns the same protocol under other protocol IDs, most preferred
// first, for those that are not made the family's way, such as /my-agent/1.0.0. It
// panics if there is none or one is empty.
func (p Stream[Req, Resp]) WithProtocols(ids ...protocol.ID) Stream[Req, Resp] {
	return Stream[Req, Resp]{p.spec.withProtocols(ids)}
}

// Spec returns the protocol's description.
func (p Stream[Req, Resp]) Spec() *Spec { return p.spec }

// Call sends req to a peer when the sequence is first ranged over, and yields the
// response chunks as they arrive. An error is the last pair: an [*Error] with
// Remote set if the peer answered with one, else a [*Failure]. Breaking out of the loop resets the
// stream, so that the peer stops. The sequence can be used once.
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
func (p Stream[Req, Resp]) Serve(h func(ctx context.Context, from peer.ID, req *Req, send func(*Resp) error) error) Method {
	if h == nil {
		return Method{Spec: p.spec} // which Register refuses
	}
	return Method{Spec: p.spec, Handler: func(ctx context.Context, in *Inbound) error {
		req := new(Req)
		if err := in.Receive(ctx, req); err != nil {
			return err
		}
		return h(ctx, in.Peer(), req, func(resp *Resp) error { return in.Send(ctx, resp) })
	}}
}
