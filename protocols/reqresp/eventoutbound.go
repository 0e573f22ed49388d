package reqresp

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
)

// SendRequest sends a request to a peer, which is connected first if need be, and
// returns at once: a Message with the response, or an OutboundFailure, tells what became of it. Ctx bounds the
// whole exchange; cancelling it tells the peer to stop.
//
// It fails, and no event follows, with ErrClosed before Start and after Stop, with
// ErrTooManyPending where MaxPending is reached, and with ErrUnsupported if no
// protocol is offered outbound.
func (r *RequestResponse[Req, Resp]) SendRequest(ctx context.Context, to peer.ID, req Req) (OutboundRequestID, error) {
	return r.SendRequestWith(ctx, to, req, CallOptions{})
}

// SendRequestWith is SendRequest with options. It panics if a timeout or Items in o is negative.
func (r *RequestResponse[Req, Resp]) SendRequestWith(ctx context.Context, to peer.ID, req Req, o CallOptions) (OutboundRequestID, error) {
	client := r.client.With(o)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.started || r.stopped:
		return 0, ErrClosed
	case len(r.outbound) == 0:
		return 0, fmt.Errorf("%w: none is offered outbound", ErrUnsupported)
	case r.pending >= r.maxPending:
		return 0, fmt.Errorf("%w: %d", ErrTooManyPending, r.maxPending)
	}
	c := client.newCall(to, r.outbound[0])
	r.sent[c.info.ID] = to
	r.pending++
	r.requests.Go(func() { r.request(ctx, c, &req) })
	return c.info.ID, nil
}

// request runs one request of ours from its start to its last event.
func (r *RequestResponse[Req, Resp]) request(ctx context.Context, c *call, req *Req) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() { cancel(ErrClosed) })()
	resp, err := r.exchange(ctx, c, req)
	r.end(c.info.ID, r.outcome(c, resp, err))
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

// exchange is a call on a goroutine of ours, where nobody else could recover from the panic
// of a codec.
func (r *RequestResponse[Req, Resp]) exchange(ctx context.Context, c *call, req *Req) (resp *Resp, err error) {
	out, err := c.open(ctx, r.outbound)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	defer func() {
		if isPanic(err) {
			err = out.panicked(err)
		}
	}()
	defer recovered(&err)
	if out.Spec().Kind == KindOneWay {
		return new(Resp), oneWay(out, req)
	}
	return unary[Resp](out, req)
}

func (r *RequestResponse[Req, Resp]) outcome(c *call, resp *Resp, err error) Event {
	if err == nil {
		return Message[Req, Resp]{
			Peer:     c.info.Peer,
			Protocol: c.info.Protocol,
			Conn:     c.info.Conn,
			Response: &ResponseMessage[Resp]{ID: c.info.ID, Response: *resp},
		}
	}
	return OutboundFailure{
		Peer:     c.info.Peer,
		ID:       c.info.ID,
		Protocol: c.info.Protocol,
		Conn:     c.info.Conn,
		Reason:   ReasonOf(err),
		Err:      err,
	}
}
