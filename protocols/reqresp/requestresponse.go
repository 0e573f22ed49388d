package reqresp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Defaults of [RequestResponseOptions].
const (
	DefaultMaxEvents  = 256
	DefaultMaxPending = 4096
)

// RequestResponseOptions are the optional settings of a [RequestResponse]. The zero
// value is ready.
type RequestResponseOptions struct {
	// MaxEvents is how many events the queue holds. When it is full nothing is
	// dropped, exchanges wait for room: a peer's with its request, within its timeouts, and
	// every one with its last event, until when it counts to the server's bounds on streams or
	// to MaxPending. Zero means DefaultMaxEvents.
	MaxEvents int
	// MaxPending bounds the requests of ours whose last event is not in the queue
	// yet. One more is refused with ErrTooManyPending. Zero means DefaultMaxPending.
	MaxPending int
	// Server has the settings of the inbound side, which bound its concurrency. Nil
	// means the defaults.
	Server *ServerOptions
	// Client has those of the outbound side. Nil means the defaults.
	Client *ClientOptions
}

// An Offer is a protocol for a [RequestResponse] and the sides of it that are
// supported. Descriptors make them.
type Offer[Req, Resp any] struct {
	spec    *Spec
	support Support
}

// Offer returns the protocol for a [RequestResponse]. It panics if s is none of the
// three.
func (p Unary[Req, Resp]) Offer(s Support) Offer[Req, Resp] { return newOffer[Req, Resp](p.spec, s) }

// Offer returns the protocol for a [RequestResponse], whose responses are empty. It panics
// if s is none of the three.
func (p OneWay[Req]) Offer(s Support) Offer[Req, struct{}] { return newOffer[Req, struct{}](p.spec, s) }

func newOffer[Req, Resp any](spec *Spec, s Support) Offer[Req, Resp] {
	if err := s.validate(); err != nil {
		panic(fmt.Sprintf("reqresp: protocol %q: %v", spec.Name, err))
	}
	return Offer[Req, Resp]{spec, s}
}

// RequestResponse runs protocols that share their request and response types in
// event style, for programs with one central loop: requests are sent without waiting, and
// whatever happens is an [Event]. It is a thin face over a [Server] and a [Client], which are the better
// choice elsewhere, and keeps the vocabulary of rust-libp2p's request_response:
//
//	for event := range rr.Events() {
//		switch event := event.(type) {
//		case reqresp.Message[Ping, Pong]:
//			if req := event.Request; req != nil {
//				rr.SendResponse(req.Channel, Pong(req.Request))
//			}
//		case reqresp.OutboundFailure:
//			…
//		}
//	}
//
// Of every request that SendRequest took, and every request that was delivered, exactly
// one last event tells what became of it; see [RequestMessage] and
// [ResponseMessage]. Requests to one peer may be answered in any order.
//
// A request is sent by the first of the protocols offered outbound that the peer
// supports. Several protocols of a family with different messages share sum types, of which the
// codec lays out what belongs to the protocol; [CallOptions].Protocols chooses one.
//
// All methods are safe for concurrent use, and only Stop waits.
type RequestResponse[Req, Resp any] struct {
	host       Host
	server     *Server
	client     *Client
	outbound   []*Spec
	maxPending int
	events     *eventQueue

	ctx      context.Context // of requests of ours; cancelled when draining is over
	cancel   context.CancelCauseFunc
	requests sync.WaitGroup
	closing  sync.Once

	mu      sync.Mutex
	started bool
	stopped bool
	broken  bool // requests of ours were broken off by Stop
	pending int  // requests of ours whose last event is not in the queue
	sent    map[OutboundRequestID]peer.ID
	// delivered are the requests of peers that the consumer knows of.
	delivered map[InboundRequestID]peer.ID
}

// NewRequestResponse returns an event-style face for protocols, the preferred one
// first. Nothing is served before Start. Options may be nil. It panics if a bound in
// opts is negative or a protocol ID is offered inbound twice.
func NewRequestResponse[Req, Resp any](h Host, opts *RequestResponseOptions, offers ...Offer[Req, Resp]) *RequestResponse[Req, Resp] {
	var o RequestResponseOptions
	if opts != nil {
		o = *opts
	}
	mustNotBeNegative("RequestResponseOptions", setting[int]{"MaxEvents", o.MaxEvents}, setting[int]{"MaxPending", o.MaxPending})
	r := &RequestResponse[Req, Resp]{
		host:       h,
		client:     NewClient(h, o.Client),
		maxPending: cmp.Or(o.MaxPending, DefaultMaxPending),
		events:     newEventQueue(cmp.Or(o.MaxEvents, DefaultMaxEvents)),
		sent:       make(map[OutboundRequestID]peer.ID),
		delivered:  make(map[InboundRequestID]peer.ID),
	}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	r.server = NewServer(h, r.serverOptions(o.Server))
	for _, offer := range offers {
		if offer.support.Inbound() {
			r.server.Register(Method{Spec: offer.spec, Handler: r.handle})
		}
		if offer.support.Outbound() {
			r.outbound = append(r.outbound, offer.spec)
		}
	}
	r.outbound = slices.Clip(r.outbound)
	return r
}

// Start begins to serve and to take requests. It fails with ErrClosed after Stop.
func (r *RequestResponse[Req, Resp]) Start() error {
	if err := r.server.Start(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = true
	return nil
}

// Stop takes no more requests of either side, waits for those under way until ctx
// ends, breaks off the rest, and closes Events. While it waits events are to be
// received, and requests answered, as before: from another goroutine. Once ctx has ended, events for
// which the queue has no room are lost. The error is the context's if exchanges
// had to be broken off. The host stays open. A second Stop waits too, and breaks
// off for both if its context ends first.
func (r *RequestResponse[Req, Resp]) Stop(ctx context.Context) error {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	defer context.AfterFunc(ctx, r.breakOff)()
	err := r.server.Stop(ctx)
	r.requests.Wait()
	r.cancel(ErrClosed)
	r.closing.Do(r.events.close)
	if err == nil && r.brokenOff() {
		err = ctx.Err()
	}
	return err
}

// breakOff ends what is under way when Stop waits no longer.
func (r *RequestResponse[Req, Resp]) breakOff() {
	r.mu.Lock()
	r.broken = r.broken || r.pending > 0
	r.mu.Unlock()
	r.cancel(ErrClosed)
	r.events.abandon()
}

func (r *RequestResponse[Req, Resp]) brokenOff() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken
}

// Events returns the queue of events. It is closed by Stop, after the last of them.
func (r *RequestResponse[Req, Resp]) Events() <-chan Event { return r.events.queue }

// IsPendingOutbound reports whether the last event of a request of ours is still to
// come, which it is from SendRequest on. An event that waits for room in the queue counts
// as one that has come.
func (r *RequestResponse[Req, Resp]) IsPendingOutbound(to peer.ID, id OutboundRequestID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.sent[id]
	return ok && found == to
}

// IsPendingInbound reports whether a request of a peer was delivered and its last
// event is still to come.
func (r *RequestResponse[Req, Resp]) IsPendingInbound(from peer.ID, id InboundRequestID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.delivered[id]
	return ok && found == from
}

// IsConnected reports whether there is a connection with a peer on which requests can
// be sent.
func (r *RequestResponse[Req, Resp]) IsConnected(to peer.ID) bool {
	return isConnected(r.ctx, r.host, to)
}
