package throttled

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled/internal/wire"
)

// run passes the events of the inner face on, but for what has to do with credit.
func (t *Throttled[Req, Resp]) run() {
	for {
		select {
		case e, ok := <-t.inner.Events():
			if !ok {
				return
			}
			t.handle(e)
		case <-t.budgets.wake:
			for _, p := range t.budgets.takeResumed() {
				t.put(ResumeSending{p})
			}
		}
	}
}

// put waits for room for an event. Once Stop waits no longer, it is lost.
func (t *Throttled[Req, Resp]) put(e Event) {
	select {
	case t.events <- e:
	case <-t.abandoned:
	}
}

func (t *Throttled[Req, Resp]) handle(e requestresponse.Event) {
	switch e := e.(type) {
	case innerMessage[Req, Resp]:
		t.message(e)
	case requestresponse.OutboundFailure:
		t.put(OutboundFailure{e})
	case requestresponse.InboundFailure:
		if !t.ended(e.Peer, e.ID) {
			t.put(InboundFailure{e})
		}
	case requestresponse.ResponseSent:
		if !t.ended(e.Peer, e.ID) {
			t.put(ResponseSent{e})
		}
	}
}

func (t *Throttled[Req, Resp]) message(m innerMessage[Req, Resp]) {
	switch {
	case m.Response != nil:
		t.put(Message[Req, Resp]{
			Peer: m.Peer, Protocol: m.Protocol, Conn: m.Conn,
			Response: &requestresponse.ResponseMessage[Resp]{ID: m.Response.ID, Response: m.Response.Response.Data},
		})
	case m.Request.Request.Header.Type == wire.TypeCredit:
		t.credit(m, m.Request)
	default:
		t.request(m, m.Request)
	}
}

// credit takes a grant and acknowledges it, even if it is one that was sent again. One
// without an ident cannot be acknowledged.
func (t *Throttled[Req, Resp]) credit(m innerMessage[Req, Resp], req *innerRequest[Req, Resp]) {
	t.internal[req.ID] = struct{}{}
	h := req.Request.Header
	if h.Ident == nil {
		req.Channel.Close()
		return
	}
	var credit uint16
	if h.Credit != nil {
		credit = *h.Credit
	}
	t.budgets.accept(m.Conn, *h.Ident, credit)
	// If the channel has closed, the peer sends the grant again.
	_, _ = t.inner.SendResponse(req.Channel, wire.Message[Resp]{Header: wire.Ack(*h.Ident)})
}

// request passes a request on if the peer had credit for it.
func (t *Throttled[Req, Resp]) request(m innerMessage[Req, Resp], req *innerRequest[Req, Resp]) {
	budget, ok := t.budgets.receive(m.Conn)
	if !ok {
		t.internal[req.ID] = struct{}{}
		req.Channel.Close()
		t.put(TooManyInboundRequests{m.Peer})
		return
	}
	t.mu.Lock()
	t.received[req.ID] = budget
	t.mu.Unlock()
	t.put(Message[Req, Resp]{
		Peer: m.Peer, Protocol: m.Protocol, Conn: m.Conn,
		Request: &RequestMessage[Req, Resp]{
			ID:      req.ID,
			Request: req.Request.Data,
			Channel: &ResponseChannel[Resp]{id: req.ID, from: m.Peer, inner: req.Channel},
		},
	})
}

// ended takes the last event of a peer's request, and reports whether the consumer is
// not to learn of it.
func (t *Throttled[Req, Resp]) ended(from peer.ID, id requestresponse.InboundRequestID) (internal bool) {
	t.replenish(from, id)
	_, internal = t.internal[id]
	delete(t.internal, id)
	return internal
}

// replenish grants new credit for a request, if it is due, when that is answered or
// ends: whichever is first, and only once.
func (t *Throttled[Req, Resp]) replenish(from peer.ID, id requestresponse.InboundRequestID) {
	t.mu.Lock()
	budget := t.received[id]
	delete(t.received, id)
	t.mu.Unlock()
	if budget != nil {
		t.budgets.done(from, budget)
	}
}

// inboundDone looks for streams on which nothing was received.
func (t *Throttled[Req, Resp]) inboundDone(x *reqresp.Exchange) {
	if !t.inner.IsPendingInbound(x.Peer, requestresponse.InboundRequestID(x.ID)) {
		t.budgets.lost(x.Conn)
	}
}

// SendResponse is that of [requestresponse.RequestResponse]. If the peer has used up its credit
// it is given more.
func (t *Throttled[Req, Resp]) SendResponse(c *ResponseChannel[Resp], resp Resp) (unsent Resp, err error) {
	t.replenish(c.from, c.id)
	msg := wire.Message[Resp]{Header: wire.Header{Type: wire.TypeResponse}, Data: resp}
	back, err := t.inner.SendResponse(c.inner, msg)
	return back.Data, err
}

// SendError is that of [requestresponse.RequestResponse]. If the peer has used up its credit it
// is given more.
func (t *Throttled[Req, Resp]) SendError(c *ResponseChannel[Resp], e *reqresp.Error) error {
	t.replenish(c.from, c.id)
	return t.inner.SendError(c.inner, e)
}
