package reqresp

import (
	"context"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"
)

// serverOptions adds to o what tells the end of every exchange.
func (r *RequestResponse[Req, Resp]) serverOptions(o *ServerOptions) *ServerOptions {
	var opts ServerOptions
	if o != nil {
		opts = *o
	}
	var trace ServerTrace
	if opts.Trace != nil {
		trace = *opts.Trace
	}
	done := trace.Done
	trace.Done = func(info InboundInfo, result Result) {
		tellResult(done, info, result)
		r.inboundDone(info, result.Err)
	}
	opts.Trace = &trace
	return &opts
}

// handle serves one request of a peer: it delivers it and waits for the answer.
func (r *RequestResponse[Req, Resp]) handle(ctx context.Context, in *Inbound) error {
	req := new(Req)
	if err := in.Receive(ctx, req); err != nil {
		return err
	}
	msg := &RequestMessage[Req, Resp]{ID: in.ID(), Request: *req}
	if in.Spec().Kind == KindOneWay {
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
	case a.verdict != nil:
		return a.verdict
	case a.resp != nil:
		return in.Send(ctx, a.resp)
	}
	return nil
}

func (r *RequestResponse[Req, Resp]) message(in *Inbound, msg *RequestMessage[Req, Resp]) Event {
	return Message[Req, Resp]{Peer: in.Peer(), Protocol: in.Protocol(), Conn: in.Conn(), Request: msg}
}

// deliver makes a request known to the consumer. If it fails the consumer never learns
// of it.
func (r *RequestResponse[Req, Resp]) deliver(ctx context.Context, in *Inbound, msg *RequestMessage[Req, Resp]) error {
	r.setDelivered(in.ID(), in.Peer())
	err := r.events.put(ctx, r.message(in, msg))
	if err != nil {
		r.takeDelivered(in.ID())
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

// inboundDone tells what became of a request that was delivered.
func (r *RequestResponse[Req, Resp]) inboundDone(info InboundInfo, err error) {
	if !r.takeDelivered(info.ID) {
		return
	}
	if err == nil || isOwnVerdict(err) {
		r.events.putLast(ResponseSent{Peer: info.Peer, ID: info.ID, Protocol: info.Protocol, Conn: info.Conn})
		return
	}
	r.events.putLast(InboundFailure{
		Peer:     info.Peer,
		ID:       info.ID,
		Protocol: info.Protocol,
		Conn:     info.Conn,
		Reason:   ReasonOf(err),
		Err:      err,
	})
}

// SendResponse answers a request of a peer, and returns at once: a ResponseSent or an
// InboundFailure tells what became of it. On a channel that is not open, see
// [ResponseChannel.IsOpen], it fails with ErrClosed and returns the response.
func (r *RequestResponse[Req, Resp]) SendResponse(c *ResponseChannel[Resp], resp Resp) (unsent Resp, err error) {
	if !c.put(answer[Resp]{resp: &resp}) {
		return resp, ErrClosed
	}
	return unsent, nil
}

// SendError answers a request of a peer with a verdict, by a reset of the stream where the
// protocol's codec has no place for it. On a channel that is not open it fails with
// ErrClosed.
func (r *RequestResponse[Req, Resp]) SendError(c *ResponseChannel[Resp], e *Error) error {
	if e == nil || e.Code == 0 || e.Remote {
		return errors.New("reqresp: SendError needs an error of its own, with a code")
	}
	if !c.put(answer[Resp]{verdict: e}) {
		return ErrClosed
	}
	return nil
}
