package reqresp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
)

// Defaults of [ClientOptions].
const (
	DefaultMaxCalls        = 1024
	DefaultMaxCallsPerPeer = 100
	DefaultMaxQueued       = 4096
)

// ClientOptions are the optional settings of a [Client]. The zero value is
// ready.
type ClientOptions struct {
	// MaxCalls bounds the calls in flight. Further calls wait. Zero means DefaultMaxCalls.
	MaxCalls int
	// MaxCallsPerPeer bounds those with one peer on one protocol, all its versions
	// together. Zero means DefaultMaxCallsPerPeer, what a rust-libp2p peer takes on
	// one connection by default.
	MaxCallsPerPeer int
	// MaxQueued bounds the calls that wait. One more fails at once, with
	// ErrTooManyPending. Zero means DefaultMaxQueued.
	MaxQueued int
	// Limiter delays calls to what peers allow. Nil delays none.
	Limiter CallLimiter
	// Trace is called as calls go on. Nil calls nothing.
	Trace *Trace
}

func (o ClientOptions) withDefaults() ClientOptions {
	mustNotBeNegative("ClientOptions",
		setting[int]{"MaxCalls", o.MaxCalls},
		setting[int]{"MaxCallsPerPeer", o.MaxCallsPerPeer},
		setting[int]{"MaxQueued", o.MaxQueued})
	o.MaxCalls = cmp.Or(o.MaxCalls, DefaultMaxCalls)
	o.MaxCallsPerPeer = cmp.Or(o.MaxCallsPerPeer, DefaultMaxCallsPerPeer)
	o.MaxQueued = cmp.Or(o.MaxQueued, DefaultMaxQueued)
	return o
}

// CallOptions are the optional settings of single calls, for [Client.With]. The zero
// value changes nothing.
//
// What libp2p lets a context say is not among them, but obeyed: see
// network.WithNoDial for a peer that must be connected already,
// network.WithAllowLimitedConn for one that may be asked over a relay, and
// network.WithForceDirectDial.
type CallOptions struct {
	// Addrs are dialed, besides those that the host knows, if the peer is not
	// connected. The host remembers them for some minutes.
	Addrs []multiaddr.Multiaddr
	// Protocols are proposed, in this order, instead of all those that the call would
	// propose, of which each must be one. None proposes them all.
	Protocols []protocol.ID
	// Timeouts replace those of the protocol. Fields that are zero keep the
	// protocol's.
	Timeouts Timeouts
	// Items is what the call asks for, in what peers count: chunks, most often. It is for the
	// client's CallLimiter. Zero means one.
	Items int
	// Trace is called as the call goes on, after the client's. Nil calls nothing.
	Trace *Trace
}

// or returns o with its zero fields replaced by those of p, and both traces.
func (o CallOptions) or(p CallOptions) CallOptions {
	if len(o.Addrs) == 0 {
		o.Addrs = p.Addrs
	}
	if len(o.Protocols) == 0 {
		o.Protocols = p.Protocols
	}
	o.Timeouts = o.Timeouts.or(p.Timeouts)
	o.Items = cmp.Or(o.Items, p.Items)
	switch {
	case o.Trace == nil:
		o.Trace = p.Trace
	case p.Trace != nil:
		o.Trace = JoinTraces(p.Trace, o.Trace)
	}
	return o
}

// proposal returns the protocol IDs to negotiate, most preferred first.
func (o *CallOptions) proposal(specs []*Spec) ([]protocol.ID, error) {
	if len(o.Protocols) == 0 && len(specs) == 1 {
		return specs[0].ids, nil
	}
	var all []protocol.ID
	for _, spec := range specs {
		all = append(all, spec.ids...)
	}
	if len(o.Protocols) == 0 {
		return all, nil
	}
	for _, id := range o.Protocols {
		if !slices.Contains(all, id) {
			return nil, fmt.Errorf("reqresp: CallOptions.Protocols has %q, %s has %q", id, specs[0].name, all)
		}
	}
	return o.Protocols, nil
}

