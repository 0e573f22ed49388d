package reqresp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Defaults of [ClientOptions].
const (
	DefaultMaxConcurrent        = 1024
	DefaultMaxConcurrentPerPeer = 100
	DefaultMaxQueue             = 4096
)

// ClientOptions are the optional settings of a [Client]. The zero value is
// ready.
type ClientOptions struct {
	// MaxConcurrent bounds the exchanges under way in all. Further calls wait their
	// turn. Zero means DefaultMaxConcurrent.
	MaxConcurrent int
	// MaxConcurrentPerPeer bounds those with one peer on one protocol, all its versions
	// together. Zero means DefaultMaxConcurrentPerPeer, what a rust-libp2p peer takes on
	// one connection by default.
	MaxConcurrentPerPeer int
	// MaxQueue bounds the calls that wait. One more fails at once, with
	// ErrTooManyPending. Zero means DefaultMaxQueue.
	MaxQueue int
	// Pacer delays calls to what peers bear. Nil delays none.
	Pacer CallPacer
	// Trace is told how calls go on. Nil tells nobody.
	Trace *ClientTrace
}

func (o ClientOptions) withDefaults() ClientOptions {
	mustNotBeNegative("ClientOptions",
		setting[int]{"MaxConcurrent", o.MaxConcurrent},
		setting[int]{"MaxConcurrentPerPeer", o.MaxConcurrentPerPeer},
		setting[int]{"MaxQueue", o.MaxQueue})
	o.MaxConcurrent = cmp.Or(o.MaxConcurrent, DefaultMaxConcurrent)
	o.MaxConcurrentPerPeer = cmp.Or(o.MaxConcurrentPerPeer, DefaultMaxConcurrentPerPeer)
	o.MaxQueue = cmp.Or(o.MaxQueue, DefaultMaxQueue)
	o.Trace = cmp.Or(o.Trace, new(ClientTrace))
	return o
}

// A Client calls the peers of a host. It holds nothing that needs closing.
type Client struct {
	shared *clientShared
	opts   CallOptions
}

// clientShared is what clients that differ in their call options share.
type clientShared struct {
	host    Host
	turns   *turns
	protect *protector
	pacer   CallPacer
	trace   *ClientTrace
	unread  *memoryBudget
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
	return &Client{shared: &clientShared{
		host:    h,
		turns:   newTurns(o),
		protect: newProtector(h.ConnManager()),
		pacer:   o.Pacer,
		trace:   o.Trace,
		unread:  newMemoryBudget(maxUnreadInAll),
	}}
}

// With returns a client whose calls differ from c's in the options given, which replace
// any that c has. They share everything else: bounds, trace and IDs. Slices
// in o must not be changed any more. It panics if a timeout or Items is negative.
//
//	pong, err := Ping.Call(ctx, client.With(reqresp.CallOptions{Addrs: addrs}), to, &ping)
func (c *Client) With(o CallOptions) *Client {
	if err := o.validate(); err != nil {
		panic("reqresp: " + err.Error())
	}
	return &Client{shared: c.shared, opts: o}
}

// Pending returns how many exchanges with each peer have not ended, those that wait
// for their turn or for a connection included.
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

// Open begins an exchange with a peer: it waits for its turn, connects if need
// be, opens a stream and negotiates the first protocol that the peer supports,
// trying those of the first spec first. It is how versions of a protocol with
// different types are called: the request is chosen by the [Outbound.Spec] that
// won. All specs given belong to one protocol and share its name.
//
// What the host knows a peer to support is not negotiated but sent along with the request, which
// saves a round trip. A peer that has ceased to support it refuses, and [Outbound.Receive] fails with
// ErrUnsupported. By its Close the host has forgotten it, and the next call negotiates anew.
//
// The exchange lasts until [Outbound.Close]; ctx bounds all of it. Calls to a peer that
// is not connected share one dial. The error is a [*Failure]. It panics if there is no
// spec, or if they do not share a name.
func (c *Client) Open(ctx context.Context, to peer.ID, specs ...*Spec) (*Outbound, error) {
	if len(specs) == 0 || specs[0] == nil {
		panic("reqresp: Open without a protocol")
	}
	for _, spec := range specs[1:] {
		if spec.Name != specs[0].Name {
			panic(fmt.Sprintf("reqresp: Open of two protocols, %s and %s", specs[0].Name, spec.Name))
		}
	}
	return c.newCall(to, specs[0]).open(ctx, specs)
}

func specOf(specs []*Spec, id protocol.ID) *Spec {
	for _, spec := range specs {
		if slices.Contains(spec.Protocols, id) {
			return spec
		}
	}
	panic(fmt.Sprintf("reqresp: host negotiated %q, which was not proposed", id))
}
