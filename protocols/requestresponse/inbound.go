package requestresponse

import (
	"context"
	"errors"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A ResponseChannel takes the response to one request. It is answered once, with
// [RequestResponse.SendResponse] or [RequestResponse.SendError], or given up with
// Close. It is safe for concurrent use.
type ResponseChannel[Resp any] struct {
	answered chan struct{} // closed with the first answer

	mu     sync.Mutex
	open   bool
	answer answer[Resp]
}

// An answer is a response, an error response, or nothing.
type answer[Resp any] struct {
	resp *Resp
	err  *reqresp.Error
}

func newResponseChannel[Resp any]() *ResponseChannel[Resp] {
	return &ResponseChannel[Resp]{answered: make(chan struct{}), open: true}
}

// IsOpen reports whether a response is still waited for: the channel was neither
// answered nor closed, and the exchange has not timed out or lost its connection.
func (c *ResponseChannel[Resp]) IsOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// Close gives the request up: its stream is closed without an answer, and an
// InboundFailure with reqresp.ReasonOmission follows. A channel that is neither answered nor
// closed is held until the protocol's total timeout. On a channel that is not open it does nothing.
func (c *ResponseChannel[Resp]) Close() { c.put(answer[Resp]{}) }

// put answers the channel, and reports whether it was open.
func (c *ResponseChannel[Resp]) put(a answer[Resp]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return false
	}
	c.open = false
	c.answer = a
	close(c.answered)
	return true
}

// wait returns the answer, or the cause of ctx once that ends. Either closes the channel.
func (c *ResponseChannel[Resp]) wait(ctx context.Context) (answer[Resp], error) {
	select {
	case <-c.answered:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open {
		c.open = false
		return answer[Resp]{}, context.Cause(ctx)
	}
	return c.answer, nil
}

// handle serves one request of a peer: it delivers it and waits for the answer.
func (r *RequestResponse[Req, Resp]) handle(ctx context.Context, in *reqresp.Inbound) error {
	req := new(Req)
	if err := in.Receive(ctx, req); err != nil {
		return err
	}
	msg := &RequestMessage[Req, Resp]{ID: InboundRequestID(in.ID()), Request: *req}
	if in.Spec().Kind() == reqresp.KindOneWay {
		return r.events.put(ctx, r.message(in, msg))
	}
	msg.Channel = newResponseChannel[Resp]()
	if err := r.deliver(ctx, in, msg); err != nil {
		return err
	}
	a, err := msg.Channel.wait(ctx)
	switch {
	case err != nil:
		return err
	case a.err != nil:
		return a.err
	case a.resp != nil:
		return in.Send(ctx, a.resp)
	}
	return nil
}

func (r *RequestResponse[Req, Resp]) message(in *reqresp.Inbound, msg *RequestMessage[Req, Resp]) Event {
	return Message[Req, Resp]{Peer: in.Peer(), Protocol: in.Protocol(), Conn: in.Conn(), Request: msg}
}

// deliver makes a request known to the consumer. If it fails the consumer never learns
// of it.
func (r *RequestResponse[Req, Resp]) deliver(
	ctx context.Context, in *reqresp.Inbound, msg *RequestMessage[Req, Resp],
) error {
	r.setDelivered(InboundRequestID(in.ID()), in.Peer())
	err := r.events.put(ctx, r.message(in, msg))
	if err != nil {
		r.takeDelivered(InboundRequestID(in.ID()))
	}
	return err
}

func (r *RequestResponse[Req, Resp]) setDelivered(id InboundRequestID, from peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delivered[id] = from
}

// takeDelivered forgets a request and reports whether it was delivered.
func (r *RequestResponse[Req, Resp]) takeDelivered(id InboundRequestID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.delivered[id]
	delete(r.delivered, id)
	return ok
}

// inboundDone reports what became of a request that was delivered.
func (r *RequestResponse[Req, Resp]) inboundDone(x *reqresp.Exchange) {
	id := InboundRequestID(x.ID)
	if !r.takeDelivered(id) {
		return
	}
	// An error response was sent as it should be.
	if _, failed := errors.AsType[*reqresp.Failure](x.Err); !failed {
		r.events.putLast(ResponseSent{Peer: x.Peer, ID: id, Protocol: x.Protocol, Conn: x.Conn})
		return
	}
	r.events.putLast(InboundFailure{
		Peer:     x.Peer,
		ID:       id,
		Protocol: x.Protocol,
		Conn:     x.Conn,
		Reason:   reqresp.ReasonOf(x.Err),
		Err:      x.Err,
	})
}

// SendResponse answers a request of a peer, and returns at once: a ResponseSent or an
// InboundFailure tells what became of it. On a channel that is not open, see
// [ResponseChannel.IsOpen], it fails with reqresp.ErrClosed and returns the response.
func (r *RequestResponse[Req, Resp]) SendResponse(c *ResponseChannel[Resp], resp Resp) (unsent Resp, err error) {
	if !c.put(answer[Resp]{resp: &resp}) {
		return resp, reqresp.ErrClosed
	}
	return unsent, nil
}

// SendError answers a request of a peer with an error, by a reset of the stream where the
// protocol's codec has no place for it. On a channel that is not open it fails with
// reqresp.ErrClosed.
func (r *RequestResponse[Req, Resp]) SendError(c *ResponseChannel[Resp], e *reqresp.Error) error {
	if e == nil || e.Code == 0 || e.Remote {
		return errors.New("requestresponse: SendError needs an error of its own, with a code")
	}
	if !c.put(answer[Resp]{err: e}) {
		return reqresp.ErrClosed
	}
	return nil
}
