package throttled

import (
	"cmp"
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled/internal/wire"
)

// ErrHeader is wrapped, beside [reqresp.ErrViolation], by the failure of a request that
// was answered with a header which cannot be read or has no place there.
var ErrHeader = wire.ErrHeader

// What the inner face deals in.
type (
	innerMessage[Req, Resp any] = requestresponse.Message[wire.Message[Req], wire.Message[Resp]]
	innerRequest[Req, Resp any] = requestresponse.RequestMessage[wire.Message[Req], wire.Message[Resp]]
	innerChannel[Resp any]      = requestresponse.ResponseChannel[wire.Message[Resp]]
)

// ProtocolID returns the protocol ID on the wire of a protocol that is throttled.
func ProtocolID(id protocol.ID) protocol.ID { return wire.Prefix + id }

// Throttled is a [requestresponse.RequestResponse] in which peers send each other no more
// requests than the other has given them credit for:
//
//	for event := range th.Events() {
//		switch event := event.(type) {
//		case throttled.Message[Ping, Pong]:
//			if req := event.Request; req != nil {
//				th.SendResponse(req.Channel, Pong(req.Request))
//			}
//		case throttled.ResumeSending:
//			…
//		}
//	}
//
// All methods are safe for concurrent use, and only Stop waits.
type Throttled[Req, Resp any] struct {
	inner   *requestresponse.RequestResponse[wire.Message[Req], wire.Message[Resp]]
	budgets *budgets
	events  chan Event

	start     sync.Once
	pump      sync.WaitGroup
	closing   sync.Once     // of events
	abandon   sync.Once     // closes abandoned
	abandoned chan struct{} // closed when Stop waits no longer

	// internal are requests of peers that the consumer does not learn of. They are the
	// pump's own.
	internal map[requestresponse.InboundRequestID]struct{}

	mu sync.Mutex
	// received tells to which budget each request of a peer counts, until it was
	// answered or has failed.
	received map[requestresponse.InboundRequestID]*recvBudget
}

// New returns a throttled face for protocols that share their types, the preferred one
// first. They are served and called under the IDs that [ProtocolID] makes of their own,
// always both: a peer that cannot be called cannot be given credit. Nothing is served
// before Start.
//
// Options may be nil. Those of the Server apply to grants of credit too, which are
// exchanges on the same protocols; those of the Client do not. It panics if no protocol
// is given, a bound in opts is negative or a protocol ID is there twice.
func New[Req, Resp any](
	h reqresp.Host, opts *requestresponse.Options, protocols ...reqresp.Unary[Req, Resp],
) *Throttled[Req, Resp] {
	if len(protocols) == 0 {
		panic("throttled: New without a protocol")
	}
	var ids []protocol.ID
	var faces []requestresponse.Protocol[wire.Message[Req], wire.Message[Resp]]
	for _, p := range protocols {
		wrapped := wrap(p)
		ids = append(ids, wrapped.Spec().Protocols()...)
		faces = append(faces, requestresponse.Unary(wrapped, requestresponse.SupportFull))
	}
	t := &Throttled[Req, Resp]{
		budgets:   newBudgets(h, newGranter(h, protocols[0].Spec().Codec(), ids)),
		abandoned: make(chan struct{}),
		internal:  make(map[requestresponse.InboundRequestID]struct{}),
		received:  make(map[requestresponse.InboundRequestID]*recvBudget),
	}
	o := t.options(opts)
	events := cmp.Or(o.MaxEvents, requestresponse.DefaultMaxEvents)
	if events > 0 {
		o.MaxEvents = 1 // the room is behind the pump, which so gets to see credit at once
	}
	t.inner = requestresponse.New(h, o, faces...)
	t.events = make(chan Event, events)
	return t
}

// wrap returns the throttled form of a protocol.
func wrap[Req, Resp any](p reqresp.Unary[Req, Resp]) reqresp.Unary[wire.Message[Req], wire.Message[Resp]] {
	spec := p.Spec()
	ids := spec.Protocols()
	for i, id := range ids {
		ids[i] = ProtocolID(id)
	}
	family := reqresp.Family{Codec: wire.NewCodec(spec.Codec(), wire.TypeResponse)}
	return reqresp.NewUnary[wire.Message[Req], wire.Message[Resp]](family, spec.Name(), 1).
		WithLimits(spec.Limits()).WithProtocols(ids...)
}

// Start begins to serve and to take requests. It fails with [reqresp.ErrClosed] after
// Stop.
func (t *Throttled[Req, Resp]) Start() error {
	if err := t.inner.Start(); err != nil {
		return err
	}
	t.start.Do(func() {
		t.budgets.start()
		t.pump.Go(t.run)
	})
	return nil
}

// Stop is that of [requestresponse.RequestResponse]. Grants of credit that are in flight are
// waited for too.
func (t *Throttled[Req, Resp]) Stop(ctx context.Context) error {
	t.budgets.silence()
	defer context.AfterFunc(ctx, func() { t.abandon.Do(func() { close(t.abandoned) }) })()
	err := t.inner.Stop(ctx)
	t.pump.Wait()
	t.budgets.stop(ctx)
	t.closing.Do(func() { close(t.events) })
	return err
}

// Events returns the queue of events. It is closed by Stop, after the last of them.
func (t *Throttled[Req, Resp]) Events() <-chan Event { return t.events }

// IsPendingOutbound is that of [requestresponse.RequestResponse].
func (t *Throttled[Req, Resp]) IsPendingOutbound(to peer.ID, id requestresponse.OutboundRequestID) bool {
	return t.inner.IsPendingOutbound(to, id)
}

// IsPendingInbound is that of [requestresponse.RequestResponse].
func (t *Throttled[Req, Resp]) IsPendingInbound(from peer.ID, id requestresponse.InboundRequestID) bool {
	return t.inner.IsPendingInbound(from, id)
}

// IsConnected is that of [requestresponse.RequestResponse].
func (t *Throttled[Req, Resp]) IsConnected(to peer.ID) bool { return t.inner.IsConnected(to) }

// SetReceiveLimit sets how many more requests a peer may send whenever it has used up
// its credit. It applies to peers that are not known yet; see OverrideReceiveLimit for
// those that are. Zero means [DefaultReceiveLimit].
func (t *Throttled[Req, Resp]) SetReceiveLimit(limit uint16) { t.budgets.setLimit(limit) }

// OverrideReceiveLimit sets the receive limit of one peer, from the next time on that
// it is given credit. Zero means [DefaultReceiveLimit].
func (t *Throttled[Req, Resp]) OverrideReceiveLimit(p peer.ID, limit uint16) {
	t.budgets.override(p, limit)
}

// RemoveOverride undoes OverrideReceiveLimit, from the next time on that the peer is
// given credit.
func (t *Throttled[Req, Resp]) RemoveOverride(p peer.ID) { t.budgets.removeOverride(p) }

// CanSend reports whether there is credit for a request to a peer, connected or not.
func (t *Throttled[Req, Resp]) CanSend(to peer.ID) bool { return t.budgets.canSend(to) }
