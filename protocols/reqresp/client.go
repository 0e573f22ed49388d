package reqresp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// DefaultMaxConcurrent is the default of [ClientOptions].MaxConcurrent. It is
// MAX_CONCURRENT_REQUESTS of the consensus specs.
const DefaultMaxConcurrent = 2

// ClientOptions are the optional settings of a [Client]. The zero value is
// ready.
type ClientOptions struct {
	// MaxConcurrent bounds the exchanges under way with one peer on one protocol,
	// all its versions together. Further calls wait their turn. Zero means
	// DefaultMaxConcurrent.
	MaxConcurrent int
}

// A Client calls the peers of a host. It holds nothing that needs closing.
type Client struct {
	host    Host
	slots   *slots
	protect *protector
}

// NewClient returns a client of h's peers. Options may be nil. It panics if
// MaxConcurrent is negative.
func NewClient(h Host, opts *ClientOptions) *Client {
	var o ClientOptions
	if opts != nil {
		o = *opts
	}
	if o.MaxConcurrent < 0 {
		panic(fmt.Sprintf("reqresp: MaxConcurrent %d must not be negative", o.MaxConcurrent))
	}
	return &Client{
		host:    h,
		slots:   newSlots(cmp.Or(o.MaxConcurrent, DefaultMaxConcurrent)),
		protect: newProtector(h.ConnManager()),
	}
}

// Open begins an exchange with a peer: it waits for a free slot, connects if need
// be, opens a stream and negotiates the first protocol that the peer supports,
// trying those of the first spec first. It is how versions of a protocol with
// different types are called: the request is chosen by the [Outbound.Spec] that
// won. All specs given belong to one protocol and share its name.
//
// The exchange lasts until [Outbound.Close]; ctx bounds all of it. With
// network.WithNoDial in it, a peer that is not connected fails the call at once. The error is a
// [*Failure].
func (c *Client) Open(ctx context.Context, to peer.ID, specs ...*Spec) (*Outbound, error) {
	if len(specs) == 0 {
		panic("reqresp: Open without a protocol")
	}
	first := specs[0]
	key := slotKey{to, first.Name}
	if err := c.slots.acquire(ctx, key); err != nil {
		return nil, &Failure{Peer: to, Protocol: first.Protocols[0], Phase: PhaseQueue, Err: cause(ctx, err)}
	}
	c.protect.begin(to)
	end := func() {
		c.protect.end(to)
		c.slots.release(key)
	}
	stream, phase, err := c.connect(ctx, to, specs)
	if err != nil {
		end()
		return nil, &Failure{Peer: to, Protocol: first.Protocols[0], Phase: phase, Err: err}
	}
	return newOutbound(ctx, wrapMplex(stream), specOf(specs, stream.Protocol()), end), nil
}

func (c *Client) connect(ctx context.Context, to peer.ID, specs []*Spec) (network.Stream, Phase, error) {
	timeouts := specs[0].Limits.Timeouts
	if err := c.dial(ctx, to, timeouts.Dial); err != nil {
		return nil, PhaseDial, err
	}
	var ids []protocol.ID
	for _, spec := range specs {
		ids = append(ids, spec.Protocols...)
	}
	nctx, cancel := context.WithTimeoutCause(ctx, timeouts.Negotiate, ErrTimeout)
	defer cancel()
	stream, err := c.host.NewStream(network.WithNoDial(nctx, "connected"), to, ids...)
	if err != nil {
		if isUnsupported(err) {
			err = fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		return nil, PhaseNegotiate, cause(nctx, err)
	}
	return stream, 0, nil
}

// dial connects to a peer, unless the context forbids to dial: then the peer has to
// be connected.
func (c *Client) dial(ctx context.Context, to peer.ID, timeout time.Duration) error {
	if nodial, _ := network.GetNoDial(ctx); nodial {
		if c.host.Network().Connectedness(to) != network.Connected {
			return network.ErrNoConn
		}
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, ErrTimeout)
	defer cancel()
	if err := c.host.Connect(ctx, peer.AddrInfo{ID: to}); err != nil {
		return cause(ctx, err)
	}
	return nil
}

func specOf(specs []*Spec, id protocol.ID) *Spec {
	for _, spec := range specs {
		if slices.Contains(spec.Protocols, id) {
			return spec
		}
	}
	panic(fmt.Sprintf("reqresp: host negotiated %q, which was not proposed", id))
}

// cause replaces what an ended context made some layer fail with by the reason
// for which the context ended.
func cause(ctx context.Context, err error) error {
	reason := context.Cause(ctx)
	if reason == nil || errors.Is(err, reason) {
		return err
	}
	return fmt.Errorf("%w: %w", reason, err)
}
