package requestresponse

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Support is which sides of a protocol are offered. The values are rust-libp2p's
// ProtocolSupport.
type Support uint8

const (
	// SupportInbound serves requests of peers and makes none.
	SupportInbound Support = 1 << iota
	// SupportOutbound makes requests and serves none: the protocol is not
	// advertised.
	SupportOutbound
	// SupportFull does both.
	SupportFull = SupportInbound | SupportOutbound
)

// Inbound reports whether requests of peers are served.
func (s Support) Inbound() bool { return s&SupportInbound != 0 }

// Outbound reports whether requests are made.
func (s Support) Outbound() bool { return s&SupportOutbound != 0 }

// String returns the value's name, such as "full".
func (s Support) String() string {
	switch s {
	case SupportInbound:
		return "inbound"
	case SupportOutbound:
		return "outbound"
	case SupportFull:
		return "full"
	}
	return fmt.Sprintf("support(%d)", uint8(s))
}

// Defaults of [Options].
const (
	DefaultMaxEvents  = 256
	DefaultMaxPending = 4096
)

// Options are the optional settings of a [RequestResponse]. The zero
// value is ready.
type Options struct {
	// MaxEvents is how many events the queue holds. When it is full nothing is
	// dropped, exchanges block: a peer's with its request, within its timeouts, and
	// every one with its last event. A blocked exchange still counts against the server's limits on streams, or
	// MaxPending. Zero means DefaultMaxEvents.
	MaxEvents int
	// MaxPending bounds the requests of ours whose last event is not in the queue
	// yet. One more is refused with reqresp.ErrTooManyPending. Zero means DefaultMaxPending.
	MaxPending int
	// Server has the settings of the inbound side, which bound its concurrency. Nil
	// means the defaults.
	Server *reqresp.ServerOptions
	// Client has those of the outbound side. Nil means the defaults.
	Client *reqresp.ClientOptions
}

// A Protocol is a protocol of a [RequestResponse] with the sides of it that are
// supported.
type Protocol[Req, Resp any] struct {
	spec     *reqresp.Spec
	support  Support
	exchange func(out *reqresp.Outbound, req *Req) (*Resp, error)
}

// Unary returns a protocol in which each request gets a response. It panics if s is none of the three.
func Unary[Req, Resp any](p reqresp.Unary[Req, Resp], s Support) Protocol[Req, Resp] {
	return newProtocol(p.Spec(), s, p.Exchange)
}

// OneWay returns a protocol in which requests get no response. The responses in its events are empty. It panics
// if s is none of the three.
func OneWay[Req any](p reqresp.OneWay[Req], s Support) Protocol[Req, struct{}] {
	return newProtocol(p.Spec(), s, func(out *reqresp.Outbound, req *Req) (*struct{}, error) {
		return new(struct{}), p.Exchange(out, req)
	})
}

func newProtocol[Req, Resp any](
	spec *reqresp.Spec, s Support, exchange func(*reqresp.Outbound, *Req) (*Resp, error),
) Protocol[Req, Resp] {
	if s == 0 || s > SupportFull {
		panic(fmt.Sprintf("requestresponse: protocol %q: %v is not inbound, outbound or full", spec.Name(), s))
	}
	return Protocol[Req, Resp]{spec, s, exchange}
}

// RequestResponse runs protocols that share their request and response types in
// event style:
//
//	for event := range rr.Events() {
//		switch event := event.(type) {
//		case requestresponse.Message[Ping, Pong]:
//			if req := event.Request; req != nil {
//				rr.SendResponse(req.Channel, Pong(req.Request))
//			}
//		case requestresponse.OutboundFailure:
//			…
//		}
//	}
//
// Of every request that SendRequest took, and every request that was delivered, exactly
// one last event tells what became of it; see [RequestMessage] and
// [ResponseMessage]. Requests to one peer may be answered in any order.
//
// A request is sent by the first of the protocols supported outbound that the peer
// supports. Several protocols of a family with different messages share sum types, of which the
// codec encodes what belongs to the protocol; [reqresp.CallOptions].Protocols chooses one.
//
// All methods are safe for concurrent use, and only Stop waits.
type RequestResponse[Req, Resp any] struct {
	host       reqresp.Host
	server     *reqresp.Server
	client     *reqresp.Client
	trace      *reqresp.Trace // of the client's options
	outbound   []Protocol[Req, Resp]
	specs      []*reqresp.Spec // of outbound
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

// New returns an event-style face for protocols, the preferred one
// first. Nothing is served before Start. Options may be nil. It panics if a bound in
// opts is negative or a protocol ID is supported inbound twice.
func New[Req, Resp any](h reqresp.Host, opts *Options, protocols ...Protocol[Req, Resp]) *RequestResponse[Req, Resp] {
	var o Options
	if opts != nil {
		o = *opts
	}
	mustNotBeNegative("MaxEvents", o.MaxEvents)
	mustNotBeNegative("MaxPending", o.MaxPending)
	var client reqresp.ClientOptions
	if o.Client != nil {
		client = *o.Client
	}
	trace := client.Trace
	client.Trace = nil // SendRequest adds it.
	r := &RequestResponse[Req, Resp]{
		host:       h,
		client:     reqresp.NewClient(h, &client),
		trace:      trace,
		maxPending: cmp.Or(o.MaxPending, DefaultMaxPending),
		events:     newEventQueue(cmp.Or(o.MaxEvents, DefaultMaxEvents)),
		sent:       make(map[OutboundRequestID]peer.ID),
		delivered:  make(map[InboundRequestID]peer.ID),
	}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	var server reqresp.ServerOptions
	if o.Server != nil {
		server = *o.Server
	}
	server.Trace = reqresp.JoinTraces(server.Trace, &reqresp.Trace{Done: r.inboundDone})
	r.server = reqresp.NewServer(h, &server)
	for _, p := range protocols {
		if p.support.Inbound() {
			r.server.Register(reqresp.Handler{Spec: p.spec, Serve: r.handle})
		}
		if p.support.Outbound() {
			r.outbound, r.specs = append(r.outbound, p), append(r.specs, p.spec)
		}
	}
	return r
}

func mustNotBeNegative(name string, bound int) {
	if bound < 0 {
		panic(fmt.Sprintf("requestresponse: Options.%s is %d: want at least 1, or 0 for the default", name, bound))
	}
}

// Start begins to serve and to take requests. It fails with reqresp.ErrClosed after Stop.
func (r *RequestResponse[Req, Resp]) Start() error {
	if err := r.server.Start(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = true
	return nil
}

// Stop takes no more requests of either side, waits for those in flight until ctx
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
	r.cancel(reqresp.ErrClosed)
	r.closing.Do(r.events.close)
	if err == nil && r.brokenOff() {
		err = ctx.Err()
	}
	return err
}

// breakOff ends what is in flight when Stop waits no longer.
func (r *RequestResponse[Req, Resp]) breakOff() {
	r.mu.Lock()
	r.broken = r.broken || r.pending > 0
	r.mu.Unlock()
	r.cancel(reqresp.ErrClosed)
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
	return r.host.Network().Connectedness(to) == network.Connected
}