// preferred returns the first of the protocol IDs to negotiate.
func (o *CallOptions) preferred(specs []*Spec) protocol.ID {
	if len(o.Protocols) > 0 {
		return o.Protocols[0]
	}
	return specs[0].ids[0]
}

func (o *CallOptions) validate() error {
	if o.Items < 0 {
		return fmt.Errorf("CallOptions.Items is %d: want at least 1, or 0 for 1", o.Items)
	}
	return o.Timeouts.validate()
}

// A Client calls the peers of a host. It holds nothing that needs closing.
type Client struct {
	shared *clientShared
	opts   CallOptions
}

// clientShared is what clients that differ in their call options share.
type clientShared struct {
	host    Host
	limits  *callLimits
	protect *protector
	limiter CallLimiter
	trace   *Trace
	unread  *memoryPool
	behind  behind
	lastID  atomic.Uint64
}

// NewClient returns a client of h's peers. Options may be nil. It panics if
// a bound in opts is negative.
func NewClient(h Host, opts *ClientOptions) *Client {
	var o ClientOptions
	if opts != nil {
		o = *opts
	}
	o = o.withDefaults()
	return &Client{
		shared: &clientShared{
			host:    h,
			limits:  newCallLimits(o),
			protect: newProtector(h.ConnManager()),
			limiter: o.Limiter,
			trace:   o.Trace,
			unread:  newMemoryPool(maxUnreadInAll),
		},
	}
}

// With returns a client whose calls differ from c's in the options given. Options that are zero in o stay as they are
// in c, and the hooks of o's Trace are called after c's. The clients share everything else: bounds and IDs.
// Slices in o must not be changed any more. It panics if a timeout or Items is negative.
//
//	pong, err := Ping.Call(ctx, client.With(reqresp.CallOptions{Addrs: addrs}), to, &ping)
func (c *Client) With(o CallOptions) *Client {
	if err := o.validate(); err != nil {
		panic("reqresp: " + err.Error())
	}
	return &Client{shared: c.shared, opts: o.or(c.opts)}
}

// Pending returns how many exchanges with each peer have not ended, those that wait
// to begin or for a connection included.
func (c *Client) Pending() map[peer.ID]int { return c.shared.protect.counts() }

// MaxUnread returns how many bytes of a response are held for a caller who does not read them, on
// a connection to a peer as it is now. It is 0 where there is no bound to keep to, as nothing
// is connected or the muxer has flow control: the peer waits there. See [Outbound.MaxUnread].
func (c *Client) MaxUnread(to peer.ID) int {
	if slices.ContainsFunc(c.shared.host.Network().ConnsToPeer(to), isMplex) {
		return maxUnread
	}
	return 0
}

// Open begins an exchange with a peer: it waits for the client's bounds on calls, connects if need
// be, opens a stream and negotiates the first protocol that the peer supports,
// trying those of the first spec first. It is how versions of a protocol with
// different types are called: the request is chosen by the [Outbound.Spec] that
// won. The specs should share a name: the call counts to the bounds of the first one's.
//
// What the host knows a peer to support is not negotiated but sent along with the request, which
// saves a round trip. A peer that has ceased to support it refuses, and [Outbound.Receive] fails with
// ErrUnsupported. By its Close the host has forgotten it, and the next call negotiates anew.
//
// The exchange lasts until [Outbound.Close]; ctx bounds all of it. Calls to a peer that
// is not connected share one dial. The error is a [*Failure]. It panics if there is no
// spec.
func (c *Client) Open(ctx context.Context, to peer.ID, specs ...*Spec) (*Outbound, error) {
	if len(specs) == 0 || specs[0] == nil {
		panic("reqresp: Open without a protocol")
	}
	call := &call{client: c, exchange: Exchange{
		Info:   Info{ID: c.shared.lastID.Add(1), Peer: to, Spec: specs[0]},
		traces: [2]*Trace{c.shared.trace, c.opts.Trace},
	}}
	return call.open(ctx, specs)
}

func specOf(specs []*Spec, id protocol.ID) *Spec {
	for _, spec := range specs {
		if slices.Contains(spec.ids, id) {
			return spec
		}
	}
	panic(fmt.Sprintf("reqresp: host negotiated %q, which was not proposed", id))
}
