package reqresp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// A call is an exchange of a client from its start to its end, with or without a
// stream.
type call struct {
	client   *Client
	exchange Exchange
	ids      []protocol.ID // proposed
	key      callKey
	acquired bool // the call counts to the client's bounds
	limited  bool // the limiter's Done is still to be called
}

func (c *call) open(ctx context.Context, specs []*Spec) (*Outbound, error) {
	shared := c.client.shared
	shared.protect.begin(c.exchange.Peer)
	c.exchange.begin(PhaseQueue)
	stream, err := c.connect(ctx, specs)
	if err != nil {
		err = newFailure(c.exchange.Peer, c.client.opts.preferred(specs), c.exchange.Phase, err)
		c.end(err)
		return nil, err
	}
	c.exchange.Spec = specOf(specs, stream.Protocol())
	c.exchange.Protocol = stream.Protocol()
	c.exchange.Conn = stream.Conn()
	c.exchange.enter(PhaseRequest)
	if c.exchange.Spec.kind == KindOneWay {
		stream = wrapMplex(stream)
	} else {
		stream = readAhead(stream, shared.unread)
	}
	return newOutbound(ctx, c, stream), nil
}

// connect waits until the call may begin and opens a stream.
func (c *call) connect(ctx context.Context, specs []*Spec) (network.Stream, error) {
	timeouts := c.client.opts.Timeouts.or(specs[0].limits.Timeouts)
	var err error
	if c.ids, err = c.client.opts.proposal(specs); err != nil {
		return nil, err
	}
	if err := c.wait(ctx, specs[0].name); err != nil {
		return nil, cause(ctx, err)
	}
	c.exchange.enter(PhaseDial)
	if err := c.dial(ctx, timeouts); err != nil {
		return nil, err
	}
	c.exchange.enter(PhaseNegotiate)
	return c.negotiate(ctx, timeouts)
}

// wait waits for the client's bounds and until the peer may be asked.
func (c *call) wait(ctx context.Context, method string) error {
	shared, to := c.client.shared, c.exchange.Peer
	c.key = callKey{to, method}
	if err := shared.limits.acquire(ctx, c.key); err != nil {
		return err
	}
	c.acquired = true
	if shared.limiter == nil {
		return nil
	}
	err := shared.limiter.Wait(ctx, to, method, cmp.Or(c.client.opts.Items, 1))
	c.limited = err == nil
	return err
}

// dial connects to the peer, unless the context forbids to dial: then the peer has to
// be connected. On a limited connection alone it fails at once, if the context does not allow that: libp2p would wait
// for a direct one when the stream is opened.
func (c *call) dial(ctx context.Context, timeouts Timeouts) error {
	host, to := c.client.shared.host, c.exchange.Peer
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
	stream, err := c.client.shared.host.NewStream(network.WithNoDial(ctx, "connected"), c.exchange.Peer, c.ids...)
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
	case isConnError(err), !isConnected(ctx, c.client.shared.host, c.exchange.Peer):
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	return resetError(err)
}

// forget has the host forget that the peer supports what it was found not to. The host negotiates what it
// remembers along with the request, so that call after call would fail until the peer is identified again.
func (c *call) forget() {
	_ = c.client.shared.host.Network().Peerstore().RemoveProtocols(c.exchange.Peer, c.ids...)
}

// end is the only place that frees what a call has acquired, and that reports its end.
func (c *call) end(err error) {
	shared := c.client.shared
	if errors.Is(err, ErrUnsupported) {
		c.forget()
	}
	c.exchange.Err = err
	if c.limited {
		shared.limiter.Done(c.exchange.Peer, c.key.name, c.exchange.Result)
	}
	if c.acquired {
		shared.limits.release(c.key)
	}
	shared.protect.end(c.exchange.Peer)
	c.exchange.done(err)
}

// mostBehind is how often a connection's timeouts double the wait for a first byte.
const mostBehind = 3

// behind counts, of connections on which a response timed out halfway, the timeouts since. What the peer
// has queued of that response arrives before what answers the next request: nothing of it can be
// called back, neither on yamux, where the reset ends what is not queued yet, nor on mplex, where all of the
// rest follows. The zero value is ready.
type behind struct {
	mu    sync.Mutex
	conns map[network.Conn]int
}

// times returns how often the wait for a first byte is to be doubled on a connection.
func (b *behind) times(c network.Conn) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conns[c]
}

// add counts an exchange that timed out in a phase.
func (b *behind) add(c network.Conn, in Phase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns[c] == 0 && in != PhaseResponse {
		return // Nothing shows that the peer sends anything.
	}
	for other := range b.conns {
		if other.IsClosed() {
			delete(b.conns, other)
		}
	}
	if b.conns == nil {
		b.conns = make(map[network.Conn]int)
	}
	b.conns[c] = min(b.conns[c]+1, mostBehind)
}

// caughtUp forgets the timeouts, as the first byte of a response has come.
func (b *behind) caughtUp(c network.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

// timedOutIn returns the phase in which an exchange timed out, if it ended in that.
func timedOutIn(err error) (Phase, bool) {
	f, ok := errors.AsType[*Failure](err)
	if !ok || !errors.Is(err, ErrTimeout) {
		return 0, false
	}
	return f.Phase, true
}
