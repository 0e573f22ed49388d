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

// errSeen is what a check says of an object that was yielded before, and that an answer asked for
// again has brought once more.
var errSeen = errors.New("beacon: object was received before")

// A changedError is what a check says of the first object of an answer that is not of the chain of the answers
// before it. The peer's chain may have been reorganized since, so that no rule is broken.
type changedError struct{ error }

func (e *changedError) Unwrap() error { return e.error }

// stream asks a peer by the first of some protocols that it supports, and yields the objects that
// answer, each checked.
func (c *call[T, P]) stream(ctx context.Context, to peer.ID, plan plan, specs ...*reqresp.Spec) iter.Seq2[*T, error] {
	var used atomic.Bool
	return func(yield func(*T, error) bool) {
		if used.Swap(true) {
			// What was checked is remembered: the peer would be blamed for answering the same.
			yield(nil, &reqresp.Failure{Peer: to, Protocol: specs[0].Protocols[0], Phase: reqresp.PhaseQueue, Err: errUsed})
			return
		}
		if err := c.run(ctx, to, plan, specs, yield); err != nil {
			yield(nil, err)
		}
	}
}

// run makes the requests of a plan. It fails if an exchange does, but not if yield has had enough.
func (c *call[T, P]) run(ctx context.Context, to peer.ID, plan plan, specs []*reqresp.Spec, yield func(*T, error) bool) error {
	most, late := math.MaxInt, len(specs) > 1
	for {
		x := exchange[T, P]{call: c, to: to, plan: plan, most: most, specs: specs, yield: yield}
		err := x.run(ctx)
		switch {
		case late && isRefusedLate(err):
			late = false
			continue
		case x.over:
			return nil
		case errors.Is(err, reqresp.ErrBufferFull) && x.got > 0:
			// The chunks are larger than those before, or something else takes the memory.
			most = max(1, x.asked/2)
		case err != nil && x.got == 0 && isEnd(plan, err):
			return nil
		case err != nil:
			return err
		}
		plan.done(err != nil)
	}
}

// isEnd reports whether err, in place of an answer, says that there is nothing behind what came before. A peer
// that was asked for all at once would have ended its answer there.
func isEnd(plan plan, err error) bool {
	head, ok := plan.(*headCheck)
	e, verdict := errors.AsType[*reqresp.Error](err)
	return ok && head.last != nil && verdict && e.Code == reqresp.CodeResourceUnavailable
}

// An exchange is one request of a plan.
type exchange[T any, P interface {
	*T
	object
}] struct {
	call  *call[T, P]
	to    peer.ID
	plan  plan
	most  int // chunks to ask for
	specs []*reqresp.Spec
	yield func(*T, error) bool

	asked int  // chunks
	got   int  // objects yielded
	over  bool // nothing is left to ask for, or yield has had enough
}

// run yields the objects that answer the request.
func (x *exchange[T, P]) run(ctx context.Context) error {
	engine := x.call.client.engine
	request := x.next(engine.MaxUnread(x.to))
	if x.over {
		return nil
	}
	out, err := engine.With(reqresp.CallOptions{Items: items(x.specs[0], request)}).Open(ctx, x.to, x.specs...)
	if err != nil {
		return err
	}
	defer out.Close()
	unread := out.MaxUnread()
	if unread > 0 {
		request = x.next(unread) // The peer may not have been connected before.
	}
	x.asked = chunks(out.Spec(), request)
	if err := out.Send(bounded(out.Spec(), request)); err != nil {
		return err
	}
	return x.receive(out, unread > 0)
}

// next returns the next request, for as much as may be held unread.
func (x *exchange[T, P]) next(unread int) any {
	fitting := x.call.client.sizes.fitting(unread, x.to, x.specs[0])
	request := x.plan.next(min(x.most, fitting))
	x.over = request == nil
	return request
}

func (x *exchange[T, P]) receive(out *reqresp.Outbound, measure bool) error {
	for {
		object, err := x.call.receive(out)
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, errSeen):
			continue
		case err != nil:
			return err
		}
		if measure {
			chunk := P(object).give()
			x.call.client.sizes.note(x.to, x.specs[0], max(len(chunk.Frames), 1))
		}
		x.got++
		if !x.yield(object, nil) {
			x.over = true
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
	err := c.check(object)
	changed, ok := errors.AsType[*changedError](err)
	switch {
	case errors.Is(err, errSeen):
		return nil, err
	case ok:
		return nil, &reqresp.Failure{
			Peer: out.Conn().RemotePeer(), Protocol: out.Protocol(), Phase: reqresp.PhaseResponse, Err: changed.error,
		}
	case err != nil:
		return nil, out.Reject(err)
	}
	return object, nil
}
