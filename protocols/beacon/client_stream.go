package beacon

import (
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A boundedRequest is a request and the most chunks that may answer it.
type boundedRequest struct {
	request any
	most    int
}

// MaxChunks implements reqresp.BoundedRequest.
func (r *boundedRequest) MaxChunks() int { return r.most }

// bounded returns a request with its bound by a protocol's table row.
func bounded(spec *reqresp.Spec, request any) *boundedRequest {
	return &boundedRequest{request, chunks(spec, request)}
}

func chunks(spec *reqresp.Spec, request any) int {
	p := spec.Codec.(*codec).protocol
	return int(min(p.Asked(request), math.MaxInt32))
}

// items returns what a request asks for as deployed servers count: chunks, and for ranges of
// sidecars the slots and the request as well.
func items(spec *reqresp.Spec, request any) int {
	n := uint64(chunks(spec, request))
	switch r := request.(type) {
	case *ssz.BlobSidecarsByRangeRequest:
		n += 1 + min(r.Count, math.MaxInt32)
	case *ssz.DataColumnSidecarsByRangeRequest:
		n += 1 + min(r.Count, math.MaxInt32)
	}
	return int(min(n, math.MaxInt32))
}

var errUsed = errors.New("beacon: sequence was used before, make the call again")

// A call is a request for objects of one type, and how they are checked once they were read.
type call[T any, P interface {
	*T
	object
}] struct {
	client *Client
	check  func(*T) error
}

// stream asks a peer by the first of some protocols that it supports, and yields the objects that
// answer, each checked.
func (c *call[T, P]) stream(ctx context.Context, to peer.ID, request any, specs ...*reqresp.Spec) iter.Seq2[*T, error] {
	var used atomic.Bool
	return func(yield func(*T, error) bool) {
		if used.Swap(true) {
			// What was checked is remembered: the peer would be blamed for answering the same.
			yield(nil, &reqresp.Failure{Peer: to, Protocol: specs[0].Protocols[0], Phase: reqresp.PhaseQueue, Err: errUsed})
			return
		}
		err := c.exchange(ctx, to, request, specs, yield)
		if len(specs) > 1 && isRefusedLate(err) {
			err = c.exchange(ctx, to, request, specs, yield)
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// exchange yields the objects that answer a request. It fails if the exchange does, but not if yield has had enough.
func (c *call[T, P]) exchange(ctx context.Context, to peer.ID, request any, specs []*reqresp.Spec, yield func(*T, error) bool) error {
	out, err := c.client.engine.With(reqresp.CallOptions{Items: items(specs[0], request)}).Open(ctx, to, specs...)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Send(bounded(out.Spec(), request)); err != nil {
		return err
	}
	for {
		object, err := c.receive(out)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case !yield(object, nil):
			return nil
		}
	}
}

// one asks a peer by a unary protocol.
func (c *call[T, P]) one(ctx context.Context, to peer.ID, request any, spec *reqresp.Spec) (*T, error) {
	out, err := c.client.engine.Open(ctx, to, spec)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if err := out.Send(request); err != nil {
		return nil, err
	}
	object, err := c.receive(out)
	if err != nil {
		return nil, err
	}
	if err := out.Receive(nil); err != io.EOF {
		return nil, err
	}
	return object, nil
}

func (c *call[T, P]) receive(out *reqresp.Outbound) (*T, error) {
	object := new(T)
	if err := out.Receive(object); err != nil {
		return nil, err
	}
	if err := c.check(object); err != nil {
		return nil, out.Reject(err)
	}
	return object, nil
}
