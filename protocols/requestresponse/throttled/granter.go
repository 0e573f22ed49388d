package throttled

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled/internal/wire"
)

// A grant that was not acknowledged is sent again after retryMin, then after twice as
// long each time, up to retryMax.
const (
	retryMin = 500 * time.Millisecond
	retryMax = 30 * time.Second
)

// credit is a message without data.
type credit = wire.Message[struct{}]

// A granter delivers grants of credit. Its client is its own, so that they do not wait
// behind requests which wait for credit.
type granter struct {
	client   *reqresp.Client
	protocol reqresp.Unary[credit, credit]

	ctx        context.Context // the calls'
	cancel     context.CancelFunc
	stopping   chan struct{} // closed when nothing is sent again any more
	goroutines sync.WaitGroup
}

// newGranter returns a granter on the protocol IDs given, most preferred first. The
// inner codec is for the name only: there is nothing else in a grant.
func newGranter(h reqresp.Host, inner reqresp.Codec, ids []protocol.ID) *granter {
	family := reqresp.Family{Codec: wire.NewCodec(inner, wire.TypeAck)}
	g := &granter{
		client:   reqresp.NewClient(h, nil),
		protocol: reqresp.NewUnary[credit, credit](family, "credit", 1).WithProtocols(ids...),
		stopping: make(chan struct{}),
	}
	ctx := network.WithNoDial(context.Background(), "credit is for peers that are connected")
	ctx = network.WithAllowLimitedConn(ctx, "credit is small")
	g.ctx, g.cancel = context.WithCancel(ctx)
	return g
}

// deliver sends a grant until the peer has got it, cannot get it, or ctx ends.
func (g *granter) deliver(ctx context.Context, to peer.ID, grant *grant) {
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		err := g.send(ctx, to, grant)
		if err == nil || errors.Is(err, reqresp.ErrUnsupported) {
			return
		}
		select {
		case <-time.After(wait):
		case <-grant.arrived:
			return
		case <-ctx.Done():
			return
		case <-g.stopping:
			return
		}
	}
}

// send sends a grant once. What is in flight is not broken off by proof of its arrival:
// rust-libp2p 0.12 closes a connection on which a stream is reset.
func (g *granter) send(ctx context.Context, to peer.ID, grant *grant) error {
	ack, err := g.protocol.Call(ctx, g.client, to, &credit{Header: wire.Credit(grant.id, grant.credit)})
	if err != nil {
		return err
	}
	if id := ack.Header.Ident; id == nil || *id != grant.id {
		return fmt.Errorf("throttled: grant %d was answered by the acknowledgement of another", grant.id)
	}
	return nil
}

// grantLocked has what is owed to a peer delivered: one grant after the other, as the
// peer ignores those that come late.
func (bs *budgets) grantLocked(b *budget) {
	r := b.recv
	if !bs.running || r.granting || r.owed == 0 {
		return
	}
	ctx, cancel := context.WithCancel(bs.granter.ctx)
	r.granting, r.cancel = true, cancel
	bs.granter.goroutines.Go(func() {
		defer cancel()
		for g := bs.nextGrant(ctx, r); g != nil; g = bs.nextGrant(ctx, r) {
			bs.granter.deliver(ctx, b.peer, g)
		}
	})
}

// nextGrant ends the last grant and begins the next. There is none when nothing is
// owed, the peer has disconnected, or silence was called.
func (bs *budgets) nextGrant(ctx context.Context, r *recvBudget) *grant {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	r.grant = nil
	if bs.running && ctx.Err() == nil {
		if g := r.next(bs.lastGrant + 1); g != nil {
			bs.lastGrant++
			return g
		}
	}
	r.granting = false
	return nil
}
