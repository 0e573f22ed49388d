package reqresp

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// A call is an exchange of a client from its start to its end, with or without a
// stream.
type call struct {
	client *Client
	info   OutboundInfo
	ids    []protocol.ID // proposed
	turn   turn
	paced  bool // the pacer is to be told how it ended
	result Result
}

func (c *Client) newCall(to peer.ID, spec *Spec) *call {
	id := OutboundRequestID(c.shared.lastID.Add(1))
	return &call{client: c, info: OutboundInfo{ID: id, Peer: to, Spec: spec}}
}

func (c *call) open(ctx context.Context, specs []*Spec) (*Outbound, error) {
	shared := c.client.shared
	shared.protect.begin(c.info.Peer)
	tell(shared.trace.Start, c.info)
	stream, phase, err := c.connect(ctx, specs)
	if err != nil {
		err = &Failure{Peer: c.info.Peer, Protocol: c.client.opts.preferred(specs), Phase: phase, Err: err}
		c.end(err)
		return nil, err
	}
	c.info.Spec = specOf(specs, stream.Protocol())
	c.info.Protocol = stream.Protocol()
	c.info.Conn = stream.Conn()
	tell(shared.trace.Negotiated, c.info)
	if c.info.Spec.Kind == KindOneWay {
		stream = wrapMplex(stream)
	} else {
		stream = readAhead(stream, shared.unread)
	}
	return newOutbound(ctx, c, stream, c.info.Spec), nil
}

// connect waits for the call's turn and opens a stream. The phase is the one it failed in.
func (c *call) connect(ctx context.Context, specs []*Spec) (network.Stream, Phase, error) {
	shared, timeouts := c.client.shared, c.client.opts.Timeouts.or(specs[0].Limits.Timeouts)
	var err error
	if c.ids, err = c.client.opts.proposal(specs); err != nil {
		return nil, PhaseQueue, err
	}
	if c.turn, err = shared.turns.wait(ctx, c.info.Peer, specs[0].Name); err != nil {
		return nil, PhaseQueue, cause(ctx, err)
	}
	if err := c.pace(ctx, specs[0].Name); err != nil {
		return nil, PhaseQueue, cause(ctx, err)
	}
	tell(shared.trace.Turn, c.info)
	if err := c.dial(ctx, timeouts); err != nil {
		return nil, PhaseDial, err
	}
	tell(shared.trace.Connected, c.info)
	stream, err := c.negotiate(ctx, timeouts)
	return stream, PhaseNegotiate, err
}

// pace waits until the peer may be asked.
func (c *call) pace(ctx context.Context, method string) error {
	pacer := c.client.shared.pacer
	if pacer == nil {
		return nil
	}
	err := pacer.Wait(ctx, c.info.Peer, method, cmp.Or(c.client.opts.Items, 1))
	c.paced = err == nil
	return err
}

// dial connects to the peer, unless the context forbids to dial: then the peer has to
// be connected. On a limited connection alone it fails at once, if the context does not allow that: libp2p would wait
// for a direct one when the stream is opened.
func (c *call) dial(ctx context.Context, timeouts Timeouts) error {
	host, to := c.client.shared.host, c.info.Peer
	if nodial, _ := network.GetNoDial(ctx); nodial {
		return notConnected(ctx, host, to)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeouts.Dial, ErrTimeout)
	defer cancel()
	if err := host.Connect(ctx, peer.AddrInfo{ID: to, Addrs: c.client.opts.Addrs}); err != nil {
		err = cause(ctx, err)
		if host.Network().Connectedness(to) == network.Limited {
			err = fmt.Errorf("%w, and no direct one: %w", network.ErrLimitedConn, err)
		}
		return err
	}
	if host.Network().Connectedness(to) == network.Limited {
		return notConnected(ctx, host, to)
	}
	return nil
}

// notConnected returns nil if there is a connection that a call may use, and else why there is none.
func notConnected(ctx context.Context, h Host, to peer.ID) error {
	switch {
	case isConnected(ctx, h, to):
		return nil
	case h.Network().Connectedness(to) == network.Limited:
		return network.ErrLimitedConn
	}
	return network.ErrNoConn
}

// isConnected reports whether there is a connection that a call may use.
func isConnected(ctx context.Context, h Host, to peer.ID) bool {
	connectedness := h.Network().Connectedness(to)
	if limited, _ := network.GetAllowLimitedConn(ctx); limited && connectedness == network.Limited {
		return true
	}
	return connectedness == network.Connected
}

func (c *call) negotiate(ctx context.Context, timeouts Timeouts) (network.Stream, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeouts.Negotiate, ErrTimeout)
	defer cancel()
	stream, err := c.client.shared.host.NewStream(network.WithNoDial(ctx, "connected"), c.info.Peer, c.ids...)
	if err != nil {
		return nil, c.negotiateCause(ctx, err)
	}
	return stream, nil
}

// negotiateCause names the reason for which no stream was opened. Not every muxer tells the end of
// its connection from a reset, and libp2p does not tell it from other causes, but
// then the peer is not connected any more.
func (c *call) negotiateCause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return cause(ctx, err)
	case isUnsupported(err):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case isConnError(err), !isConnected(ctx, c.client.shared.host, c.info.Peer):
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	return resetError(err)
}

// forget has the host forget that the peer supports what it was found not to. The host negotiates what it
// remembers along with the request, so that call after call would fail until the peer is identified again.
func (c *call) forget() {
	_ = c.client.shared.host.Network().Peerstore().RemoveProtocols(c.info.Peer, c.ids...)
}

// end is the only place that frees what a call holds, and tells that it is over.
func (c *call) end(err error) {
	shared := c.client.shared
	if errors.Is(err, ErrUnsupported) {
		c.forget()
	}
	c.result.Err = err
	if c.paced {
		shared.pacer.Done(c.info.Peer, c.info.Spec.Name, c.result)
	}
	c.turn.end()
	shared.protect.end(c.info.Peer)
	tellResult(shared.trace.Done, c.info, c.result)
}
