package requestresponse

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// SendRequest sends a request to a peer, which is connected first if need be, and
// returns at once: a Message with the response, or an OutboundFailure, tells what became of it. Ctx bounds the
// whole exchange; cancelling it tells the peer to stop.
//
// It fails, and no event follows, with reqresp.ErrClosed before Start and after Stop, with
// reqresp.ErrTooManyPending where MaxPending is reached, and with reqresp.ErrUnsupported if no
// protocol is supported outbound.
func (r *RequestResponse[Req, Resp]) SendRequest(ctx context.Context, to peer.ID, req Req) (OutboundRequestID, error) {
	return r.SendRequestWith(ctx, to, req, reqresp.CallOptions{})
}

// SendRequestWith is SendRequest with options. It panics if a timeout or Items in o is negative.
func (r *RequestResponse[Req, Resp]) SendRequestWith(
	ctx context.Context, to peer.ID, req Req, o reqresp.CallOptions,
) (OutboundRequestID, error) {
	c := &call[Req, Resp]{face: r, req: &req, started: make(chan struct{})}
	// SendRequest waits for the first hook to be called, and so that is ours. It must not wait for the user's.
	o.Trace = reqresp.JoinTraces(&reqresp.Trace{Start: c.start}, r.trace, o.Trace)
	c.client = r.client.With(o)
	if err := r.take(); err != nil {
		return 0, err
	}
	go func() {
		defer r.requests.Done()
		c.run(ctx, to)
	}()
	<-c.started
	defer func() { <-c.started }()
	return c.id, nil
}

// take counts a request of ours, unless there cannot be one.
func (r *RequestResponse[Req, Resp]) take() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.started || r.stopped:
		return reqresp.ErrClosed
	case len(r.outbound) == 0:
		return fmt.Errorf("%w: none is supported outbound", reqresp.ErrUnsupported)
	case r.pending >= r.maxPending:
		return fmt.Errorf("%w: MaxPending of Options is %d", reqresp.ErrTooManyPending, r.maxPending)
	}
	r.pending++
	r.requests.Add(1)
	return nil
}

// A call is one request of ours, from its start to its last event.
type call[Req, Resp any] struct {
	face     *RequestResponse[Req, Resp]
	client   *reqresp.Client
	req      *Req
	started  chan struct{} // sent to when id is known, and when SendRequest may return
	id       OutboundRequestID
	to       peer.ID
	protocol protocol.ID
	conn     network.Conn
}

// start goes on, to the hooks of the user, when SendRequest returns: a request is pending then.
func (c *call[Req, Resp]) start(x *reqresp.Exchange) {
	c.id, c.to = OutboundRequestID(x.ID), x.Peer
	c.face.mu.Lock()
	c.face.sent[c.id] = x.Peer
	c.face.mu.Unlock()
	c.started <- struct{}{}
	c.started <- struct{}{}
}

func (c *call[Req, Resp]) run(ctx context.Context, to peer.ID) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.face.ctx, func() { cancel(reqresp.ErrClosed) })()
	resp, err := c.exchange(ctx, to)
	c.face.end(c.id, c.outcome(resp, err))
}

func (c *call[Req, Resp]) exchange(ctx context.Context, to peer.ID) (*Resp, error) {
	out, err := c.client.Open(ctx, to, c.face.specs...)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	c.protocol, c.conn = out.Protocol(), out.Conn()
	for _, p := range c.face.outbound {
		if p.spec == out.Spec() {
			return p.exchange(out, c.req)
		}
	}
	panic("requestresponse: a protocol was negotiated that is none of the face's")
}

func (c *call[Req, Resp]) outcome(resp *Resp, err error) Event {
	if err == nil {
		return Message[Req, Resp]{
			Peer:     c.to,
			Protocol: c.protocol,
			Conn:     c.conn,
			Response: &ResponseMessage[Resp]{ID: c.id, Response: *resp},
		}
	}
	return OutboundFailure{
		Peer:     c.to,
		ID:       c.id,
		Protocol: c.protocol,
		Conn:     c.conn,
		Reason:   reqresp.ReasonOf(err),
		Err:      err,
	}
}

// end puts the last event of a request of ours into the queue. As long as there is room
// whoever receives it finds the request to count no longer, and may send the next.
func (r *RequestResponse[Req, Resp]) end(id OutboundRequestID, last Event) {
	if !r.endAtOnce(id, last) {
		r.events.putLast(last)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pending--
	}
}

func (r *RequestResponse[Req, Resp]) endAtOnce(id OutboundRequestID, last Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sent, id)
	if !r.events.offer(last) {
		return false
	}
	r.pending--
	return true
}
