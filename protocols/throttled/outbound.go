package throttled

import (
	"context"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/throttled/internal/wire"
)

// ErrNoCredit is returned by SendRequest when the credit that a peer gave is used up.
// Nothing was sent; a [ResumeSending] follows once there is credit again.
var ErrNoCredit = errors.New("throttled: no credit for another request")

// SendRequest is that of [reqresp.RequestResponse], if the peer has given credit for
// the request, and fails with ErrNoCredit if not.
//
// Every peer has given credit for one request at first, so that a peer which is not
// connected can be asked. A request that fails before anything of it was sent gets its
// credit back.
func (t *Throttled[Req, Resp]) SendRequest(ctx context.Context, to peer.ID, req Req) (reqresp.OutboundRequestID, error) {
	return t.SendRequestWith(ctx, to, req, reqresp.CallOptions{})
}

// SendRequestWith is SendRequest with options. The protocols in them are those that
// [ProtocolID] makes. It panics if a timeout or Items in o is negative.
func (t *Throttled[Req, Resp]) SendRequestWith(ctx context.Context, to peer.ID, req Req, o reqresp.CallOptions) (reqresp.OutboundRequestID, error) {
	// The request may be over before its ID is known here. Whoever tells waits for the
	// lock.
	t.mu.Lock()
	defer t.mu.Unlock()
	budget, err := t.budgets.spend(to)
	if err != nil {
		return 0, err
	}
	msg := wire.Message[Req]{Header: wire.Header{Type: wire.TypeRequest}, Data: req}
	id, err := t.inner.SendRequestWith(ctx, to, msg, o)
	if err != nil {
		t.budgets.restore(budget)
		return 0, err
	}
	t.sent[id] = budget
	return id, nil
}

// outboundDone gives the credit for a request back of which nothing was sent.
func (t *Throttled[Req, Resp]) outboundDone(info reqresp.OutboundInfo, result reqresp.Result) {
	t.mu.Lock()
	budget := t.sent[info.ID]
	delete(t.sent, info.ID)
	t.mu.Unlock()
	if result.Err != nil && result.RequestBytes == 0 {
		t.budgets.refund(info.Peer, budget)
	}
}

// options adds to opts what tells the end of exchanges.
func (t *Throttled[Req, Resp]) options(opts *reqresp.RequestResponseOptions) *reqresp.RequestResponseOptions {
	o := orZero(opts)
	server, client := orZero(o.Server), orZero(o.Client)
	serverTrace, clientTrace := orZero(server.Trace), orZero(client.Trace)
	serverTrace.Done = both(serverTrace.Done, t.inboundDone)
	clientTrace.Done = both(clientTrace.Done, t.outboundDone)
	server.Trace, client.Trace = &serverTrace, &clientTrace
	o.Server, o.Client = &server, &client
	return &o
}

// orZero returns a copy of what p points to.
func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func both[Info any](a, b func(Info, reqresp.Result)) func(Info, reqresp.Result) {
	if a == nil {
		return b
	}
	return func(info Info, result reqresp.Result) {
		a(info, result)
		b(info, result)
	}
}
