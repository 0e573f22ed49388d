package throttled

import (
	"context"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled/internal/wire"
)

// ErrNoCredit is returned by SendRequest when the credit that a peer gave is used up.
// Nothing was sent; a [ResumeSending] follows once there is credit again.
var ErrNoCredit = errors.New("throttled: no credit for another request")

// SendRequest is that of [requestresponse.RequestResponse], if the peer has given credit for
// the request, and fails with ErrNoCredit if not.
//
// Every peer has given credit for one request at first, so that a peer which is not
// connected can be asked. A request that fails before anything of it was sent gets its
// credit back.
func (t *Throttled[Req, Resp]) SendRequest(
	ctx context.Context, to peer.ID, req Req,
) (requestresponse.OutboundRequestID, error) {
	return t.SendRequestWith(ctx, to, req, reqresp.CallOptions{})
}

// SendRequestWith is SendRequest with options. The protocols in them are those that
// [ProtocolID] makes. It panics if a timeout or Items in o is negative.
func (t *Throttled[Req, Resp]) SendRequestWith(
	ctx context.Context, to peer.ID, req Req, o reqresp.CallOptions,
) (requestresponse.OutboundRequestID, error) {
	budget, err := t.budgets.spend(to)
	if err != nil {
		return 0, err
	}
	o.Trace = reqresp.JoinTraces(o.Trace, &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		if x.Err != nil && x.RequestBytes == 0 {
			t.budgets.refund(to, budget)
		}
	}})
	msg := wire.Message[Req]{Header: wire.Header{Type: wire.TypeRequest}, Data: req}
	id, err := t.inner.SendRequestWith(ctx, to, msg, o)
	if err != nil {
		t.budgets.restore(budget)
	}
	return id, err
}

// options adds to opts what is called at the end of exchanges.
func (t *Throttled[Req, Resp]) options(opts *requestresponse.Options) *requestresponse.Options {
	var o requestresponse.Options
	if opts != nil {
		o = *opts
	}
	var server reqresp.ServerOptions
	if o.Server != nil {
		server = *o.Server
	}
	server.Trace = reqresp.JoinTraces(server.Trace, &reqresp.Trace{Done: t.inboundDone})
	o.Server = &server
	return &o
}
